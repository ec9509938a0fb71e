//! Callbacks at a constant rate, whatever becomes of those before: a WeCom that does not slow down for us.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kefu_simulator::Credentials;
use kefu_wecom::CallbackKey;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::http;

/// A request takes no longer (the client's own limit), so no more are under way than this many seconds' worth.
const SECONDS_UNDER_WAY: usize = 10;
/// As WeCom does after an answer that is not 200; its spacing is not documented.
const TRIES: usize = 4;
/// Doubled each time.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(700);

/// Somebody who calls the ingress all the time. Each callback is an app event of its own.
pub(crate) struct Callers {
    stop: CancellationToken,
    calls: JoinSet<Answers>,
}

/// What the calls were answered with.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Single tries by status; 0: no answer at all.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// Callbacks that got a 200, at the latest at their last try.
    pub(crate) taken: usize,
    pub(crate) given_up: usize,
    /// Of single tries.
    times: Vec<Duration>,
}

impl Callers {
    pub(crate) fn start(callback_url: &str, per_second: u32) -> Callers {
        let stop = CancellationToken::new();
        let mut calls = JoinSet::new();
        calls.spawn(call_until(stop.clone(), callback_url.to_owned(), per_second));
        Callers { stop, calls }
    }

    /// Ends calling, and waits for the answers to what was called.
    pub(crate) async fn end(mut self) -> Answers {
        self.stop.cancel();
        self.calls.join_next().await.unwrap().unwrap()
    }
}

impl Answers {
    pub(crate) fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() * 99 / 100).copied().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn check_all_taken_within(&self, p99_max: Duration) {
        let others = self.statuses.keys().any(|status| *status != 200);
        assert!(
            !others && self.p99() < p99_max,
            "{:?}, p99 {:?}",
            self.statuses,
            self.p99()
        );
    }

    fn add(&mut self, other: Answers) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.taken += other.taken;
        self.given_up += other.given_up;
        self.times.extend(other.times);
    }
}

async fn call_until(stop: CancellationToken, url: String, per_second: u32) -> Answers {
    let corp = Credentials::default();
    let key = CallbackKey::new(&corp.token, &corp.encoding_aes_key).unwrap();
    let caller = Arc::new(Caller {
        client: http(),
        url,
        corp_id: corp.corp_id,
        key,
    });
    let mut answers = Answers::default();
    let mut under_way = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let run: u64 = rand::random();
    let mut number = 0_u32;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {
                let caller = Arc::clone(&caller);
                under_way.spawn(async move { caller.call(run, number).await });
                number += 1;
            }
            Some(answered) = under_way.join_next() => answers.add(answered.unwrap()),
        }
        let most = per_second as usize * SECONDS_UNDER_WAY * TRIES;
        assert!(under_way.len() <= most, "{most} callbacks are under way");
    }
    while let Some(answered) = under_way.join_next().await {
        answers.add(answered.unwrap());
    }
    answers
}

struct Caller {
    client: reqwest::Client,
    url: String,
    corp_id: String,
    key: CallbackKey,
}

impl Caller {
    async fn call(&self, run: u64, number: u32) -> Answers {
        let mut answers = Answers::default();
        for attempt in 1..=TRIES {
            let begun_at = Instant::now();
            let status = self.try_once(run, number).await;
            *answers.statuses.entry(status).or_default() += 1;
            answers.times.push(begun_at.elapsed());
            if status == 200 {
                answers.taken = 1;
                return answers;
            }
            if attempt < TRIES {
                sleep(TRY_AGAIN_AFTER * (1 << (attempt - 1))).await;
            }
        }
        answers.given_up = 1;
        answers
    }

    async fn try_once(&self, run: u64, number: u32) -> u16 {
        let plaintext = format!(
            "<xml><ToUserName><![CDATA[{0}]]></ToUserName><FromUserName><![CDATA[caller]]></FromUserName>\
             <CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>\
             <Event><![CDATA[view]]></Event><EventKey><![CDATA[{run:016x}-{number}]]></EventKey>\
             <AgentID>1000002</AgentID></xml>",
            self.corp_id
        );
        let sealed = self.key.seal_signed(
            plaintext.as_bytes(),
            &self.corp_id,
            rand::random(),
            "1700000000",
            &number.to_string(),
        );
        let answer = self
            .client
            .post(format!("{}?{}", self.url, sealed.query()))
            .body(sealed.request_xml(&self.corp_id, Some("1000002")))
            .send()
            .await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}
