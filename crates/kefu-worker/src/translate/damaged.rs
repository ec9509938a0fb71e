//! Damaged pages on their whole way from WeCom's answer into the database: none of them holds the cursor.

use std::cell::{Cell, RefCell};

use kefu_domain::{AccountId, ConversationKey, CorpId};
use kefu_faults::mutator;
use kefu_store::{
    AccountLease, AcquireAccount, AcquiredAccount, AcquiredConversation, DatabaseSettings, Page, PageOutcome,
    Store, TurnLimits,
};
use kefu_wecom::client::SyncPage;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::runtime::Runtime;

use super::*;

/// Two of five damaged answers are pages still, and are stored.
const CASES: u32 = 6_000;
const COMMITS_MIN: u32 = 2_000;
const LEASE: Duration = Duration::from_secs(600);
const NOW: Millis = Millis(1_700_000_100_000);

/// Stands where a customer's words would; no error that is kept may repeat it.
const SECRET: &str = "geheim";

const PAGES: &[&str] = &[
    r#"{"next_cursor":"c1","has_more":1,"msg_list":[{"msgid":"m1","open_kfid":"wk1","external_userid":"wm1","send_time":1700000000,"origin":3,"msgtype":"text","text":{"content":"geheim \ud83d\ude00","menu_id":"a"}},{"msgid":"m2","external_userid":"wm2","send_time":1700000001,"origin":5,"servicer_userid":"anna","msgtype":"text","text":{"content":"geheim"}},{"msgid":"m3","external_userid":"wm2","send_time":1700000002,"origin":3,"msgtype":"image","image":{"media_id":"x"}}]}"#,
    r#"{"next_cursor":"c2","has_more":0,"msg_list":[{"msgid":"m4","send_time":1700000003,"origin":4,"msgtype":"event","event":{"event_type":"enter_session","external_userid":"wm1","scene":"s","welcome_code":"geheim"}},{"msgid":"m5","origin":4,"msgtype":"event","event":{"event_type":"msg_send_fail","fail_msgid":"r1","fail_type":4}},{"msgid":"m6","origin":4,"msgtype":"event","event":{"event_type":"session_status_change","external_userid":"wm1","change_type":3}},{"msgid":"m7","origin":4,"msgtype":"event","event":{"event_type":"user_recall_msg","external_userid":"wm1","recall_msgid":"m8"}},{"msgid":"m8","external_userid":"wm1","send_time":1700000004,"origin":3,"msgtype":"voice","voice":{"media_id":"y"}}]}"#,
    r#"{"next_cursor":"c3","has_more":0,"msg_list":[{"msgid":"m9","external_userid":"wm3","send_time":"1700000005","origin":3,"msgtype":"link","link":{"title":"geheim","url":"u"}}]}"#,
    r#"{"next_cursor":"c4","has_more":0,"msg_list":[{"msgid":"m10","external_userid":"wm1","send_time":1700000006,"origin":3,"msgtype":"merged_msg","merged_msg":{"title":"t","item":[{"msgtype":"text","sender_name":"a","msg_content":"{\"text\":{\"content\":\"geheim\\ud83d\"}}"}]}},{"msgid":"m11","external_userid":"wm2","origin":3,"msgtype":"location","location":{"latitude":"39.9","longitude":116.4,"name":"geheim"}},{"msgid":"m12","external_userid":"wm3","origin":3,"msgtype":"channels_shop_product","channels_shop_product":{"title":"geheim","sales_price":5900}}]}"#,
];

#[test]
fn no_damaged_page_holds_the_cursor_on_sqlite() {
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let runtime = Runtime::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("kefu.db").display());
    store_damaged_pages(&runtime, &url);
}

#[test]
fn no_damaged_page_holds_the_cursor_on_postgres() {
    let base = std::env::var("DATABASE_URL")
        .ok()
        .filter(|url| url.starts_with("postgres"));
    let base = base.expect("this test needs DATABASE_URL; run: eval \"$(scripts/services start)\"");
    let schema = format!("worker_pages_{}", std::process::id());
    let runtime = Runtime::new().unwrap();
    let admin = |sql: String| {
        runtime.block_on(async {
            let mut admin = PgConnection::connect(&base).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut admin)
                .await
                .unwrap();
            admin.close().await.unwrap();
        });
    };
    admin(format!(
        "DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"
    ));
    let mark = if base.contains('?') { '&' } else { '?' };
    store_damaged_pages(&runtime, &format!("{base}{mark}options[search_path]={schema}"));
    admin(format!("DROP SCHEMA {schema} CASCADE"));
}

fn store_damaged_pages(runtime: &Runtime, url: &str) {
    let (store, lease) = runtime.block_on(open(url));
    let (case, cursor) = (Cell::new(0_u32), RefCell::new(None));
    mutator::check(PAGES, CASES, |answer| {
        // Not a page: a failure of the call, which no cursor is moved for.
        let Ok(page) = SyncPage::parse(answer) else {
            return Ok(());
        };
        case.set(case.get() + 1);
        let messages = page
            .messages
            .iter()
            .map(|raw| renamed(page_message(raw, NOW, true), case.get()));
        let page = Page {
            cursor_before: cursor.borrow().clone(),
            cursor_after: page.next_cursor.or(cursor.borrow().clone()),
            has_more: page.has_more,
            lease: LEASE,
            messages: messages.collect(),
            history_before: case.get().is_multiple_of(3).then_some(NOW),
            welcome_after: Millis(0),
        };
        let outcome = runtime
            .block_on(store.commit_page(&lease, &page))
            .map_err(|error| {
                format!(
                    "{error}: {:?}",
                    std::error::Error::source(&error).map(ToString::to_string)
                )
            })?;
        cursor.replace(page.cursor_after.clone());
        kept(&page, &outcome)
    });
    // A time instead of a number of cases may be a short one.
    let timed = std::env::var_os(mutator::SECONDS_VARIABLE).is_some();
    assert!(timed || COMMITS_MIN <= case.get(), "{} pages", case.get());
    runtime.block_on(async {
        let end = Page {
            cursor_before: cursor.take(),
            cursor_after: Some("end".to_owned()),
            has_more: false,
            lease: LEASE,
            messages: Vec::new(),
            history_before: None,
            welcome_after: Millis(0),
        };
        let outcome = store.commit_page(&lease, &end).await.unwrap();
        assert!(matches!(outcome, PageOutcome::Committed { .. }), "{outcome:?}");
        // What was stored can be read.
        let limits = TurnLimits {
            owed_max: 200,
            history_max: 20,
        };
        for customer in ["wm1", "wm2", "wm3"] {
            let key = ConversationKey {
                corp: lease.corp.clone(),
                account: lease.account.clone(),
                customer: CustomerId::parse(customer).unwrap(),
            };
            let turn = store
                .acquire_conversation(&key, "turn", false, LEASE, limits)
                .await
                .unwrap();
            assert!(matches!(turn, AcquiredConversation::Won(_)), "{turn:?}");
        }
        store.close().await;
    });
}

/// Each message is stored, or was, or is kept raw; of raw ones that are alike only the first counts.
fn kept(page: &Page, outcome: &PageOutcome) -> Result<(), String> {
    let PageOutcome::Committed {
        stored,
        repeated,
        unreadable,
        ..
    } = outcome
    else {
        return Err(format!("{outcome:?}"));
    };
    let errors = page.messages.iter().filter_map(|message| match &message.content {
        PageContent::Unreadable { error } => Some(error),
        _ => None,
    });
    let told = errors.clone().any(|error| error.contains(SECRET));
    let readable = page.messages.len() - errors.count();
    // The database never refused what was readable.
    match stored + repeated == readable as u64
        && *unreadable <= (page.messages.len() - readable) as u64
        && !told
    {
        true => Ok(()),
        false => Err(format!("{outcome:?} of {} messages", page.messages.len())),
    }
}

/// Each case brings messages of its own; two of one page that had one id still have one.
fn renamed(message: PageMessage, case: u32) -> PageMessage {
    let id = message
        .id
        .map(|id| MessageId::parse(&format!("{case}-{id}")).unwrap_or(id));
    PageMessage { id, ..message }
}

async fn open(url: &str) -> (Store, AccountLease) {
    let settings = DatabaseSettings {
        url: url.to_owned().into(),
        pool: 2,
    };
    let store = Store::open(&settings).await.unwrap();
    store.migrate().await.unwrap();
    let acquired = store
        .acquire_account(AcquireAccount {
            corp: &CorpId::parse("ww1").unwrap(),
            account: &AccountId::parse("wk1").unwrap(),
            app: "default",
            job_id: "pull",
            redelivered: false,
            token: None,
            received_at: NOW,
            lease: LEASE,
        })
        .await
        .unwrap();
    match acquired {
        AcquiredAccount::Won(lease) => (store, lease),
        AcquiredAccount::Held => panic!("the account is held"),
    }
}
