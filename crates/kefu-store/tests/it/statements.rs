//! Every statement that the tests run is explained on large tables, as the store runs it: none may read a table that
//! grows with the customers. There is no list of them; whoever writes one and tests it has it explained.

mod large;
mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::Database;

/// Tables that grow with customers, messages and time. There are as many accounts as WeCom gives out, at most 5000.
const GROWING: [&str; 8] = [
    "app_event",
    "conversation",
    "dead_letter",
    "message",
    "notice",
    "outbox",
    "unreadable",
    "welcome",
];

/// Indexes of a part of their table that may be most of it. Every other such part is what is not done yet, or went wrong.
const BROAD: [&str; 1] = ["message_reply"];

/// What only tests ask for: numbers of all rows, and the newest letters of all.
const OF_TESTS: [&str; 2] = ["AS dead_letters", "raw AS raw FROM dead_letter ORDER BY seq DESC"];

/// As it came from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Statement {
    engine: String,
    sql: String,
    /// Of its values, with commas.
    types: String,
}

#[derive(Default)]
struct Collected {
    seen: BTreeSet<Statement>,
    unexplained: Vec<Statement>,
}

static COLLECTED: Mutex<Option<Collected>> = Mutex::new(None);

/// Keeps the statements of all stores from now on.
pub(crate) fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Tap).unwrap());
}

/// Explains what this engine was asked and nobody has explained yet.
pub(crate) async fn check(database: &Database) {
    let engine = match database.is_postgres() {
        true => "postgres",
        false => "sqlite",
    };
    let mine: Vec<Statement> = {
        let mut collected = COLLECTED.lock().unwrap();
        let Some(collected) = collected.as_mut() else {
            return;
        };
        let of_engine = |statement: &mut Statement| statement.engine == engine;
        collected.unexplained.extract_if(.., of_engine).collect()
    };
    let mine: Vec<_> = mine
        .into_iter()
        .filter(|statement| !OF_TESTS.iter().any(|piece| statement.sql.contains(piece)))
        .collect();
    if mine.is_empty() {
        return;
    }
    let bad = match database.is_postgres() {
        true => postgres::bad_plans(&mine).await,
        false => sqlite::bad_plans(database, &mine).await,
    };
    assert!(bad.is_empty(), "read a growing table:\n\n{}", bad.join("\n\n"));
}

/// Takes the store's own word for what it runs.
struct Tap;

impl Subscriber for Tap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "kefu_store::sql"
    }

    fn event(&self, event: &Event<'_>) {
        let mut statement = Statement::default();
        event.record(&mut statement);
        let mut collected = COLLECTED.lock().unwrap();
        let collected = collected.get_or_insert_default();
        if collected.seen.insert(statement.clone()) {
            collected.unexplained.push(statement);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "engine" => self.engine = value.to_owned(),
            "sql" => self.sql = value.to_owned(),
            "types" => self.types = value.to_owned(),
            _ => (),
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
