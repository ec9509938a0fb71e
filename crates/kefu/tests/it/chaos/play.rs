//! A whole Kefu at work: an ingress, workers, and customers who write according to a script.

use std::time::Duration;

use kefu_faults::free_port;
use kefu_process::crash::VARIABLE;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::replays::a_letter_is_wanted_again;
use crate::stage::{Ended, Role, Services, Simulator, app_named, eventually, ingress, worker, worker_call};

/// All roles end within this after they were asked to.
const DRAIN_MAX: Duration = Duration::from_secs(15);
/// Who says what is said beside the script.
const CUSTOMERS_BESIDE: u64 = 7;
/// Few retry steps: each costs the broker three queues. Short ones: nobody waits.
const RETRY_STEPS: &str = "1s,2s,5s,10s,20s";

/// What is played, and with which settings.
pub(crate) struct Plan {
    pub(crate) customers: u32,
    pub(crate) messages: u32,
    /// Between two bursts of each customer: spreads the script over time.
    pub(crate) pause: &'static str,
    /// Messages that WeCom hands out at once.
    pub(crate) page_size: &'static str,
    pub(crate) workers: usize,
    /// For all roles.
    pub(crate) settings: Vec<(String, String)>,
}

impl Plan {
    /// 300 messages of 30 customers; with `chaos` 10,000 of 500.
    pub(crate) fn usual() -> Plan {
        Plan {
            customers: super::size(30, 500),
            messages: super::size(300, 10_000),
            pause: super::size("500ms", "3s"),
            page_size: "1000",
            workers: 2,
            settings: Vec::new(),
        }
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Plan {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

pub(crate) struct Play {
    pub(crate) services: Services,
    pub(crate) simulator: Simulator,
    pub(crate) ingress: Role,
    pub(crate) workers: Vec<Role>,
    plan: Plan,
    /// All that customers have said or will say.
    messages: u64,
    /// App events there ought to be at the end.
    pub(crate) events: i64,
    /// Customers beside those of the script.
    further: u32,
    /// Dead letters there ought to be at the end, but for jobs that died with their workers.
    pub(crate) letters: i64,
    ingress_settings: Vec<(String, String)>,
    _folder: TempDir,
}

impl Play {
    /// The script begins at once.
    pub(crate) async fn start(services: Services, plan: Plan) -> Play {
        let folder = tempfile::tempdir().unwrap();
        let mut plan = plan;
        plan.settings
            .insert(0, ("KEFU_QUEUE__RETRY_STEPS".into(), RETRY_STEPS.into()));
        let mut ingress_settings = plan.settings.clone();
        // WeCom knows one address only, so every ingress has the same.
        let listen = format!("127.0.0.1:{}", free_port().unwrap());
        ingress_settings.push(("KEFU_INGRESS__LISTEN".into(), listen));
        let spool = folder.path().join("spool");
        ingress_settings.push(("KEFU_QUEUE__SPOOL".into(), spool.to_str().unwrap().into()));
        let ingress = ingress(&services, &pairs(&ingress_settings)).await;
        let simulator = Simulator::play_slowly(
            plan.customers,
            plan.messages,
            plan.pause,
            plan.page_size,
            &ingress.callback_url(),
        )
        .await;
        let mut play = Play {
            messages: plan.messages.into(),
            services,
            simulator,
            ingress,
            workers: Vec::new(),
            letters: 0,
            events: 0,
            further: 0,
            plan,
            ingress_settings,
            _folder: folder,
        };
        for _ in 0..play.plan.workers {
            play.add_worker(&[]).await;
        }
        play
    }

    /// One worker more, with settings of its own.
    pub(crate) async fn add_worker(&mut self, more: &[(&str, &str)]) {
        let settings = [&pairs(&self.plan.settings), more].concat();
        let worker = worker(&self.services, &self.simulator.url, &settings).await;
        self.workers.push(worker);
    }

    /// A dead letter of an event that a person wants again.
    pub(crate) async fn replay(&mut self) {
        self.events += 1;
        self.letters += 1;
        a_letter_is_wanted_again(&self.services, self.letters).await;
    }

    /// From now on the app has this name in the settings of all roles, which are not running at present or are ended.
    pub(crate) async fn rename_app(&mut self, name: &str) {
        let app = app_named(name);
        self.plan.settings.extend(app.clone());
        self.ingress_settings.extend(app);
        self.stop_workers().await;
        self.ingress.running.kill_now().await;
        self.ingress = ingress(&self.services, &pairs(&self.ingress_settings)).await;
        let url = format!("{}/{name}", self.ingress.callback_url());
        self.simulator.call_back(&url).await;
        for _ in 0..self.plan.workers {
            self.add_worker(&[]).await;
        }
    }

    /// Starts a worker that dies at a crash point, and waits for that.
    pub(crate) async fn worker_dies_at(&self, point: &str) {
        let crash = format!("{point}=abort@1");
        let more = [&pairs(&self.plan.settings)[..], &[(VARIABLE, &crash)]].concat();
        let worker = worker_call(&self.services, &self.simulator.url, &more)
            .start()
            .await;
        check_aborted(&worker.ended().await, point);
    }

    /// An ingress with such a crash point takes the place of the one there is; call it, and it dies.
    pub(crate) async fn arm_ingress(&mut self, point: &str) {
        let crash = format!("{point}=abort@1");
        self.ingress.running.kill_now().await;
        let more = [&pairs(&self.ingress_settings)[..], &[(VARIABLE, &crash)]].concat();
        self.ingress = ingress(&self.services, &more).await;
    }

    /// Waits until the ingress has died at its crash point, and starts one that has none.
    pub(crate) async fn ingress_has_died_at(&mut self, point: &str) {
        self.ingress.running.exited().await;
        let successor = ingress(&self.services, &pairs(&self.ingress_settings)).await;
        let victim = std::mem::replace(&mut self.ingress, successor);
        check_aborted(&victim.running.ended().await, point);
    }

    /// Asks a role to end: how long that took.
    pub(crate) async fn ends(&self, role: Role) -> Duration {
        let began_at = Instant::now();
        stop(vec![role]).await;
        began_at.elapsed()
    }

    /// Asks the ingress to end, and starts another one at the same address: how long the stop took.
    pub(crate) async fn hand_over_ingress(&mut self) -> Duration {
        let began_at = Instant::now();
        self.ingress.running.terminate().await;
        self.ingress.running.exited().await;
        let took = began_at.elapsed();
        let successor = ingress(&self.services, &pairs(&self.ingress_settings)).await;
        let old = std::mem::replace(&mut self.ingress, successor);
        old.running.ended().await.check_code(0);
        took
    }

    /// Ends all workers, as an operator does.
    pub(crate) async fn stop_workers(&mut self) {
        stop(self.workers.drain(..).collect()).await;
    }

    /// kill -9, and another one in its place.
    pub(crate) async fn replace_worker(&mut self, number: usize) {
        let victim = self.workers.remove(number % self.workers.len());
        victim.running.kill().await;
        self.add_worker(&[]).await;
    }

    /// kill -9, and another one at the same address, on the same spool.
    pub(crate) async fn replace_ingress(&mut self) {
        self.ingress.running.kill_now().await;
        self.ingress = ingress(&self.services, &pairs(&self.ingress_settings)).await;
    }

    /// One message more, beside the script, from one of a few customers in turn: its `msgid`.
    pub(crate) async fn say_one_more(&mut self) -> String {
        let customer = format!("wmExtra{}", self.messages % CUSTOMERS_BESIDE);
        self.say_as(&customer).await
    }

    /// The same, from a customer who has not said anything before.
    pub(crate) async fn somebody_new_says(&mut self) {
        let customer = self.further_customer("New");
        self.say_as(&customer).await;
    }

    async fn say_as(&mut self, customer: &str) -> String {
        let number = self.messages;
        self.messages += 1;
        let text = format!("question {number} #kf-x-{number}");
        self.simulator.says(customer, json!({ "text": text })).await
    }

    /// All that customers have said or will say according to the script.
    pub(crate) fn said(&self) -> u64 {
        self.messages
    }

    /// A further customer asks for a person.
    pub(crate) async fn wants_a_person(&mut self) {
        let customer = self.further_customer("Handover");
        self.simulator.says(&customer, json!({ "text": "转人工" })).await;
    }

    /// A further customer opens the chat, and may be welcomed.
    pub(crate) async fn enters(&mut self) {
        let customer = self.further_customer("Entrance");
        self.simulator.enters(&customer).await;
    }

    fn further_customer(&mut self, what: &str) -> String {
        self.further += 1;
        format!("wm{what}{}", self.further)
    }

    /// One more callback about something else than messages. It is stored at the end.
    pub(crate) async fn app_event(&mut self) {
        self.events += 1;
        self.simulator.app_event(&format!("event-{}", self.events)).await;
    }

    pub(crate) async fn answered(&self) -> u64 {
        self.simulator.report().await["answered"].as_u64().unwrap()
    }

    /// Waits until at least this many messages are answered.
    pub(crate) async fn has_answered(&self, count: u64) {
        eventually(&format!("{count} messages are answered"), async || {
            (count <= self.answered().await).then_some(())
        })
        .await;
    }

    /// How long it took from now until every role said that it is ready.
    pub(crate) async fn ready(&self) -> Duration {
        let began_at = Instant::now();
        for role in self.workers.iter().chain([&self.ingress]) {
            eventually("the role is ready", async || {
                let (status, _) = role.get("/health/ready").await?;
                (status == 200).then_some(())
            })
            .await;
        }
        began_at.elapsed()
    }

    /// Waits for the end of the script, and checks that everything has ended: each message answered once, nothing left
    /// in queues and rows. Stops all roles. The simulator's totals.
    pub(crate) async fn end(self) -> Value {
        if 0 < self.plan.messages {
            self.simulator.totals().await;
        }
        let report = self.all_answered().await;
        self.drained().await;
        self.settled().await;
        stop(self.workers.into_iter().chain([self.ingress]).collect()).await;
        self.services.remove().await;
        report
    }

    /// The totals once every message is answered: once each, and none for somebody else.
    pub(crate) async fn all_answered(&self) -> Value {
        self.has_answered(self.messages).await;
        let report = self.simulator.report().await;
        let keys = ["messages", "answered", "lost", "duplicated", "misdirected"];
        let totals = keys.map(|key| report[key].as_u64().unwrap());
        assert_eq!(totals, [self.messages, self.messages, 0, 0, 0], "{report}");
        report
    }

    /// No message and no unacked delivery is left in any queue. The management page counts every 5 s.
    pub(crate) async fn drained(&self) {
        eventually("all queues are empty", async || {
            let queues = self.services.queues().await;
            let empty = |queue: &Value| queue["messages"].as_u64() == Some(0);
            (!queues.is_empty() && queues.iter().all(empty)).then_some(())
        })
        .await;
    }

    /// Every row has come to an end and is held by nobody.
    async fn settled(&self) {
        const OPEN: &str =
            "SELECT (SELECT count(*) FROM message WHERE origin = 'customer' AND handled IS NULL)
            + (SELECT count(*) FROM outbox WHERE status IN ('planned', 'sending'))
            + (SELECT count(*) FROM conversation WHERE lease_owner IS NOT NULL OR wake_at IS NOT NULL)
            + (SELECT count(*) FROM dead_letter WHERE state = 'replaying')";
        eventually("every row has come to an end", async || {
            (self.services.count(OPEN).await == 0).then_some(())
        })
        .await;
        // Who was at work whenever a worker was killed may have used up its deliveries: its row has woken since, or its
        // event is stored.
        const LETTERS: &str = "SELECT count(*) FROM dead_letter WHERE reason <> 'crashed'";
        const TOLD: &str =
            "SELECT coalesce(string_agg(concat_ws(' ', kind, reason, attempts, last_error), '; '), '')
            FROM dead_letter";
        let letters = self.services.count(LETTERS).await;
        let told: String = self.services.one(TOLD).await;
        assert_eq!(letters, self.letters, "{told}");
        // What a dead ingress has left in its spool comes when another one has taken its file over.
        eventually("every event is stored", async || {
            let events = self.services.count("SELECT count(*) FROM app_event").await;
            assert!(events <= self.events, "{events} of {}", self.events);
            (events == self.events).then_some(())
        })
        .await;
    }
}

fn pairs(settings: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = settings.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

async fn stop(roles: Vec<Role>) {
    for role in &roles {
        role.running.terminate().await;
    }
    for role in roles {
        role.running.ended_within(DRAIN_MAX).await.check_code(0);
    }
}

/// By a signal, and a line says where.
#[track_caller]
fn check_aborted(ended: &Ended, point: &str) {
    assert_eq!(ended.code, None, "{ended:?}");
    let expected = format!("kefu: {VARIABLE}: aborting at {point}");
    // Other threads may have said something since.
    assert!(ended.stderr.contains(&expected), "{ended:?}");
}
