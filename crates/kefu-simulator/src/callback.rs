//! Calls the callback address as WeCom does (doc 91116): signed and encrypted, 5 s to answer, any status but
//! 200 is a failure, three more tries.

mod caller;
mod not_taken;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kefu_wecom::crypto::Sealed;
use reqwest::{StatusCode, Url};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub(crate) use caller::Caller;
pub use not_taken::NotTaken;
pub use trouble::Trouble;
pub(crate) use trouble::{Troubles, shown};

use crate::handle::Handle;
use crate::settings::SimulatorSettings;
use crate::world::Notice;

/// The first call and three more (doc 91116).
pub(crate) const ATTEMPTS: u32 = 4;
/// Callbacks that wait for their first try; then customers wait too.
pub(crate) const QUEUE_MAX: usize = 1_024;
/// Callbacks under way, those that wait for their next try included.
const UNDER_WAY_MAX: usize = 4_096;

/// One callback before it is sealed.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) plaintext: String,
    /// Unix seconds, signed as the timestamp.
    pub(crate) created_s: i64,
}

/// What every delivery needs.
struct Sender {
    handle: Handle,
    timeout: Duration,
    retry_spacing: Duration,
    wire: Semaphore,
}

impl Post {
    /// `kf_msg_or_event` (doc 94670): says only that there is news.
    pub(crate) fn of(corp_id: &str, notice: &Notice) -> Post {
        let Notice {
            open_kfid,
            token,
            created_s,
        } = notice;
        let plaintext = format!(
            "<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName><CreateTime>{created_s}</CreateTime>\
             <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>\
             <Token><![CDATA[{token}]]></Token><OpenKfId><![CDATA[{open_kfid}]]></OpenKfId></xml>"
        );
        Post {
            plaintext,
            created_s: *created_s,
        }
    }
}

/// The queue of callbacks and what delivers them.
pub(crate) struct Deliveries {
    sender: Arc<Sender>,
    posts: mpsc::Receiver<Post>,
}

impl Deliveries {
    pub(crate) fn new(
        handle: Handle,
        posts: mpsc::Receiver<Post>,
        settings: &SimulatorSettings,
    ) -> Deliveries {
        let sender = Arc::new(Sender {
            handle,
            timeout: settings.callback_timeout,
            retry_spacing: settings.callback_retry_spacing,
            wire: Semaphore::new(settings.callbacks_in_flight_max.max(1)),
        });
        Deliveries { sender, posts }
    }

    /// Delivers until `stop`; what is under way then is abandoned, as when WeCom gives up.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = under_way.join_next() => (),
                post = self.posts.recv(), if under_way.len() < UNDER_WAY_MAX => match post {
                    Some(post) => { under_way.spawn(deliver(Arc::clone(&self.sender), post)); }
                    None => break,
                },
            }
        }
        under_way.shutdown().await;
    }
}

async fn deliver(sender: Arc<Sender>, post: Post) {
    let plan = sender.handle.draw("callback");
    if !plan.delay.is_zero() {
        sleep(plan.delay).await;
    }
    if plan.drop {
        sender.handle.world().callbacks_mut().dropped += 1;
        return;
    }
    let copies = if plan.duplicate { 2 } else { 1 };
    for _ in 0..copies {
        deliver_once(&sender, &post).await;
    }
}

/// One callback with its retries. All tries carry the same bytes.
async fn deliver_once(sender: &Sender, post: &Post) {
    let caller = sender.handle.caller();
    let sealed = caller.seal(post);
    for attempt in 1..=ATTEMPTS {
        if 1 < attempt {
            sleep(sender.retry_spacing).await;
        }
        // Before an address is set nobody is called, as in WeCom's console.
        let Some(url) = sender.handle.callback_url() else {
            return;
        };
        let Ok(_permit) = sender.wire.acquire().await else {
            return;
        };
        let started = Instant::now();
        let outcome = try_once(sender, caller, &url, &sealed).await;
        {
            let mut world = sender.handle.world();
            let tally = world.callbacks_mut();
            tally.attempts += 1;
            tally.retries += u64::from(1 < attempt);
            if outcome.is_ok() {
                tally.delivered += 1;
                tally.latency_ms.add(started.elapsed().as_secs_f64() * 1_000.0);
            }
        }
        match outcome {
            Ok(()) => return sender.handle.callback_taken(&url),
            Err(why) => {
                debug!(attempt, "callback was not taken: {why}");
                sender.handle.callback_failed(&url, &why);
            }
        }
    }
    sender.handle.world().callbacks_mut().given_up += 1;
    debug!("callback failed {ATTEMPTS} times and is given up");
}

async fn try_once(sender: &Sender, caller: &Caller, url: &Url, sealed: &Sealed) -> Result<(), NotTaken> {
    match timeout(sender.timeout, caller.call(url.clone(), sealed)).await {
        Ok(Ok(StatusCode::OK)) => Ok(()),
        Ok(Ok(status)) => Err(NotTaken::status(status)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(NotTaken::Late {
            seconds: sender.timeout.as_secs(),
        }),
    }
}
