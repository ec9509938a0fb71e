use kefu_domain::{MessageId, Millis};
use kefu_faults::mutator;
use kefu_store::{EventEffect, PageContent, PageMessage, PageOutcome, StoreError};

use crate::harness::*;

conformance!(
    poison_in_the_text_never_holds_the_cursor,
    what_the_database_refuses_is_kept_raw_and_the_rest_is_stored,
    every_nasty_text_is_stored_wherever_it_stands,
    a_fault_of_the_database_makes_no_message_unreadable,
);

async fn poison_in_the_text_never_holds_the_cursor(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let nul = PageMessage {
        raw: br#"{"text":"a\u0000b"}"#.to_vec(),
        ..says("nul", "wm1", "a\0b", now)
    };
    let surrogate = PageMessage {
        raw: br#"{"text":"\ud800"}"#.to_vec(),
        ..says("surrogate", "wm1", "\u{fffd}", now)
    };
    let binary = PageMessage {
        raw: vec![0, 255, 0, 128],
        ..says("binary", "wm1", "raw bytes", now)
    };
    let long = "长".repeat(10_000);
    let mut huge = says("huge", "wm1", &long, now);
    if let PageContent::Customer {
        msgtype,
        menu_id,
        media_id,
        ..
    } = &mut huge.content
    {
        *msgtype = long.clone();
        *menu_id = Some(long.clone());
        *media_id = Some(long.clone());
    }
    let nameless = PageMessage {
        id: None,
        raw: b"{}".to_vec(),
        ..says("x", "wm1", "no id", now)
    };
    let unreadable = PageMessage {
        raw: b"[1]".to_vec(),
        content: PageContent::Unreadable {
            error: "no object\0".into(),
        },
        id: MessageId::parse("shape").ok(),
        sent_at: Millis(i64::MIN),
    };
    let far = says("far", "wm1", "far future", Millis(i64::MAX));
    let good = says("good", "wm1", "hello", now);
    let messages = vec![nul, surrogate, binary, huge, nameless, unreadable, far, good];
    let outcome = pull(store, messages.clone()).await;
    let PageOutcome::Committed {
        stored, unreadable, ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((stored, unreadable), (6, 2));
    assert_eq!(
        database
            .text("SELECT text FROM message WHERE msgid = 'nul'")
            .await,
        "ab"
    );
    let mine = turn(store, "wm1", "t1").await;
    assert_eq!(owed(&mine), ["nul", "surrogate", "binary", "huge", "good", "far"]);
    assert_eq!(mine.owed[3].text.as_ref().unwrap().len(), 30_000);
    // The same bytes again are kept once.
    let PageOutcome::Committed {
        repeated, unreadable, ..
    } = pull(store, messages).await
    else {
        panic!("not committed");
    };
    assert_eq!((repeated, unreadable), (6, 0));
    assert_eq!(database.number("SELECT count(*) FROM unreadable").await, 2);
}

async fn every_nasty_text_is_stored_wherever_it_stands(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let long = "长\0".repeat(20_000);
    let texts: Vec<&str> = mutator::TEXTS
        .iter()
        .copied()
        .chain(["a\0b", "\u{10ffff}", &long])
        .collect();
    let messages: Vec<_> = texts
        .iter()
        .enumerate()
        .flat_map(|(number, text)| everywhere(number, text, now))
        .collect();
    let outcome = pull(store, messages.clone()).await;
    let PageOutcome::Committed {
        stored,
        repeated,
        unreadable,
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    // The unreadable ones are those that were told so, none that the database refused.
    let all = texts.len() as u64;
    assert_eq!((stored, repeated, unreadable), (5 * all, 0, all));
    assert_eq!(turn(store, "wm1", "t1").await.owed.len(), texts.len());
}

/// The text in each place where a page may bring one.
fn everywhere(number: usize, text: &str, now: Millis) -> [PageMessage; 6] {
    let text = || text.to_owned();
    let message = |place: &str, content| PageMessage {
        content,
        ..says(&format!("{place}{number}"), "wm1", "", now)
    };
    let event = |place: &str, effect| {
        let content = PageContent::Event {
            event_type: text(),
            effect,
        };
        message(place, content)
    };
    [
        message(
            "customer",
            PageContent::Customer {
                customer: customer("wm1"),
                msgtype: text(),
                text: Some(text()),
                menu_id: Some(text()),
                media_id: Some(text()),
                handled: None,
            },
        ),
        message(
            "servicer",
            PageContent::Servicer {
                customer: customer("wm2"),
                servicer: text(),
                msgtype: text(),
                text: Some(text()),
            },
        ),
        event(
            "entered",
            EventEffect::EnterSession {
                customer: customer("wm3"),
                welcome_code: Some(text().into()),
                scene: Some(text()),
            },
        ),
        event(
            "failed",
            EventEffect::SendFailed {
                msgid: text(),
                fail_type: i64::MIN,
            },
        ),
        event(
            "recall",
            EventEffect::Recall {
                customer: None,
                message: text(),
            },
        ),
        message("raw", PageContent::Unreadable { error: text() }),
    ]
}

async fn what_the_database_refuses_is_kept_raw_and_the_rest_is_stored(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    // Stands for whatever nobody thought of.
    if database.is_postgres() {
        database
            .sql(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE EXCEPTION ''refused'' USING ERRCODE = ''check_violation''; END';
                CREATE TRIGGER refuse BEFORE INSERT ON message FOR EACH ROW
                    WHEN (NEW.text = 'poison') EXECUTE FUNCTION refuse()",
            )
            .await;
    } else {
        database
            .sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON message WHEN NEW.text = 'poison'
                BEGIN SELECT RAISE(ABORT, 'refused'); END",
            )
            .await;
    }
    let messages = vec![
        says("m1", "wm1", "before", now),
        says("m2", "wm2", "poison", now),
        says("m3", "wm1", "after", now),
    ];
    let outcome = pull(store, messages).await;
    let PageOutcome::Committed {
        owed: conversations,
        stored,
        unreadable,
        ..
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!((stored, unreadable), (2, 1));
    assert_eq!(conversations, [key("wm1")]);
    assert_eq!(owed(&*turn(store, "wm1", "t1").await), ["m1", "m3"]);
    assert_eq!(database.number("SELECT count(*) FROM unreadable").await, 1);
    // The conversation of the refused message was rolled back with it.
    assert_eq!(database.number("SELECT count(*) FROM conversation").await, 1);
}

/// What breaks an insert of messages whatever their values, and what mends it.
const FAULTS: &[(&str, &str)] = &[
    (
        "ALTER TABLE message RENAME COLUMN msgtype TO msgtype_next",
        "ALTER TABLE message RENAME COLUMN msgtype_next TO msgtype",
    ),
    (
        "ALTER TABLE message RENAME TO message_next",
        "ALTER TABLE message_next RENAME TO message",
    ),
];

/// One message is enough to meet a damaged index.
const POSTGRES_FAULTS: &[(&str, &str)] = &[(
    "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION ''index is corrupted'' USING ERRCODE = ''XX002''; END';
    CREATE TRIGGER fail BEFORE INSERT ON message FOR EACH ROW
        WHEN (NEW.text = 'second') EXECUTE FUNCTION fail()",
    "DROP TRIGGER fail ON message",
)];

async fn a_fault_of_the_database_makes_no_message_unreadable(database: &Database) {
    let store = &database.store;
    let now = database.now().await;
    let lease = win(store, "j1").await;
    // Statements are prepared before the fault, as those of running workers are.
    let first = page(None, "c1", vec![says("m0", "wm0", "before", now)]);
    store.commit_page(&lease, &first).await.unwrap();
    let messages = vec![
        says("m1", "wm1", "first", now),
        says("m2", "wm2", "second", now),
        says("m3", "wm1", "third", now),
    ];
    let page = page(Some("c1"), "c2", messages);
    let mut faults = FAULTS.to_vec();
    if database.is_postgres() {
        faults.extend(POSTGRES_FAULTS);
    }
    for (breaks, mends) in faults {
        database.sql(breaks).await;
        let error = store.commit_page(&lease, &page).await.unwrap_err();
        database.sql(mends).await;
        assert!(matches!(error, StoreError::Unexpected(_)), "{breaks}: {error:?}");
        assert_eq!(database.text("SELECT cursor FROM account").await, "c1");
        assert_eq!(database.number("SELECT count(*) FROM message").await, 1);
        assert_eq!(database.number("SELECT count(*) FROM conversation").await, 1);
        assert_eq!(database.number("SELECT count(*) FROM unreadable").await, 0);
    }
    let PageOutcome::Committed {
        stored, unreadable, ..
    } = store.commit_page(&lease, &page).await.unwrap()
    else {
        panic!("not committed");
    };
    assert_eq!((stored, unreadable), (3, 0));
    assert_eq!(database.text("SELECT cursor FROM account").await, "c2");
    assert_eq!(owed(&*turn(store, "wm1", "t1").await), ["m1", "m3"]);
}
