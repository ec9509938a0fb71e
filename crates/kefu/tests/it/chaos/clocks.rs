//! Clocks that differ between processes, or step.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::{Case, Plan, Play};
use crate::stage::Services;

/// The library that tells a process another time; its timers go on as they are.
fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib").unwrap();
    let library = folders
        .map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    let library: PathBuf = library.expect("install the package faketime: apt-get install faketime");
    library.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn s40_workers_whose_clocks_differ_by_twenty_minutes_repeat_nothing() {
    let case = Case::begin("40", "one worker 10 min ahead, one 10 min behind");
    let plan = Plan {
        workers: 1,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::own().await, plan).await;
    let library = library();
    for offset in ["+600", "-600"] {
        let clock = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME", offset),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        play.add_worker(&clock).await;
    }
    // Leases of the dead are taken over by clocks that differ.
    for _ in 0..5 {
        sleep(Duration::from_secs(2)).await;
        play.replace_worker(0).await;
        // The one with the right time comes last; it shall be the one that is killed.
        play.workers.rotate_right(1);
    }
    let report = play.end().await;
    case.end(&report, None, "a third worker with the right time killed 5 times");
}

#[tokio::test]
async fn s41_a_clock_that_steps_back_by_an_hour_stops_and_repeats_nothing() {
    let case = Case::begin("41", "the clock of all workers steps back by 1 h");
    let plan = Plan {
        workers: 0,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::own().await, plan).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offset");
    std::fs::write(&file, "+0\n").unwrap();
    let library = library();
    let clock = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    for _ in 0..2 {
        play.add_worker(&clock).await;
    }
    play.has_answered(500).await;
    std::fs::write(&file, "-3600\n").unwrap();
    let report = play.end().await;
    case.end(&report, None, "");
}
