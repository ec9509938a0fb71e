//! The contract, run on every engine.

use std::time::{Duration, Instant};

use kefu_queue::{InvalidEnvelope, Lane, Verdict};
use serde_json::json;

use crate::bench::{Bench, FIRST_STEP, SOON, done, job, kind, settled};

macro_rules! conformance {
    ($($test:ident),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let bench = crate::bench::Bench::embedded().await;
                super::$test(&bench).await;
                bench.end().await;
            }
        )+ }
        mod rabbit { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let bench = crate::bench::Bench::rabbit().await;
                super::$test(&bench).await;
                bench.end().await;
            }
        )+ }
    };
}
pub(crate) use conformance;

conformance!(
    a_published_job_is_consumed_once,
    lanes_do_not_mix_and_keep_their_order,
    a_consumer_holds_one_message_at_a_time,
    a_retry_comes_back_to_its_lane_after_its_step,
    a_parked_job_keeps_its_attempt,
    a_dead_job_arrives_with_its_story,
    a_body_that_is_no_envelope_can_be_buried,
    an_interrupted_job_is_redelivered,
    a_dropped_delivery_is_redelivered,
    too_many_deliveries_end_in_the_dead_letters,
    an_unknown_version_climbs_the_ladder,
    unknown_fields_survive_a_retry,
);

async fn a_published_job_is_consumed_once(bench: &Bench) {
    let mut job = job(Lane::High, "kf.sync");
    job.trace = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    bench.queue.publish(&job, SOON).await.unwrap();
    let mut consumer = bench.queue.consumer(Lane::High);
    let delivery = bench.next(&mut consumer).await;
    assert_eq!(
        (delivery.redelivered, delivery.attempt(), &delivery.death),
        (false, 1, &None)
    );
    assert_eq!(delivery.job.as_ref().unwrap(), &job);
    assert_eq!(delivery.body, job.encode());
    done(delivery).await;
    bench.nothing_comes(&mut consumer).await;
}

async fn lanes_do_not_mix_and_keep_their_order(bench: &Bench) {
    for number in 0..5 {
        for lane in [Lane::Low, Lane::High, Lane::Medium] {
            bench.publish(lane, &format!("{lane}{number}")).await;
        }
    }
    for lane in Lane::ALL {
        let mut consumer = bench.queue.consumer(lane);
        for number in 0..5 {
            let delivery = bench.next(&mut consumer).await;
            assert_eq!(kind(&delivery), format!("{lane}{number}"));
            done(delivery).await;
        }
    }
}

async fn a_consumer_holds_one_message_at_a_time(bench: &Bench) {
    bench.publish(Lane::Medium, "first").await;
    bench.publish(Lane::Medium, "second").await;
    bench.publish(Lane::Medium, "third").await;
    let mut one = bench.queue.consumer(Lane::Medium);
    let first = bench.next(&mut one).await;
    bench.nothing_comes(&mut one).await;
    let mut other = bench.queue.consumer(Lane::Medium);
    let second = bench.next(&mut other).await;
    assert_eq!((kind(&first), kind(&second)), ("first", "second"));
    done(first).await;
    let third = bench.next(&mut one).await;
    assert_eq!(kind(&third), "third");
    done(third).await;
    done(second).await;
}

async fn a_retry_comes_back_to_its_lane_after_its_step(bench: &Bench) {
    let job = bench.publish(Lane::Low, "app.event").await;
    let mut consumer = bench.queue.consumer(Lane::Low);
    for attempt in 1..3_u32 {
        let delivery = bench.next(&mut consumer).await;
        assert_eq!(delivery.attempt(), attempt);
        let step = bench.queue.ladder().after(attempt).unwrap();
        let started = Instant::now();
        settled(
            delivery,
            Verdict::Retry {
                step,
                error: format!("timeout {attempt}"),
            },
        )
        .await;
        let delivery = bench.next(&mut consumer).await;
        let delay = bench.queue.ladder().steps()[step].delay;
        // The broker's clock ticks in whole milliseconds of its own.
        assert!(
            delay - Duration::from_millis(5) <= started.elapsed(),
            "came back too early"
        );
        let retried = delivery.job.as_ref().unwrap();
        assert_eq!((retried.attempt, retried.replayed(0)), (attempt + 1, job.clone()));
        let errors = retried.errors();
        let (first, last) = (errors.first.unwrap(), errors.last.unwrap());
        assert_eq!(
            (first.text.as_str(), last.text),
            ("timeout 1", format!("timeout {attempt}"))
        );
        assert!(job.received_at <= first.at && first.at <= last.at);
        assert!(!delivery.redelivered);
        drop(delivery);
    }
    let delivery = bench.next(&mut consumer).await;
    assert_eq!((delivery.attempt(), bench.queue.ladder().after(3)), (3, None));
    done(delivery).await;
}

async fn a_parked_job_keeps_its_attempt(bench: &Bench) {
    let job = bench.publish(Lane::Medium, "app.event").await;
    let delivery = bench.take(Lane::Medium).await;
    let started = Instant::now();
    settled(
        delivery,
        Verdict::Parked {
            step: 0,
            reason: "rate limit".to_owned(),
        },
    )
    .await;
    let delivery = bench.take(Lane::Medium).await;
    assert!(
        FIRST_STEP - Duration::from_millis(5) <= started.elapsed(),
        "came back too early"
    );
    assert_eq!(delivery.job.as_ref().unwrap(), &job);
    done(delivery).await;
}

async fn a_dead_job_arrives_with_its_story(bench: &Bench) {
    let job = bench.publish(Lane::High, "kf.sync").await;
    let delivery = bench.take(Lane::High).await;
    let error = "long ".repeat(2000);
    settled(
        delivery,
        Verdict::Dead {
            reason: "permanent".to_owned(),
            error: error.clone(),
        },
    )
    .await;
    let mut letters = bench.queue.dead_letters();
    let letter = bench.next(&mut letters).await;
    let buried = letter.job.clone().unwrap();
    assert_eq!(buried.replayed(0), job);
    let errors = letter.errors();
    assert_eq!(errors.first, errors.last);
    assert_eq!(errors.last.unwrap().text, error[..2048]);
    let death = letter.death.clone().unwrap();
    assert_eq!(
        (death.reason.as_str(), death.lane),
        ("permanent", Some(Lane::High))
    );
    assert_eq!(death.error.as_deref(), Some(&error[..2048]));
    assert!(Some(job.received_at) < death.at);
    // The archiver's database is away: the letter comes again, with its story.
    settled(letter, Verdict::Interrupted).await;
    let letter = bench.next(&mut letters).await;
    assert_eq!(letter.death, Some(death));
    done(letter).await;
    bench.nothing_comes(&mut letters).await;
}

async fn a_body_that_is_no_envelope_can_be_buried(bench: &Bench) {
    let mut job = job(Lane::Low, "app.event");
    job.id = String::new();
    bench.queue.publish(&job, SOON).await.unwrap();
    let delivery = bench.take(Lane::Low).await;
    assert!(matches!(delivery.job, Err(InvalidEnvelope::NotAnEnvelope { .. })));
    settled(
        delivery,
        Verdict::Dead {
            reason: "unreadable".to_owned(),
            error: String::new(),
        },
    )
    .await;
    let letter = bench.next(&mut bench.queue.dead_letters()).await;
    assert_eq!(
        (letter.body.as_slice(), letter.job.is_err()),
        (job.encode().as_slice(), true)
    );
    assert_eq!(letter.death.as_ref().unwrap().reason, "unreadable");
    done(letter).await;
}

async fn an_interrupted_job_is_redelivered(bench: &Bench) {
    bench.publish(Lane::Medium, "kf.turn").await;
    settled(bench.take(Lane::Medium).await, Verdict::Interrupted).await;
    let delivery = bench.take(Lane::Medium).await;
    assert_eq!((delivery.redelivered, delivery.attempt()), (true, 1));
    done(delivery).await;
}

async fn a_dropped_delivery_is_redelivered(bench: &Bench) {
    bench.publish(Lane::Medium, "kf.turn").await;
    let mut consumer = bench.queue.consumer(Lane::Medium);
    drop(bench.next(&mut consumer).await);
    let delivery = bench.next(&mut consumer).await;
    assert!(delivery.redelivered);
    // Its consumer may even be gone.
    drop(consumer);
    drop(delivery);
    let delivery = bench.take(Lane::Medium).await;
    assert!(delivery.redelivered);
    done(delivery).await;
}

async fn too_many_deliveries_end_in_the_dead_letters(bench: &Bench) {
    let job = bench.publish(Lane::High, "kf.sync").await;
    let mut consumer = bench.queue.consumer(Lane::High);
    for _ in 0..21 {
        settled(bench.next(&mut consumer).await, Verdict::Interrupted).await;
    }
    let letter = bench.next(&mut bench.queue.dead_letters()).await;
    assert_eq!(letter.body, job.encode());
    let death = letter.death.as_ref().unwrap();
    assert_eq!(
        (death.reason.as_str(), death.lane),
        ("delivery_limit", Some(Lane::High))
    );
    assert!(Some(job.received_at) < death.at);
    done(letter).await;
    bench.nothing_comes(&mut consumer).await;
}

async fn an_unknown_version_climbs_the_ladder(bench: &Bench) {
    let mut job = job(Lane::Low, "kf.sync");
    job.v = 7;
    job.extra.insert("shape".to_owned(), json!([1, 2]));
    bench.queue.publish(&job, SOON).await.unwrap();
    let delivery = bench.take(Lane::Low).await;
    let unknown = |attempt| {
        let (id, kind) = (Some(job.id.clone()), Some(job.kind.clone()));
        Err(InvalidEnvelope::UnknownVersion {
            v: 7,
            id,
            kind,
            attempt,
        })
    };
    assert_eq!(delivery.job, unknown(1));
    settled(
        delivery,
        Verdict::Retry {
            step: 0,
            error: "unknown version".to_owned(),
        },
    )
    .await;
    let delivery = bench.take(Lane::Low).await;
    assert_eq!((&delivery.job, delivery.attempt()), (&unknown(2), 2));
    let body: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!((&body["attempt"], &body["shape"]), (&json!(2), &json!([1, 2])));
    done(delivery).await;
}

async fn unknown_fields_survive_a_retry(bench: &Bench) {
    let mut job = job(Lane::High, "kf.sync");
    job.extra.insert("tenant".to_owned(), json!({"id": "七"}));
    bench.queue.publish(&job, SOON).await.unwrap();
    settled(
        bench.take(Lane::High).await,
        Verdict::Retry {
            step: 0,
            error: String::new(),
        },
    )
    .await;
    let delivery = bench.take(Lane::High).await;
    assert_eq!(delivery.job.as_ref().unwrap().replayed(0).extra, job.extra);
    done(delivery).await;
}
