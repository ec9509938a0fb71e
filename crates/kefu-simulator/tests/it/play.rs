//! Scripted customers against a small bot.

use std::time::{Duration, Instant};

use kefu_simulator::{Script, play};
use tokio_util::sync::CancellationToken;

use crate::bot::{Bot, Receiver};
use crate::running::Running;

fn script(customers: usize, messages: usize) -> Script {
    Script {
        customers,
        messages,
        pause: Duration::from_millis(5),
        quiet: Duration::from_millis(50),
        settle_within: Duration::from_secs(20),
        ..Script::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_customers_and_five_hundred_messages_are_answered_once_each() {
    let mut receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| {
        settings.callback_url = Some(receiver.url());
        settings.page_size = 20;
        settings.empty_page_every = Some(5);
        settings.sync_without_token_per_minute = u32::MAX;
    })
    .await;
    let started = Instant::now();
    let mut seen = Vec::new();
    let script = script(50, 500);
    let report = tokio::select! {
        report = play(&simulator.handle, &script, |progress| seen.push(*progress), CancellationToken::new()) => report,
        () = Bot::default().run(&simulator, &mut receiver) => unreachable!(),
    }
    .unwrap();
    assert_eq!(
        (report.messages, report.answered, report.lost, report.duplicated),
        (500, 500, 0, 0)
    );
    assert_eq!(
        (report.customers, report.misdirected, report.customer_messages),
        (50, 0, 500)
    );
    assert!(
        report.callbacks == 500 && report.reply_p99_ms.is_some(),
        "{report:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    let last = seen.last().unwrap();
    assert_eq!((last.messages, last.sent, last.answered), (500, 500, 500));
}

#[tokio::test]
async fn nobody_answers_and_the_script_gives_up() {
    let simulator = Running::start().await;
    let script = Script {
        settle_within: Duration::from_millis(150),
        ..script(3, 10)
    };
    let report = play(&simulator.handle, &script, |_| (), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((report.messages, report.answered, report.lost), (10, 0, 10));
}

#[tokio::test]
async fn two_scripts_share_no_tag_and_a_stop_ends_one_early() {
    let simulator = Running::start().await;
    let script = Script {
        settle_within: Duration::from_millis(10),
        ..script(2, 4)
    };
    play(&simulator.handle, &script, |_| (), CancellationToken::new())
        .await
        .unwrap();
    let report = play(&simulator.handle, &script, |_| (), CancellationToken::new())
        .await
        .unwrap();
    assert_eq!((report.customers, report.messages), (2, 8));
    let stop = CancellationToken::new();
    stop.cancel();
    play(
        &simulator.handle,
        &Script {
            settle_within: Duration::from_secs(60),
            ..script
        },
        |_| (),
        stop,
    )
    .await
    .unwrap();
    simulator.end().await.unwrap();
}
