//! What only a broker can do wrong.

use std::time::{Duration, Instant};

use kefu_faults::{FaultProxy, Faults, free_port};
use kefu_queue::{InvalidEnvelope, Lane, PublishError, Queue, QueueSettings, Roles, Verdict};
use lapin::options::{BasicPublishOptions, ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::{
    Bench, SOON, amqp_url, delete_queues, done, eventually, job, kind, raw_channel, settings, settled, soon,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_a_publish_that_reaches_no_queue_is_told_to_its_own_caller() {
    let bench = Bench::rabbit().await;
    let (_connection, channel) = raw_channel().await;
    let prefix = &bench.settings.prefix;
    let (queue, exchange) = (format!("{prefix}.low"), format!("{prefix}.work"));
    let unbound = channel.queue_unbind(queue.into(), exchange.into(), "low".into(), FieldTable::default());
    unbound.await.unwrap();
    let mut publishers = JoinSet::new();
    // 100 of them reach no queue; the others must not be told so.
    for number in 0..200 {
        let queue = bench.queue.clone();
        let lane = if number % 2 == 0 { Lane::Low } else { Lane::High };
        publishers.spawn(async move { (lane, queue.publish(&job(lane, "app.event"), SOON).await) });
    }
    // Confirmed, returned and unknown ones (a machine under load may be that slow) of either lane.
    let (mut high, mut low) = ([0, 0, 0], [0, 0, 0]);
    for (lane, outcome) in soon(publishers.join_all()).await {
        let counts = if lane == Lane::High { &mut high } else { &mut low };
        match outcome {
            Ok(()) => counts[0] += 1,
            Err(PublishError::Returned) => counts[1] += 1,
            Err(_) => counts[2] += 1,
        }
    }
    assert_eq!(high[1], 0, "returned, but its queue was there");
    // The binding comes back after a second, so that the last ones of a slow machine may arrive.
    assert!(0 < low[1] && low.iter().sum::<u64>() == 100, "{low:?}");
    let depths = bench.queue.depths().await.unwrap();
    for (there, [confirmed, _, unknown]) in [(depths.high, high), (depths.low, low)] {
        assert!(
            (confirmed..=confirmed + unknown).contains(&there),
            "{there}: {high:?} {low:?}"
        );
    }
    eventually(async || {
        bench
            .queue
            .publish(&job(Lane::Low, "app.event"), SOON)
            .await
            .is_ok()
    })
    .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_deleted_queue_comes_back_and_is_consumed() {
    let bench = Bench::rabbit().await;
    let mut consumer = bench.queue.consumer(Lane::High);
    bench.publish(Lane::High, "before").await;
    done(bench.next(&mut consumer).await).await;
    let (_connection, channel) = raw_channel().await;
    let name = format!("{}.high", bench.settings.prefix);
    channel
        .queue_delete(name.into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let started = Instant::now();
    let published = eventually(async || bench.queue.publish(&job(Lane::High, "after"), SOON).await.is_ok());
    let (delivery, ()) = tokio::join!(bench.next(&mut consumer), published);
    assert!(started.elapsed() < Duration::from_secs(5));
    done(delivery).await;
    bench.end().await;
}

#[tokio::test]
async fn a_broker_that_says_no_is_a_refusal() {
    let mut wrong: AMQPUri = amqp_url().parse().unwrap();
    wrong.authority.userinfo.password = "hush".to_owned();
    let shown = refused(&settings(&wrong.to_string())).await;
    assert!(shown.contains("ACCESS_REFUSED"), "{shown}");
    assert!(shown.contains("check user and password"), "{shown}");
    let mut wrong: AMQPUri = amqp_url().parse().unwrap();
    wrong.vhost = "no-such-vhost".to_owned();
    let shown = refused(&settings(&wrong.to_string())).await;
    assert!(shown.contains("no-such-vhost"), "{shown}");
    assert!(shown.contains("check the vhost"), "{shown}");
}

#[tokio::test]
async fn s11_a_queue_with_other_arguments_is_named_with_both_values() {
    let settings = settings(&amqp_url());
    let (_connection, channel) = raw_channel().await;
    let name = declare_otherwise(&channel, &settings.prefix).await;
    let shown = refused(&settings).await;
    check_names_both(&shown, &name);
    delete_queues(&settings.prefix).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_a_queue_that_is_replaced_by_another_is_said_and_waited_for() {
    let bench = Bench::rabbit().await;
    let mut consumer = bench.queue.consumer(Lane::High);
    bench.publish(Lane::High, "before").await;
    done(bench.next(&mut consumer).await).await;
    let (_connection, channel) = raw_channel().await;
    let name = format!("{}.high", bench.settings.prefix);
    let delete = async || {
        let options = QueueDeleteOptions::default();
        channel.queue_delete(name.as_str().into(), options).await.unwrap();
    };
    delete().await;
    let replaced_at = Instant::now();
    declare_otherwise(&channel, &bench.settings.prefix).await;
    // A queue replaced that fast keeps its consumers; the watchdog looks every 15 s.
    let said = eventually(async || !bench.queue.health().connected);
    tokio::select! {
        () = said => (),
        _ = consumer.next(&bench.stop) => panic!("nothing was published"),
    }
    assert!(replaced_at.elapsed() < Duration::from_secs(20));
    eventually(async || bench.queue.health().detail.contains("inequivalent")).await;
    check_names_both(&bench.queue.health().detail, &name);

    delete().await;
    let published = eventually(async || bench.queue.publish(&job(Lane::High, "after"), SOON).await.is_ok());
    let (delivery, ()) = tokio::join!(bench.next(&mut consumer), published);
    done(delivery).await;
    assert!(bench.queue.health().connected);
    bench.end().await;
}

/// Declares the high lane's queue with a limit that is not ours; its name.
async fn declare_otherwise(channel: &Channel, prefix: &str) -> String {
    let name = format!("{prefix}.high");
    let mut arguments = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-dead-letter-exchange".into(), text(&format!("{prefix}.dead")));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(20));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(4711));
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare(name.as_str().into(), options, arguments)
        .await
        .unwrap();
    name
}

#[track_caller]
fn check_names_both(shown: &str, name: &str) {
    for part in [name, "x-max-length-bytes", "4711", "2147483648", "queue.prefix"] {
        assert!(shown.contains(part), "{part} is missing in: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_channel_that_the_broker_kills_is_replaced_alone() {
    let bench = Bench::rabbit().await;
    let mut consumer = bench.queue.consumer(Lane::High);
    bench.publish(Lane::High, "failing").await;
    let failing = bench.next(&mut consumer).await;
    let (_connection, channel) = raw_channel().await;
    // A publish to what is not there is answered with a 404, which ends the channel it came on.
    let retry = format!("{}.retry", bench.settings.prefix);
    channel
        .exchange_delete(retry.into(), ExchangeDeleteOptions::default())
        .await
        .unwrap();
    let again = Verdict::Retry {
        step: 0,
        error: "on purpose".to_owned(),
    };
    let mut settling = JoinSet::new();
    settling.spawn(failing.settle(again));
    let mut others = bench.queue.consumer(Lane::Medium);
    let mut gap = Duration::ZERO;
    while settling.try_join_next().is_none() {
        let started = Instant::now();
        bench.publish(Lane::Medium, "meanwhile").await;
        done(bench.next(&mut others).await).await;
        gap = gap.max(started.elapsed());
    }
    assert!(gap < Duration::from_secs(1), "{gap:?}");
    // The same connections as ever, and the copy of the job is there.
    assert_eq!(bench.queue.health().detail, "connected (connection 1)");
    let retried = bench.next(&mut consumer).await;
    assert_eq!((kind(&retried), retried.attempt()), ("failing", 2));
    done(retried).await;
    bench.end().await;
}

async fn refused(settings: &QueueSettings) -> String {
    let error = soon(Queue::open(settings, Roles::WorkerOnly, None))
        .await
        .unwrap_err();
    let shown = error.to_string();
    assert!(
        error.is_refusal() && shown.starts_with("queue.url: amqp://"),
        "{shown}"
    );
    assert!(!shown.contains("hush"), "{shown}");
    shown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_later_is_found() {
    let (port, settings, upstream) = behind_a_proxy().await;
    let bench = Bench::open(settings).await;
    assert!(!bench.queue.health().connected);
    assert_eq!(
        bench.queue.publish(&job(Lane::High, "x"), SOON).await,
        Err(PublishError::Unavailable)
    );
    let mut consumer = bench.queue.consumer(Lane::High);
    let _proxy = FaultProxy::start_at(port, &upstream).unwrap();
    let published = eventually(async || bench.queue.publish(&job(Lane::High, "x"), SOON).await.is_ok());
    let (delivery, ()) = tokio::join!(bench.next(&mut consumer), published);
    done(delivery).await;
    assert!(bench.queue.health().connected);
    bench.end().await;
}

/// Forty declarations one after the other would take 20 s on this line, and the time limit is 10 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s52_a_broker_half_a_second_away_is_as_good_as_any() {
    let (port, mut settings, upstream) = behind_a_proxy().await;
    settings.retry_steps = "5s,30s,2m,10m,1h".to_owned();
    let proxy = FaultProxy::start_at(port, &upstream).unwrap();
    proxy.set(Faults {
        latency: Duration::from_millis(250),
        ..Faults::default()
    });
    let bench = Bench::open(settings).await;
    assert_eq!(bench.queue.health().detail, "connected (connection 1)");
    bench.publish(Lane::High, "far").await;
    done(bench.take(Lane::High).await).await;
    proxy.clear();
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_replaced() {
    let (port, settings, upstream) = behind_a_proxy().await;
    let proxy = FaultProxy::start_at(port, &upstream).unwrap();
    let bench = Bench::open(settings).await;
    let mut consumer = bench.queue.consumer(Lane::Medium);
    bench.publish(Lane::Medium, "held").await;
    let held = bench.next(&mut consumer).await;
    drop(proxy);
    eventually(async || !bench.queue.health().connected).await;
    // The broker has taken it back: no verdict on it counts any more.
    let verdict = Verdict::Retry {
        step: 0,
        error: "late".to_owned(),
    };
    assert_eq!(
        soon(held.settle(verdict)).await,
        kefu_queue::Settled::RedeliveryExpected
    );
    let _proxy = FaultProxy::start_at(port, &upstream).unwrap();
    let again = bench.next(&mut consumer).await;
    assert!(again.redelivered && again.attempt() == 1);
    done(again).await;
    eventually(async || bench.queue.publish(&job(Lane::Medium, "new"), SOON).await.is_ok()).await;
    done(bench.next(&mut consumer).await).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s07_a_peer_that_never_speaks_is_hung_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(&format!("amqp://{}", listener.local_addr().unwrap()));
    let silent = async {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        // Ends only when the other side closes; otherwise its thread and socket would stay for ever.
        client.read_to_end(&mut said).await.unwrap();
        said
    };
    let opened = Queue::open(&settings, Roles::WorkerOnly, None);
    let (opened, said) = timeout(SOON, async { tokio::join!(opened, silent) })
        .await
        .unwrap();
    let (queue, _driver) = opened.unwrap();
    assert!(!queue.health().connected && said.starts_with(b"AMQP"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_where_tls_is_expected_may_be_a_broker_that_starts() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = settings(&format!("amqps://{}", listener.local_addr().unwrap()));
    let answering = async {
        let (mut client, _) = listener.accept().await.unwrap();
        client
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            .await
            .unwrap();
        // Until the other side has read it and hung up.
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let opened = Queue::open(&settings, Roles::WorkerOnly, Some(tls));
    let (opened, ()) = timeout(SOON, async { tokio::join!(opened, answering) })
        .await
        .unwrap();
    let (queue, _driver) = opened.unwrap();
    assert!(!queue.health().connected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_come_through_and_can_be_buried() {
    let bench = Bench::rabbit().await;
    let (_connection, channel) = raw_channel().await;
    let exchange = format!("{}.work", bench.settings.prefix);
    let options = BasicPublishOptions::default();
    let garbage = [0xff, 0x00, 0xfe];
    let properties = BasicProperties::default();
    let published = channel
        .basic_publish(exchange.into(), "low".into(), options, &garbage, properties)
        .await;
    published.unwrap().await.unwrap();
    let delivery = bench.take(Lane::Low).await;
    assert!(matches!(delivery.job, Err(InvalidEnvelope::NotAnEnvelope { .. })));
    settled(
        delivery,
        Verdict::Dead {
            reason: "unreadable".to_owned(),
            error: "不".to_owned(),
        },
    )
    .await;
    let letter = bench.next(&mut bench.queue.dead_letters()).await;
    assert_eq!(letter.body, garbage);
    assert_eq!(letter.death.as_ref().unwrap().error.as_deref(), Some("不"));
    done(letter).await;
    bench.end().await;
}

/// Settings that lead to the broker through a port on which nobody listens yet.
async fn behind_a_proxy() -> (u16, QueueSettings, String) {
    let mut uri: AMQPUri = amqp_url().parse().unwrap();
    let upstream = format!("{}:{}", uri.authority.host, uri.authority.port);
    let port = free_port().unwrap();
    uri.authority.host = "127.0.0.1".to_owned();
    uri.authority.port = port;
    (port, settings(&uri.to_string()), upstream)
}
