//! Customers who enter, and callbacks that are no wake-up.

use std::time::Duration;

use kefu_simulator::Effect;

use crate::harness::{ACCOUNT, Kefu, tagged};

async fn enters(kefu: &Kefu, customer: &str) {
    kefu.simulator
        .customer_enters(Some(ACCOUNT), customer, "scene", "")
        .await
        .unwrap();
}

async fn welcomes(kefu: &Kefu) -> Vec<String> {
    kefu.column("SELECT status FROM welcome ORDER BY created_at")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_enters_is_welcomed_once() {
    let kefu = Kefu::with(|setup| setup.set("reply.welcome", "欢迎光临")).await;
    enters(&kefu, "wm1").await;
    kefu.until("the welcome is said", async || welcomes(&kefu).await == ["sent"])
        .await;
    assert_eq!(kefu.replies("wm1"), ["欢迎光临"]);
    enters(&kefu, "wm1").await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert_eq!(kefu.replies("wm1"), ["欢迎光临", "收到 #kf-t-1"]);
    assert_eq!(kefu.report().welcomes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_welcome_is_tried_once_whatever_becomes_of_it() {
    for (effect, status) in [
        (
            Effect::Error {
                code: -1,
                message: None,
            },
            "unknown",
        ),
        (Effect::Cut { applied: true }, "unknown"),
        (
            Effect::Error {
                code: 95_000,
                message: None,
            },
            "late",
        ),
        (
            Effect::Error {
                code: 48_002,
                message: None,
            },
            "failed",
        ),
    ] {
        let kefu = Kefu::start().await;
        kefu.fault("kf/send_msg_on_event", effect);
        enters(&kefu, "wm1").await;
        kefu.until("the try has ended", async || welcomes(&kefu).await == [status])
            .await;
        kefu.writes("wm1", &tagged(1)).await;
        kefu.handled_all(1).await;
        let calls = kefu.report().calls;
        assert_eq!(calls.get("kf/send_msg_on_event"), Some(&1), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_welcome_is_not_tried_at_all() {
    let kefu = Kefu::start().await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;
    kefu.simulator.advance_clock(Duration::from_secs(1));
    kefu.fault(
        "kf/send_msg_on_event",
        Effect::Delay {
            delay: Duration::ZERO,
        },
    );
    kefu.fault_times("callback", Effect::Drop, 1);
    enters(&kefu, "wm1").await;
    kefu.until("nobody was told", async || kefu.report().callbacks_dropped == 1)
        .await;
    // The event is as old as it says: the stream is read only now, after the code's life at the server.
    kefu.simulator.advance_clock(Duration::from_secs(25));
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(2).await;
    kefu.until("the welcome has ended", async || {
        welcomes(&kefu).await == ["late"]
    })
    .await;
    assert_eq!((kefu.report().welcomes, kefu.replies("wm1").len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_welcome_text_nobody_is_welcomed() {
    let kefu = Kefu::with(|setup| setup.set("reply.welcome", " ")).await;
    enters(&kefu, "wm1").await;
    kefu.writes("wm1", &tagged(1)).await;
    kefu.handled_all(1).await;
    assert!(welcomes(&kefu).await.is_empty());
    assert_eq!(kefu.replies("wm1").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_callbacks_are_stored_once() {
    let kefu = Kefu::start().await;
    let corp = kefu.simulator.credentials().corp_id;
    let event = |id: u32| {
        format!(
            "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>\
             <CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>\
             <Event><![CDATA[change_contact]]></Event><Id>{id}</Id></xml>"
        )
    };
    for id in [1, 2, 1, 1, 2] {
        kefu.simulator.app_event(event(id)).await;
    }
    kefu.until("all callbacks are in", async || kefu.report().callbacks == 5)
        .await;
    kefu.until("both events are stored", async || {
        kefu.store.totals().await.unwrap().events == 2
    })
    .await;
    kefu.until("nothing waits", async || kefu.waiting().await == 0)
        .await;
    assert_eq!(kefu.store.totals().await.unwrap().events, 2);
}
