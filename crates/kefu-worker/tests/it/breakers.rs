//! WeCom or the model is away: it is left alone, and whoever waited is answered when it is back.

use std::time::Duration;

use kefu_simulator::Effect;
use kefu_simulator::world::Incoming;

use crate::harness::{ACCOUNT, FALLBACK, Kefu, OTHER_ACCOUNT, tagged, wake_up};

const APIS: [&str; 5] = [
    "gettoken",
    "kf/account/list",
    "kf/sync_msg",
    "kf/service_state/get",
    "kf/send_msg",
];
/// Counted by the simulator, which an early 503 is not.
const BUSY: Effect = Effect::Error {
    code: -1,
    message: None,
};
const MODEL_AWAY: Effect = Effect::Status {
    status: 503,
    applied: false,
};

fn calls(kefu: &Kefu) -> u64 {
    APIS.iter().map(|api| kefu.calls(api)).sum()
}

async fn failures(kefu: &Kefu) -> i64 {
    const SQL: &str = "SELECT CAST(
        (SELECT COALESCE(sum(failures), 0) FROM account)
        + (SELECT COALESCE(sum(failures), 0) FROM conversation) AS TEXT)";
    kefu.number(SQL).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_wecom_is_met_with_few_calls_and_everybody_is_answered_afterwards() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "100ms")).await;
    // The pulls still work, so that twenty turns meet it.
    for api in ["kf/service_state/get", "kf/send_msg"] {
        kefu.fault(api, BUSY);
    }
    for number in 0..20 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.until("all messages are stored", async || {
        kefu.handled().await.len() == 20
    })
    .await;
    for api in APIS {
        kefu.fault(api, BUSY);
    }
    const AT_REST: &str = "SELECT CAST(count(*) AS TEXT) FROM conversation WHERE lease_owner IS NULL";
    kefu.until("the breaker has opened and every turn has met it", async || {
        5 <= kefu.calls("kf/service_state/get")
            && kefu.waiting().await == 0
            && kefu.number(AT_REST).await == 20
    })
    .await;
    let (spent, calls_then) = (failures(&kefu).await, calls(&kefu));
    kefu.until("several probes have failed", async || {
        calls_then + 3 <= calls(&kefu)
    })
    .await;
    assert_eq!(failures(&kefu).await, spent, "attempts spent while it was open");
    let calls = calls(&kefu);
    assert!(calls < 40, "{calls} calls, the pulls included");
    assert_eq!(kefu.report().answered, 0);

    kefu.simulator.clear_faults();
    kefu.handled_all(20).await;
    kefu.assert_each_answered_once(20);
    assert!(kefu.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_may_have_gone_out_keeps_its_msgid_through_an_outage() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "100ms")).await;
    kefu.fault("kf/send_msg", Effect::Cut { applied: true });
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the breaker has opened and a probe has failed", async || {
        6 <= kefu.calls("kf/send_msg")
    })
    .await;
    assert_eq!(kefu.parts().await, ["sending"]);
    kefu.simulator.clear_faults();
    kefu.handled_all(1).await;
    kefu.assert_each_answered_once(1);
    assert_eq!(kefu.parts().await, ["sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_ends_the_wait_for_wecom() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "5m")).await;
    // Whatever was tried while WeCom was not there: lists of accounts, polls.
    for api in APIS {
        kefu.fault(api, BUSY);
    }
    for _ in 0..10 {
        kefu.publish(&wake_up("default", "")).await;
    }
    kefu.until("the breaker has opened", async || {
        kefu.health("wecom").await.1.starts_with("app default: open for ")
    })
    .await;
    kefu.simulator.clear_faults();
    let calls_then = calls(&kefu);
    // A wake-up without a callback's token says nothing about WeCom.
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    const MET: &str = "SELECT CAST(count(*) AS TEXT) FROM account WHERE lease_owner IS NULL";
    kefu.until("the wake-up has met it", async || kefu.number(MET).await == 1)
        .await;
    assert_eq!(calls(&kefu), calls_then);

    let asked = std::time::Instant::now();
    for number in 0..3 {
        let account = if number == 2 { OTHER_ACCOUNT } else { ACCOUNT };
        let text = Incoming::text(tagged(number));
        kefu.says(account, &format!("wm{number}"), text).await;
    }
    kefu.handled_all(3).await;
    kefu.assert_each_answered_once(3);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_of_a_wecom_that_does_not_answer_cost_few_calls() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "5m")).await;
    for api in APIS {
        kefu.fault(api, BUSY);
    }
    let started = std::time::Instant::now();
    for number in 0..40 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    kefu.until("all callbacks have been looked at", async || {
        kefu.waiting().await == 0
    })
    .await;
    // Five open it, and then one a second; the simulator counts a token's call as well.
    let most = 12 + 2 * started.elapsed().as_secs();
    assert!(calls(&kefu) <= most, "{} calls, at most {most}", calls(&kefu));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_not_marked_as_sending_while_wecom_is_not_called() {
    let kefu = Kefu::with(|setup| {
        setup.set("worker.breaker_wait", "5m");
        // Less than the time after which the session state is read once more.
        setup.simulator.model_delay = Duration::from_millis(900);
    })
    .await;
    kefu.fault("kf/account/list", BUSY);
    kefu.writes("wm1", &tagged(1)).await;
    kefu.until("the model is about to be asked", async || {
        kefu.calls("kf/service_state/get") == 1
    })
    .await;
    for _ in 0..10 {
        kefu.publish(&wake_up("default", "")).await;
    }
    const AT_REST: &str = "SELECT CAST(count(*) AS TEXT) FROM conversation WHERE lease_owner IS NULL";
    kefu.until("the reply waits", async || {
        kefu.parts().await == ["planned"] && kefu.number(AT_REST).await == 1
    })
    .await;
    assert_eq!(kefu.calls("kf/send_msg"), 0);
    assert_eq!(failures(&kefu).await, 0);
    kefu.until("health tells", async || {
        let (status, detail) = kefu.health("wecom").await;
        status == "degraded"
            && detail.starts_with("app default: open for ")
            && detail.contains("kf/account/list was refused with -1")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_welcome_is_called_once_even_while_wecom_is_taken_for_away() {
    let kefu = Kefu::with(|setup| {
        setup.set("worker.breaker_wait", "5m");
        setup.set("reply.welcome", "欢迎光临");
    })
    .await;
    // The page is under way while other calls fail.
    let delay = Duration::from_secs(1);
    kefu.fault("kf/sync_msg", Effect::Delay { delay });
    kefu.fault("kf/account/list", BUSY);
    kefu.simulator
        .customer_enters(Some(ACCOUNT), "wm1", "scene", "")
        .await
        .unwrap();
    const PULLED: &str = "SELECT CAST(count(*) AS TEXT) FROM account WHERE lease_owner IS NOT NULL";
    kefu.until("the pull has begun", async || kefu.number(PULLED).await == 1)
        .await;
    for _ in 0..10 {
        kefu.publish(&wake_up("default", "")).await;
    }
    kefu.until("the breaker has opened", async || {
        5 <= kefu.calls("kf/account/list")
    })
    .await;
    assert_eq!(kefu.report().welcomes, 0);
    kefu.until("the welcome is said", async || kefu.report().welcomes == 1)
        .await;
    kefu.until("health tells", async || {
        kefu.health("wecom").await.1.starts_with("app default: open for ")
    })
    .await;
    assert_eq!(kefu.replies("wm1"), ["欢迎光临"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_of_a_model_that_is_away_get_the_fallback_at_once() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "5m")).await;
    kefu.fault("model", MODEL_AWAY);
    for number in 0..2 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(2).await;
    let asked = kefu.report().model_calls;
    assert!((5..=6).contains(&asked), "{asked}");
    for number in 2..12 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(12).await;
    for number in 0..12 {
        assert_eq!(kefu.replies(&format!("wm{number}")), [FALLBACK]);
    }
    assert_eq!(kefu.report().model_calls, asked);
    assert!(failures(&kefu).await <= 4);
    kefu.until("health tells", async || {
        let (status, detail) = kefu.health("model").await;
        status == "degraded"
            && detail.starts_with("open for ")
            && detail.contains("model answered with HTTP status 503 Service Unavailable: ")
    })
    .await;
    assert_eq!(kefu.health("wecom").await.0, "healthy");
    assert_eq!(kefu.report().model_calls, asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_back_is_asked_again() {
    let kefu = Kefu::with(|setup| setup.set("worker.breaker_wait", "100ms")).await;
    kefu.fault("model", MODEL_AWAY);
    for number in 0..4 {
        kefu.writes(&format!("wm{number}"), &tagged(number)).await;
    }
    kefu.handled_all(4).await;
    kefu.simulator.clear_faults();
    for number in 4..100 {
        let customer = format!("wm{number}");
        kefu.writes(&customer, &tagged(number)).await;
        kefu.handled_all(number + 1).await;
        if kefu.replies(&customer) != [FALLBACK] {
            return;
        }
    }
    panic!("the model was not asked again");
}
