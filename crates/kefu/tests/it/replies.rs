//! `kefu replies`: parts of which nobody knows whether the customer saw them.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::json_fields::check;
use crate::stage::{Call, Ended, Role, Simulator, both_roles, eventually, kefu, metric};

const FALLBACK: &str = "您好，您的消息已收到，我们会尽快回复您。";

/// Kefu without a model, and a shell beside it.
struct Desk {
    folder: TempDir,
    simulator: Simulator,
    kefu: Role,
}

impl Desk {
    async fn open() -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start().await;
        let kefu = both_roles(folder.path(), &simulator, &[]).await;
        eventually("the database is migrated", async || {
            let (status, _) = kefu.get("/health/ready").await?;
            (status == 200).then_some(())
        })
        .await;
        Desk {
            folder,
            simulator,
            kefu,
        }
    }

    fn call(&self, arguments: &[&str]) -> Call {
        kefu(&[&["replies"], arguments].concat()).within(self.folder.path())
    }

    async fn listed(&self, more: &[&str]) -> Vec<Value> {
        let ended = self.call(&[&["list", "--json"], more].concat()).end().await;
        ended.check_code(0);
        let text = ended.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A reply to this customer that WeCom was too busy for, and then refused for good.
    async fn unknown_reply(&self, customer: &str) -> String {
        let unknown = self.listed(&[]).await.len();
        let busy = json!({ "api": "kf/send_msg", "kind": "error", "code": -1, "times": 1 });
        let refused = json!({ "api": "kf/send_msg", "kind": "error", "code": 40058, "times": 1 });
        self.simulator.fault(busy).await;
        self.simulator.fault(refused).await;
        self.simulator.says(customer, json!({ "text": "在吗" })).await;
        let found = eventually("the reply is unknown", async || {
            Some(self.listed(&[]).await).filter(|listed| unknown < listed.len())
        })
        .await;
        found[0]["msgid"].as_str().unwrap().to_owned()
    }

    async fn resolve(&self, msgid: &str, how: &str) -> Ended {
        self.call(&["resolve", msgid, "--as", how]).end().await
    }

    async fn close(self) {
        self.kefu.running.terminate().await;
        self.kefu.running.ended().await.check_code(0);
    }
}

#[tokio::test]
async fn unknown_replies_are_listed_and_resolved_in_each_way() {
    let desk = Desk::open().await;
    let none = desk.call(&["list"]).end().await;
    none.check_code(0);
    assert_eq!((none.text().as_str(), none.stderr.len()), ("", 1));

    let sent = desk.unknown_reply("wang").await;
    let failed = desk.unknown_reply("li").await;
    let resent = desk.unknown_reply("zhao").await;
    let listed = desk.listed(&[]).await;
    assert_eq!(listed[0]["msgid"], resent.as_str());
    assert_eq!(
        (&listed[0]["status"], &listed[0]["part"]),
        (&json!("unknown"), &json!(1))
    );
    assert!(listed[0]["error"].is_string() && listed[0].get("text").is_none());
    let with_text = desk.listed(&["--text", "--limit", "1"]).await;
    assert_eq!(with_text[0]["text"], FALLBACK);
    check("replies list", &with_text[0], &["--text"]);
    // What was said is shown to nobody who did not ask for it.
    let text = desk.call(&["list"]).end().await.text();
    assert!(text.contains(&sent) && !text.contains(FALLBACK), "{text}");
    assert!(
        desk.call(&["list", "--text"])
            .end()
            .await
            .text()
            .contains(FALLBACK)
    );
    eventually("the gauge counts them", async || {
        (metric(&desk.kefu.metrics().await, "kefu_replies_unknown", &[]) == 3.0).then_some(())
    })
    .await;

    the_list_is_turned_over_and_narrowed(&desk, [&resent, &failed, &sent]).await;
    let resolved = desk
        .call(&["resolve", &sent, "--as", "sent", "--json"])
        .end()
        .await;
    resolved.check_code(0);
    check("replies resolve", &resolved.json(), &[]);
    desk.resolve(&failed, "failed").await.check_code(0);
    desk.resolve(&resent, "resend").await.check_code(0);
    assert_eq!(desk.simulator.answers("zhao", 1).await, [FALLBACK]);
    assert_eq!(desk.listed(&[]).await, Vec::<Value>::new());
    assert_eq!(desk.listed(&["--status", "failed"]).await.len(), 2);

    // Resolved is resolved: nobody is told twice.
    for (msgid, status) in [(&sent, "sent"), (&failed, "failed"), (&resent, "failed")] {
        let again = desk.resolve(msgid, "resend").await;
        again.check_code(1);
        assert_eq!(
            again.stderr,
            [format!("kefu: reply {msgid}: it is {status}, not unknown")]
        );
    }
    // The conversations go on.
    for (customer, replies) in [("wang", 1), ("li", 1), ("zhao", 2)] {
        desk.simulator.says(customer, json!({ "text": "还在吗" })).await;
        assert_eq!(
            desk.simulator.answers(customer, replies).await,
            vec![FALLBACK; replies]
        );
    }
    assert_eq!(desk.simulator.report().await["sends"], 4);
    assert!(desk.listed(&["--status", "open"]).await.is_empty());
    desk.close().await;
}

/// Newest first.
async fn the_list_is_turned_over_and_narrowed(desk: &Desk, msgids: [&String; 3]) {
    let mut more = Vec::new();
    for (number, msgid) in msgids.into_iter().enumerate() {
        let after: Vec<&str> = more.iter().map(String::as_str).collect();
        let page = desk
            .call(&[&["list", "--limit", "1"], &after[..]].concat())
            .end()
            .await;
        page.check_code(0);
        let text = page.text();
        let (header, row) = text.split_once('\n').unwrap();
        assert!(
            header.starts_with("MSGID") && header.contains("SETTLED"),
            "{header}"
        );
        assert!(row.starts_with(msgid.as_str()) && row.contains("1 of 1"), "{row}");
        assert_eq!(page.stderr.len(), usize::from(number < 2), "{page:?}");
        if let Some(words) = page.stderr.first().and_then(|line| line.strip_prefix("more: ")) {
            more = words.split(' ').map(str::to_owned).collect();
        }
    }
    let account = desk.listed(&["--customer", "li"]).await;
    assert_eq!((account.len(), &account[0]["msgid"]), (1, &json!(msgids[1])));
    let account = account[0]["account"].as_str().unwrap();
    assert_eq!(desk.listed(&["--account", account]).await.len(), 3);
    assert!(desk.listed(&["--account", "wk-other"]).await.is_empty());
    assert!(desk.listed(&["--customer", "l"]).await.is_empty());
    let bare = desk
        .call(&["list", "--no-header", "--customer", "li"])
        .end()
        .await;
    assert_eq!(
        (bare.text().lines().count(), bare.stderr.len()),
        (1, 0),
        "{bare:?}"
    );
    desk.call(&["list", "--after", "nowhere"])
        .end()
        .await
        .check_code(2);
}

#[tokio::test]
async fn replies_that_are_not_there_or_not_meant_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let call = |arguments: &[&str]| kefu(arguments).within(folder.path()).end();
    call(&["migrate"]).await.check_code(0);
    let nobody = call(&["replies", "resolve", "nobody", "--as", "sent"]).await;
    nobody.check_code(1);
    assert_eq!(nobody.stderr, ["kefu: reply nobody: there is none"]);
    for wrong in [
        &["replies", "resolve", "nobody"][..],
        &["replies", "resolve", "--as", "sent"],
        &["replies", "resolve", "nobody", "--as", "read"],
        &["replies", "list", "--status", "sent"],
        &["replies", "list", "--limit", "0"],
    ] {
        let ended = call(wrong).await;
        ended.check_code(2);
        assert_eq!(ended.text(), "", "{wrong:?}");
    }
}
