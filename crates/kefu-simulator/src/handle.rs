//! What the servers, the scripts and the users of the simulator share.

mod address;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::{mpsc, watch};

pub use address::{InvalidCallbackUrl, parse_callback_url};

use crate::callback::{Caller, Post, Troubles};
use crate::clock::Clock;
use crate::faults::{Fault, Faults, Plan};
use crate::report::Report;
use crate::settings::Credentials;
use crate::world::{Chat, Incoming, Notice, Servicer, ServicerAct, World, WorldError};

/// Plays customers and agents, sets faults, reads the totals. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    clock: Clock,
    callback_url: Mutex<Option<Url>>,
    troubles: Mutex<Troubles>,
    caller: Caller,
    posts: mpsc::Sender<Post>,
    /// Counts changes of what customers see.
    changes: watch::Sender<u64>,
}

impl Handle {
    pub(crate) fn new(
        world: World,
        callback_url: Option<Url>,
        caller: Caller,
        posts: mpsc::Sender<Post>,
    ) -> Handle {
        Handle {
            shared: Arc::new(Shared {
                world: Mutex::new(world),
                faults: Mutex::default(),
                clock: Clock::default(),
                callback_url: Mutex::new(callback_url),
                troubles: Mutex::default(),
                caller,
                posts,
                changes: watch::Sender::new(0),
            }),
        }
    }

    pub fn credentials(&self) -> Credentials {
        self.world().settings().credentials.clone()
    }

    pub fn report(&self) -> Report {
        self.world().report()
    }

    /// Tags of customer messages without a visible reply, at most `most`.
    pub fn unanswered(&self, most: usize) -> Vec<String> {
        self.world().unanswered(most)
    }

    /// Sets a fault; the error says what is wrong with it.
    pub fn set_fault(&self, fault: Fault) -> Result<(), String> {
        lock(&self.shared.faults).set(fault)
    }

    pub fn faults(&self) -> Vec<Fault> {
        lock(&self.shared.faults).list()
    }

    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// The simulator's time, in Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.shared.clock.now()
    }

    /// Lets time pass at once, for the rules that count hours.
    pub fn advance_clock(&self, by: Duration) {
        self.shared.clock.advance(by);
    }

    pub fn clock_ahead_ms(&self) -> i64 {
        self.shared.clock.ahead_ms()
    }

    /// The next call with the current access token gets 40014.
    pub fn revoke_access(&self) {
        self.world().revoke_access();
    }

    /// A customer writes; returns the message's id. Waits while too many callbacks are under way.
    pub async fn customer_sends(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        incoming: &Incoming,
    ) -> Result<String, WorldError> {
        let arrival = self
            .world()
            .customer_message(open_kfid, customer, incoming, self.now())?;
        self.announce(arrival.notice).await;
        Ok(arrival.msgid)
    }

    /// A customer opens the chat; returns the welcome code, if the rules give one.
    pub async fn customer_enters(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        scene: &str,
        scene_param: &str,
    ) -> Result<Option<String>, WorldError> {
        let (arrival, code) =
            self.world()
                .enter_session(open_kfid, customer, scene, scene_param, self.now())?;
        self.announce(arrival.notice).await;
        Ok(code)
    }

    /// A customer takes a message back.
    pub async fn customer_recalls(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        msgid: &str,
    ) -> Result<(), WorldError> {
        let arrival = self.world().recall(open_kfid, customer, msgid, self.now())?;
        self.announce(arrival.notice).await;
        Ok(())
    }

    /// An agent acts in the WeCom client; returns the id of what appeared in the stream.
    pub async fn servicer_acts(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        servicer: &str,
        act: &ServicerAct,
    ) -> Result<String, WorldError> {
        let arrival = self
            .world()
            .servicer_act(open_kfid, customer, servicer, act, self.now())?;
        self.announce(arrival.notice).await;
        Ok(arrival.msgid)
    }

    /// An agent begins or stops receiving sessions.
    pub async fn servicer_changes(&self, servicer: &str, status: Servicer) -> Result<(), WorldError> {
        let arrivals = self.world().set_servicer(servicer, status, self.now())?;
        for arrival in arrivals {
            self.announce(arrival.notice).await;
        }
        Ok(())
    }

    /// WeCom finds out later that an accepted reply did not arrive.
    pub async fn delivery_fails(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        msgid: &str,
        fail_type: i32,
    ) -> Result<(), WorldError> {
        let arrival = self
            .world()
            .fail_delivery(open_kfid, customer, msgid, fail_type, self.now())?;
        self.announce(arrival.notice).await;
        Ok(())
    }

    /// The customer's screen, from the line after number `after` on.
    pub fn chat(&self, open_kfid: Option<&str>, customer: &str, after: u64) -> Result<Chat, WorldError> {
        self.world().chat(open_kfid, customer, after, self.now())
    }

    /// Sends a callback with any plaintext: what other events of the app look like.
    pub async fn app_event(&self, plaintext: String) {
        self.post(Post {
            plaintext,
            created_s: self.now() / 1_000,
        })
        .await;
    }

    /// Wakes up when what a customer sees has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// Tells the callback address that an account has news.
    pub(crate) async fn announce(&self, notice: Notice) {
        self.changed();
        let corp_id = self.world().settings().credentials.corp_id.clone();
        self.post(Post::of(&corp_id, &notice)).await;
    }

    async fn post(&self, post: Post) {
        // Fails only when the simulator has ended, and then nobody is called any more.
        let _ = self.shared.posts.send(post).await;
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.shared.caller
    }

    pub(crate) fn draw(&self, api: &str) -> Plan {
        let now = self.now();
        lock(&self.shared.faults).draw(api, now)
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.shared.world)
    }
}

/// A panic elsewhere leaves counters and queues that are still usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
