//! The bytes of every kind: what is written today, and what versions before have left in a queue.

use std::fmt::Debug;

use kefu_domain::{AccountId, ConversationKey, CorpId, CustomerId, Millis, RowRef};
use kefu_queue::{Job, Lane};
use serde_json::{Value, json};

use crate::*;

fn corp() -> CorpId {
    CorpId::parse("ww1").unwrap()
}

fn account() -> AccountId {
    AccountId::parse("wk1").unwrap()
}

fn key() -> ConversationKey {
    ConversationKey {
        corp: corp(),
        account: account(),
        customer: CustomerId::parse("wm1").unwrap(),
    }
}

/// Written so, and read back.
#[track_caller]
fn golden<K: JobKind + Debug + PartialEq>(job: &K, lane: Lane, dedup: Option<&str>, payload: Value) {
    let written = job.job("default", Millis(7));
    assert_eq!(written.payload, payload);
    assert_eq!((written.kind.as_str(), written.lane), (K::KIND, lane));
    assert_eq!(written.dedup.as_deref(), dedup);
    let read = Job::decode(&written.encode()).unwrap();
    assert_eq!(K::read(&read).as_ref(), Ok(job));
}

/// Read so, though written otherwise today.
#[track_caller]
fn before<K: JobKind + Debug + PartialEq>(payload: Value, expected: Result<K, ()>) {
    let job = Job::new(K::KIND, "default", K::LANE, payload, Millis(7));
    assert_eq!(K::read(&job).map_err(drop), expected, "{:?}", job.payload);
}

#[test]
fn every_kind_is_written_as_it_was() {
    let pull = SyncAccount {
        corp: Some(corp()),
        account: Some(account()),
        token: Some("t".to_owned()),
        late: Some(CaughtUp {
            messages: 3,
            longest_ms: 60_000,
        }),
    };
    let late = json!({"messages": 3, "longest_ms": 60_000});
    let payload = json!({"corp": "ww1", "account": "wk1", "token": "t", "late": late});
    golden(&pull, Lane::High, None, payload);
    golden(
        &SyncAccount::default(),
        Lane::High,
        None,
        json!({"account": null, "token": null}),
    );
    let turn = json!({"corp": "ww1", "account": "wk1", "customer": "wm1"});
    golden(&DrainConversation::of(key()), Lane::Medium, None, turn);
    let id = "0f".to_owned();
    golden(
        &SayWelcome { id: id.clone() },
        Lane::High,
        None,
        json!({"id": "0f"}),
    );
    golden(&SayNotice { id }, Lane::Medium, None, json!({"id": "0f"}));
    let kind = "event.click".to_owned();
    let event = StoreEvent::new(
        kind.clone(),
        corp(),
        Some("anna".to_owned()),
        Some(Millis(5_000)),
        b"<xml/>".to_vec(),
    );
    let payload = json!({
        "kind": "event.click", "corp": "ww1", "from_user": "anna", "created_at_ms": 5_000, "plaintext": "<xml/>",
    });
    assert_eq!(event.raw(), b"<xml/>");
    golden(
        &event,
        Lane::Medium,
        Some("45644c87564578c9e58daae16a5560a498508c62"),
        payload,
    );
    let bytes = StoreEvent::new(kind, corp(), None, None, vec![0xff, 0x00]);
    let payload = json!({"kind": "event.click", "corp": "ww1", "plaintext_base64": "/wA="});
    golden(
        &bytes,
        Lane::Medium,
        Some("da33e41954997c24ad31f6c1845e18510b384f67"),
        payload,
    );
}

#[test]
fn what_versions_before_wrote_is_still_read() {
    let of = |account: Option<AccountId>, token: Option<&str>| {
        Ok(SyncAccount {
            account,
            token: token.map(str::to_owned),
            ..SyncAccount::default()
        })
    };
    before(
        json!({"account": "wk1", "token": null}),
        of(Some(account()), None),
    );
    before(json!({"account": "", "token": "t"}), of(None, Some("t")));
    before(json!({"token": "t", "unknown": 1}), of(None, Some("t")));
    before::<SyncAccount>(json!({"account": 7}), Err(()));
    before::<SyncAccount>(json!({"account": "a\u{0}b"}), Err(()));
    before::<DrainConversation>(json!({"corp": "ww1"}), Err(()));
    before::<SayWelcome>(Value::Null, Err(()));
    let event =
        json!({"kind": "event.x", "corp": null, "from_user": null, "created_at_ms": null, "plaintext": "p"});
    let job = Job::new(StoreEvent::KIND, "default", Lane::Low, event, Millis(7));
    let read = StoreEvent::read(&job).unwrap();
    assert_eq!(
        (read.corp.as_ref(), read.created_at(), read.raw()),
        (None, None, &b"p"[..])
    );
    before::<StoreEvent>(json!({"kind": "event.x"}), Err(()));
    before::<StoreEvent>(json!({"kind": "event.x", "plaintext_base64": "!"}), Err(()));
}

#[test]
fn a_pull_knows_its_row_by_its_own_corp_or_by_that_of_its_app() {
    let row = |corp: CorpId| {
        let account = account();
        Some(RowRef::Account { corp, account })
    };
    let mut pull = SyncAccount {
        account: Some(account()),
        ..SyncAccount::default()
    };
    assert_eq!(pull.row(None), None);
    let other = CorpId::parse("ww2").unwrap();
    assert_eq!(pull.row(Some(&other)), row(other.clone()));
    pull.corp = Some(corp());
    assert_eq!(pull.row(Some(&other)), row(corp()));
    pull.account = None;
    assert_eq!(pull.row(Some(&other)), None);
    assert_eq!(DrainConversation::of(key()).row(), RowRef::Conversation(key()));
}

#[test]
fn a_stand_in_counts_as_a_second_execution() {
    let job = SyncAccount::default().job("default", Millis(7));
    assert_eq!((job.attempt, stand_in(job).attempt), (1, 2));
}
