//! All faults in one run.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Case, Plan, Play};
use crate::stage::{Callers, Instance, Services};

const KILLS: usize = 20;
/// Connections that `database.pool` and `state.pool` may hold open by default.
const POOLS_MAX: usize = 32;
/// From kill to kill. The pace of the faults.
const PACE: Duration = Duration::from_secs(1);

/// The totals and how long it took to the last reply.
async fn timed(play: Play, began_at: Instant) -> (Value, Duration) {
    play.all_answered().await;
    let took = began_at.elapsed();
    (play.end().await, took)
}

#[tokio::test]
async fn everything_that_can_be_killed_is_killed_and_nothing_is_lost_or_repeated() {
    let engines = Instance::start("everything", &["rabbitmq", "redis", "postgres"]).await;
    let began_at = Instant::now();
    let calm = Play::start(Services::with(&[&engines]).await, Plan::usual()).await;
    let (_, undisturbed) = timed(calm, began_at).await;

    let injected = format!(
        "kill -9 of workers {KILLS}x, ingress 5x, RabbitMQ 2x, PostgreSQL 1x; Redis flushed, stopped for 20 s"
    );
    let case = Case::begin("all", injected);
    let began_at = Instant::now();
    let mut play = Play::start(Services::with(&[&engines]).await, Plan::usual()).await;
    tokio::join!(
        async {
            for number in 0..KILLS {
                sleep(PACE).await;
                if number == 3 {
                    play.services.flush_redis().await;
                }
                play.replace_worker(number).await;
                if number % 4 == 3 {
                    play.replace_ingress().await;
                }
            }
        },
        async {
            for _ in 0..2 {
                sleep(PACE * 4).await;
                engines.kill("rabbitmq").await;
                engines.start_again("rabbitmq").await;
            }
            engines.kill("postgres").await;
            engines.start_again("postgres").await;
        },
        async {
            sleep(PACE * 6).await;
            engines.freeze("redis").await;
            sleep(Duration::from_secs(20)).await;
            engines.thaw("redis").await;
        },
    );
    let (report, took) = timed(play, began_at).await;
    let note = format!("{took:.1?} to the last reply, {undisturbed:.1?} undisturbed");
    assert!(took <= undisturbed * 2, "{note}");
    case.end(&report, None, note);
}

/// What the soak does to Kefu, one at a time.
#[derive(Clone, Copy)]
enum Fault {
    Worker,
    Ingress,
    BrokerKilled,
    BrokerFrozen,
    RedisFlushed,
    RedisFrozen,
    DatabaseKilled,
    DatabaseFrozen,
    WecomBusy,
    None,
}

const FAULTS: &[Fault] = &[
    Fault::Worker,
    Fault::Ingress,
    Fault::BrokerKilled,
    Fault::BrokerFrozen,
    Fault::RedisFlushed,
    Fault::RedisFrozen,
    Fault::DatabaseKilled,
    Fault::DatabaseFrozen,
    Fault::WecomBusy,
    Fault::None,
];

/// A number from the environment, for who wants to repeat a run or let it go on.
fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}

async fn inject(fault: Fault, engines: &Instance, play: &mut Play) {
    const FROZEN: Duration = Duration::from_secs(5);
    let freeze = async |service| {
        engines.freeze(service).await;
        sleep(FROZEN).await;
        engines.thaw(service).await;
    };
    let kill = async |service| {
        engines.kill(service).await;
        engines.start_again(service).await;
    };
    match fault {
        // The first one stays: its memory is looked at.
        Fault::Worker => play.replace_worker(1).await,
        Fault::Ingress => play.replace_ingress().await,
        Fault::BrokerKilled => kill("rabbitmq").await,
        Fault::BrokerFrozen => freeze("rabbitmq").await,
        Fault::RedisFlushed => play.services.flush_redis().await,
        Fault::RedisFrozen => freeze("redis").await,
        Fault::DatabaseKilled => kill("postgres").await,
        Fault::DatabaseFrozen => freeze("postgres").await,
        Fault::WecomBusy => {
            let busy = serde_json::json!({ "api": "kf/send_msg", "kind": "error", "code": -1 });
            play.simulator.fault(busy).await;
            sleep(FROZEN).await;
            play.simulator.clear_faults().await;
        }
        Fault::None => (),
    }
}

#[tokio::test]
async fn s54_a_long_run_with_a_fault_at_a_time_keeps_its_promises_and_its_memory() {
    let minutes = number("KEFU_SOAK_MINUTES", 10);
    let seed = number("KEFU_SEED", 54);
    let case = Case::begin("54", format!("a fault every 15 s for {minutes} min, seed {seed}"));
    let engines = Instance::start("s54", &["rabbitmq", "redis", "postgres"]).await;
    let plan = Plan {
        messages: 0,
        ..Plan::usual()
    };
    let mut play = Play::start(Services::with(&[&engines]).await, plan).await;
    let callers = Callers::start(&play.ingress.callback_url(), 50);
    let mut random = StdRng::seed_from_u64(seed);
    let ends_at = Instant::now() + Duration::from_secs(60 * minutes);
    let mut usage = Vec::new();
    while Instant::now() < ends_at {
        let fault = *FAULTS.choose(&mut random).unwrap();
        let messages = random.random_range(50..150);
        // The customers of the soak write as fast as this one task can make them, in bursts between two faults.
        for _ in 0..messages {
            play.say_one_more().await;
        }
        inject(fault, &engines, &mut play).await;
        sleep(Duration::from_secs(10)).await;
        usage.push(play.workers[0].running.usage());
    }
    let answers = callers.end().await;
    assert_eq!(answers.given_up, 0, "{:?}", answers.statuses);
    play.events += i64::try_from(answers.taken).unwrap();
    let recovery = play.ready().await;
    play.all_answered().await;
    // The first third warms up.
    let (begin, end) = (usage[usage.len() / 3], *usage.last().unwrap());
    let note = format!(
        "{} messages, {} callbacks; a worker's memory {} to {} MiB, files {} to {}",
        play.said(),
        answers.taken,
        begin.memory_mib,
        end.memory_mib,
        begin.files,
        end.files
    );
    assert!(end.memory_mib <= begin.memory_mib * 11 / 10 + 4, "{note}");
    // The pools of database and Redis open and close their connections as they are needed.
    assert!(end.files <= begin.files + POOLS_MAX, "{note}");
    let report = play.end().await;
    case.end(&report, Some(recovery), note);
}
