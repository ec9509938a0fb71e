//! Processes that die between two effects, at each of the named crash points.

use kefu_faults::FaultProxy;
use serde_json::{Value, json};

use super::{Case, Plan, Play, size};
use crate::stage::{Services, moved};

/// What makes a worker pass its point.
#[derive(Clone, Copy)]
enum Cause {
    /// A customer asks.
    Question,
    /// A customer asks, and WeCom does not take the answer.
    Refused,
    /// A customer wants a person.
    Handover,
    /// A customer opens the chat.
    Entrance,
    /// WeCom tells of something else than messages.
    AppEvent,
    /// A row's time has come.
    Due,
    /// Bytes that are no job.
    Garbage,
    /// A person wants the job of a dead letter again.
    Replay,
}

/// Points of a pull, of a turn, and of the rest, with what leads there.
const PULL: &[(&str, Cause)] = &[
    ("account_claimed", Cause::Question),
    ("page_pulled", Cause::Question),
    ("page_committed", Cause::Question),
    ("turns_hurried", Cause::Question),
    ("account_released", Cause::Question),
    ("turns_due", Cause::Question),
];
const TURN: &[(&str, Cause)] = &[
    ("conversation_claimed", Cause::Question),
    ("answer_found", Cause::Question),
    ("reply_decided", Cause::Question),
    ("part_marked", Cause::Question),
    ("part_called", Cause::Question),
    ("part_settled", Cause::Question),
    ("conversation_released", Cause::Question),
];
/// By itself: in full size its rows wait for their steps of the ladder for a quarter of an hour.
const FAILURE: &[(&str, Cause)] = &[("job_failed", Cause::Refused)];
const REST: &[(&str, Cause)] = &[
    ("handover_decided", Cause::Handover),
    ("conversation_transferred", Cause::Handover),
    ("handover_ended", Cause::Handover),
    ("rows_taken", Cause::Due),
    ("welcome_taken", Cause::Entrance),
    ("welcome_called", Cause::Entrance),
    ("event_stored", Cause::AppEvent),
    ("letter_filed", Cause::Garbage),
    ("replay_published", Cause::Replay),
];

#[tokio::test]
async fn s02_a_worker_that_dies_anywhere_in_a_pull_loses_and_repeats_nothing() {
    workers_die_at(PULL).await;
}

#[tokio::test]
async fn s02_a_worker_that_dies_anywhere_in_a_turn_loses_and_repeats_nothing() {
    workers_die_at(TURN).await;
}

#[tokio::test]
async fn s02_a_worker_that_dies_when_its_job_has_failed_loses_and_repeats_nothing() {
    workers_die_at(FAILURE).await;
}

#[tokio::test]
async fn s02_a_worker_that_dies_in_any_other_work_loses_and_repeats_nothing() {
    workers_die_at(REST).await;
}

#[tokio::test]
async fn s02_a_worker_that_dies_between_two_runs_of_a_pull_loses_and_repeats_nothing() {
    let times = size(1, 20);
    let case = Case::begin("2", format!("abort at account_yielded, {times} times"));
    // Of two accounts; a run ends after 50 pages.
    let messages = size(200, 4_000);
    let plan = Plan {
        customers: 100,
        messages,
        pause: "1ms",
        page_size: "1",
        workers: 0,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::own().await, plan).await;
    for _ in 0..times {
        play.worker_dies_at("account_yielded").await;
    }
    play.add_worker(&[]).await;
    let report = play.end().await;
    case.end(&report, None, "");
}

/// Crashes in a row before a worker lives on: the broker offers a job to several channels of a connection that dies, so
/// a crash costs it some of its 21 deliveries.
const CRASHES_IN_A_ROW: usize = 3;

async fn workers_die_at(points: &[(&str, Cause)]) {
    let times = size(1, 20);
    let mut play = idle(Services::own().await, Plan::usual()).await;
    let mut crashes = 0;
    for (point, cause) in points {
        let case = Case::begin("2", format!("abort at {point}, {times} times"));
        for _ in 0..times {
            provoke(&mut play, *cause).await;
            play.worker_dies_at(point).await;
            crashes += 1;
            if crashes % CRASHES_IN_A_ROW == 0 {
                a_worker_lives(&mut play).await;
            }
        }
        case.end(&a_worker_lives(&mut play).await, None, "");
    }
    play.add_worker(&[]).await;
    play.end().await;
}

/// Until all is answered.
async fn a_worker_lives(play: &mut Play) -> Value {
    play.simulator.clear_faults().await;
    if !cfg!(feature = "chaos") {
        // What a lost copy waits for: 10 s to a minute.
        let now = "UPDATE conversation SET wake_at = 1 WHERE wake_at IS NOT NULL;
            UPDATE account SET wake_at = 1 WHERE wake_at IS NOT NULL;
            UPDATE dead_letter SET publish_at = 1 WHERE publish_at IS NOT NULL";
        play.services.sql(now).await;
    }
    play.add_worker(&[]).await;
    let report = play.all_answered().await;
    play.stop_workers().await;
    report
}

/// An ingress, and customers who only write when they are told to.
async fn idle(services: Services, plan: Plan) -> Play {
    let plan = Plan {
        messages: 0,
        workers: 0,
        ..plan
    };
    Play::start(services, plan).await
}

async fn provoke(play: &mut Play, cause: Cause) {
    match cause {
        Cause::Question => {
            play.say_one_more().await;
        }
        Cause::Refused => {
            play.simulator
                .fault(json!({ "api": "kf/send_msg", "kind": "error", "code": -1 }))
                .await;
            // A conversation that has failed already waits for its step of the ladder.
            play.somebody_new_says().await;
        }
        Cause::Handover => play.wants_a_person().await,
        Cause::Entrance => play.enters().await,
        Cause::AppEvent => play.app_event().await,
        Cause::Due => {
            play.say_one_more().await;
            // Not conversations: one that is taken again and again wakes later each time, up to an hour.
            play.services.sql("UPDATE account SET wake_at = 1").await;
        }
        Cause::Garbage => {
            play.letters += 1;
            let garbage = format!("no envelope {}", play.letters);
            play.services.publish("high", &garbage).await;
        }
        Cause::Replay => play.replay().await,
    }
}

#[tokio::test]
async fn s02_an_ingress_that_dies_in_a_callback_loses_nothing_it_answered() {
    let times = size(2, 20);
    let mut play = idle(Services::own().await, Plan::usual()).await;
    for point in ["callback_opened", "callback_published"] {
        let case = Case::begin("2", format!("abort at {point}, {times} times"));
        for _ in 0..times {
            play.arm_ingress(point).await;
            play.say_one_more().await;
            play.ingress_has_died_at(point).await;
        }
        play.add_worker(&[]).await;
        let report = play.all_answered().await;
        play.stop_workers().await;
        case.end(&report, None, "");
    }
    play.add_worker(&[]).await;
    play.end().await;
}

#[tokio::test]
async fn s02_an_ingress_that_dies_after_spooling_loses_nothing_it_answered() {
    let times = size(2, 20);
    let case = Case::begin(
        "2",
        format!("broker away and abort at callback_spooled, {times} times"),
    );
    let services = Services::own().await;
    let (broker, _) = moved(&services.amqp, 0);
    let proxy = FaultProxy::start(&broker).unwrap();
    let (_, url) = moved(&services.amqp, proxy.port());
    let mut play = idle(services, Plan::usual().set("AMQP_URL", url)).await;
    proxy.close();
    for _ in 0..times {
        play.arm_ingress("callback_spooled").await;
        play.say_one_more().await;
        play.app_event().await;
        play.ingress_has_died_at("callback_spooled").await;
    }
    proxy.reopen().unwrap();
    let recovery = play.ready().await;
    play.add_worker(&[]).await;
    let report = play.end().await;
    case.end(&report, Some(recovery), "");
}
