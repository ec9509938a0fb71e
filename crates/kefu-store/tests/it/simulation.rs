//! The life of a message under every order of events that chance finds: deterministic, one seed one run.
//!
//! Workers follow the protocol of the product, with its own decisions, against a model of the store and against
//! the store itself. `KEFU_SEEDS` sets how many seeds run, `KEFU_SEED` repeats one with its trace.

mod broker;
mod chance;
mod check;
mod model;
mod mutation;
mod real;
mod run;
mod transitions;
mod wecom;
mod worker;
mod world;

use model::Model;
use mutation::Mutation;
use real::Real;
use run::{Outcome, Violation, run};

/// Seeds of an ordinary test run; within as many each broken rule must be noticed.
const SEEDS: u64 = 500;
/// Seeds that run on the database as well; of many, one in a hundred.
const SEEDS_ON_SQLITE: u64 = 60;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The one of `KEFU_SEED`, else as many as `KEFU_SEEDS` says.
fn seeds(usually: u64) -> std::ops::Range<u64> {
    match number("KEFU_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("KEFU_SEEDS").unwrap_or(usually),
    }
}

fn on_model(seed: u64, mutation: Mutation, traced: bool) -> Result<Outcome, Violation> {
    run(seed, &mut Model::new(mutation), mutation, traced)
}

/// Fails with everything that led to it.
fn fail(violation: &Violation) -> ! {
    let Violation { seed, what, trace } = violation;
    panic!(
        "seed {seed}: {what}\n{}\nrepeat it with KEFU_SEED={seed}",
        trace.join("\n")
    );
}

#[test]
fn s60_whatever_the_order_of_events_no_rule_is_broken() {
    let mut steps = 0;
    let mut shown = 0;
    for seed in seeds(SEEDS) {
        match on_model(seed, Mutation::None, false) {
            Ok(outcome) => {
                steps += outcome.steps;
                shown += outcome.shown.len();
            }
            // The same once more, this time with its trace.
            Err(violation) => fail(&on_model(seed, Mutation::None, true).err().unwrap_or(violation)),
        }
    }
    if number("KEFU_SEED").is_none() {
        assert!(shown > 0 && steps > 0, "nothing happened");
    }
}

#[test]
fn s60_the_store_does_what_the_model_says() {
    let mut real = Real::new();
    let count = SEEDS_ON_SQLITE.max(number("KEFU_SEEDS").unwrap_or(0) / 100);
    for seed in seeds(count).take(count as usize) {
        real.clear();
        let on_sqlite =
            run(seed, &mut real, Mutation::None, true).unwrap_or_else(|violation| fail(&violation));
        let on_model = on_model(seed, Mutation::None, true).unwrap_or_else(|violation| fail(&violation));
        let same = on_sqlite.trace.iter().zip(&on_model.trace);
        let same = same.take_while(|(sqlite, model)| sqlite == model).count();
        assert!(
            on_sqlite == on_model,
            "seed {seed}: after\n{}\nSQLite: {:?}\nmodel: {:?}\nSQLite: {:#?}\nmodel: {:#?}",
            on_model.trace[..same].join("\n"),
            on_sqlite.trace.get(same),
            on_model.trace.get(same),
            on_sqlite.look,
            on_model.look,
        );
    }
}

#[test]
fn s60_every_broken_rule_is_noticed() {
    let mut unnoticed = Vec::new();
    for mutation in Mutation::ALL {
        let noticed = (0..SEEDS).find(|seed| on_model(*seed, mutation, false).is_err());
        if noticed.is_none() {
            unnoticed.push(mutation);
        }
    }
    assert!(unnoticed.is_empty(), "no seed notices {unnoticed:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [1, 8, 11] {
        let run = || on_model(seed, Mutation::None, true).unwrap_or_else(|violation| fail(&violation));
        assert!(run() == run(), "seed {seed}");
    }
}
