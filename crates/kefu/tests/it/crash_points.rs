//! The executable that the tests start dies where `KEFU_CRASH_AT` says.

use serde_json::json;

use crate::refusals::check_refusal;
use crate::stage::{Simulator, app, both_roles, eventually, kefu, metric};

const VARIABLE: &str = kefu_process::crash::VARIABLE;

#[tokio::test]
async fn a_value_that_cannot_be_followed_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for roles in [&["run"][..], &["run", "ingress"], &["run", "worker"]] {
        for (value, expected) in [
            ("page_committed", "\"page_committed\" is not <point>=abort@<n>"),
            (
                "page_pulled=abort@1,page_lost=abort@1",
                "\"page_lost\" is no crash point; there are callback_opened, ",
            ),
        ] {
            let call = kefu(roles).within(folder.path()).set_all(&app());
            // A role alone needs services that others can reach; nobody is asked before the refusal.
            let call = match roles.len() {
                1 => call,
                _ => call
                    .set("AMQP_URL", "amqp://127.0.0.1:1/")
                    .set("DATABASE_URL", "postgres://kefu@127.0.0.1:1/kefu"),
            };
            let ended = call
                .set("KEFU_INGRESS__LISTEN", "127.0.0.1:0")
                .set("KEFU_WORKER__LISTEN", "127.0.0.1:0")
                .set(VARIABLE, value)
                .end()
                .await;
            check_refusal(&ended, &format!("{VARIABLE}: {expected}"));
            assert_eq!(ended.stderr.len(), 1, "{ended:?}");
        }
    }
}

#[tokio::test]
async fn an_abort_kills_at_its_point_and_the_next_process_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let crashing = [(VARIABLE, "part_called=abort@2,reply_decided=abort@1")];
    let role = both_roles(folder.path(), &simulator, &crashing).await;
    simulator.says("wang", json!({ "text": "在吗" })).await;
    check_aborted(role.running.ended().await, "reply_decided");

    // This callback gets no answer: WeCom calls again.
    let role = both_roles(
        folder.path(),
        &simulator,
        &[(VARIABLE, "callback_opened=abort@1")],
    )
    .await;
    simulator.says("li", json!({ "text": "在吗" })).await;
    check_aborted(role.running.ended().await, "callback_opened");

    let _role = both_roles(folder.path(), &simulator, &[]).await;
    simulator.says("zhao", json!({ "text": "在吗" })).await;
    for customer in ["wang", "li", "zhao"] {
        assert_eq!(simulator.answers(customer, 1).await.len(), 1);
    }
    assert_eq!(simulator.report().await["sends"], 3);
}

/// Whatever dies between asking for a person and having one, the customer is told once and moved once.
#[tokio::test]
async fn a_worker_that_dies_anywhere_in_a_hand_over_says_so_once_and_moves_once() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let points = [
        "handover_decided",
        "part_marked",
        "part_called",
        "part_settled",
        "conversation_transferred",
        "handover_ended",
    ];
    for point in points {
        let crashing = format!("{point}=abort@1");
        let role = both_roles(folder.path(), &simulator, &[(VARIABLE, crashing.as_str())]).await;
        simulator.says(point, json!({ "text": "转人工" })).await;
        check_aborted(role.running.ended().await, point);
        let role = both_roles(folder.path(), &simulator, &[]).await;
        eventually(&format!("{point}: the session waits in the pool"), async || {
            (simulator.chat(point).await["state"] == 2).then_some(())
        })
        .await;
        // Handled in the pool, in silence: so the hand-over has ended, and nothing more was said.
        simulator.says(point, json!({ "text": "还在吗" })).await;
        eventually(&format!("{point}: the next message is handled"), async || {
            let pool = ["outcome=\"pool\""];
            let handled = metric(&role.metrics().await, "message_processed_total", &pool);
            (1.0 <= handled).then_some(())
        })
        .await;
        assert_eq!(simulator.replies(point).await.len(), 1, "{point}");
        role.running.terminate().await;
        role.running.ended().await.check_code(0);
    }
    assert_eq!(simulator.report().await["sends"], points.len());
}

/// A notice leaves on a code that is good once: a try that may have gone out is never repeated.
#[tokio::test]
async fn a_worker_that_dies_with_a_notice_never_repeats_it() {
    for (point, said) in [("notice_taken", 1), ("notice_called", 2)] {
        let folder = tempfile::tempdir().unwrap();
        let simulator = Simulator::start().await;
        let crashing = format!("{point}=abort@1");
        let waits = ("KEFU_REPLY__POOL_WAIT", "1s");
        let role = both_roles(folder.path(), &simulator, &[(VARIABLE, crashing.as_str()), waits]).await;
        simulator.says("wang", json!({ "text": "转人工" })).await;
        check_aborted(role.running.ended().await, point);
        let role = both_roles(folder.path(), &simulator, &[waits]).await;
        simulator.says("wang", json!({ "text": "还在吗" })).await;
        eventually("the next message is handled", async || {
            let pool = ["outcome=\"pool\""];
            let handled = metric(&role.metrics().await, "message_processed_total", &pool);
            (1.0 <= handled).then_some(())
        })
        .await;
        assert_eq!(simulator.replies("wang").await.len(), said, "{point}");
        role.running.terminate().await;
        role.running.ended().await.check_code(0);
    }
}

/// By a signal, and the last line says where.
#[track_caller]
fn check_aborted(ended: crate::stage::Ended, point: &str) {
    assert_eq!(ended.code, None, "{ended:?}");
    let expected = format!("kefu: {VARIABLE}: aborting at {point}");
    assert_eq!(ended.stderr.last(), Some(&expected), "{ended:?}");
}

#[tokio::test]
async fn a_panic_in_a_job_is_contained_and_the_customer_answered_once() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start().await;
    let more = [
        (VARIABLE, "reply_decided=panic@1"),
        ("KEFU_QUEUE__RETRY_STEPS", "1s,2s"),
    ];
    let role = both_roles(folder.path(), &simulator, &more).await;
    simulator.says("wang", json!({ "text": "在吗" })).await;
    assert_eq!(simulator.answers("wang", 1).await.len(), 1);
    let panicked = |line: &String| line.contains(&format!("{VARIABLE}: panic at reply_decided"));
    eventually("the panic is told", async || {
        role.running.stderr().iter().any(panicked).then_some(())
    })
    .await;
    assert_eq!(simulator.report().await["sends"], 1);
    role.running.terminate().await;
    role.running.ended().await.check_code(0);
}
