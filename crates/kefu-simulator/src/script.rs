//! Scripted customers: write in bursts, wait for the answers, look for late doubles.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::ids::Chance;
use crate::report::Report;
use crate::tags::COUNTED;
use crate::world::{Incoming, WorldError};

/// How often the progress is looked at while nothing happens.
const TICK: Duration = Duration::from_millis(100);

/// What the customers do.
#[derive(Clone, Debug)]
pub struct Script {
    pub customers: usize,
    /// Of all customers together; each carries its own tag.
    pub messages: usize,
    /// A burst has 1 to so many messages without a pause.
    pub burst_max: usize,
    /// Between two bursts of a customer, for all of them at once.
    pub pause: Duration,
    /// Each customer opens the chat first, which offers a welcome code.
    pub enter_session: bool,
    pub seed: u64,
    /// Gives up when nothing more was answered for so long.
    pub settle_within: Duration,
    /// Once all is answered, waits so long for late doubles.
    pub quiet: Duration,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            customers: 20,
            messages: 200,
            burst_max: 4,
            pause: Duration::from_millis(100),
            enter_session: false,
            seed: 1,
            settle_within: Duration::from_secs(60),
            quiet: Duration::from_secs(2),
        }
    }
}

/// How far a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Messages the script sends in all.
    pub messages: usize,
    pub sent: usize,
    pub answered: usize,
    pub elapsed: Duration,
}

/// Plays a script to its end, or until `stop`; the report counts everything since the simulator started.
///
/// Fails only when the simulator cannot hold so many customers.
pub async fn play(
    handle: &Handle,
    script: &Script,
    mut progress: impl FnMut(&Progress),
    stop: CancellationToken,
) -> Result<Report, WorldError> {
    let mut stage = Stage::set(handle, script);
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        played = stage.play(&mut progress) => played,
    }?;
    Ok(handle.report())
}

/// The customers, and how far they are.
struct Stage<'a> {
    handle: &'a Handle,
    script: &'a Script,
    accounts: Vec<String>,
    run: String,
    /// First number of this script's tags: scripts played one after another share none.
    tag_first: u64,
    answered_before: u64,
    chance: Chance,
    progress: Progress,
    started: Instant,
}

impl<'a> Stage<'a> {
    fn set(handle: &'a Handle, script: &'a Script) -> Stage<'a> {
        let mut world = handle.world();
        Stage {
            handle,
            script,
            accounts: world.settings().accounts.clone(),
            run: world.run().to_owned(),
            tag_first: world.reserve_tags(script.messages as u64),
            answered_before: world.answered(),
            chance: Chance::new(script.seed),
            progress: Progress {
                messages: script.messages,
                sent: 0,
                answered: 0,
                elapsed: Duration::ZERO,
            },
            started: Instant::now(),
        }
    }

    async fn play(&mut self, progress: &mut impl FnMut(&Progress)) -> Result<(), WorldError> {
        let customers = self.script.customers.max(1);
        if self.script.enter_session {
            for number in 0..customers {
                let (account, customer) = self.customer(number)?;
                self.handle
                    .customer_enters(Some(&account), &customer, "script", "")
                    .await?;
            }
        }
        // Each customer's share; the first ones take the remainder.
        let (share, rest) = (self.script.messages / customers, self.script.messages % customers);
        let mut left: Vec<usize> = (0..customers)
            .map(|number| share + usize::from(number < rest))
            .collect();
        while self.progress.sent < self.script.messages {
            for (number, left) in left.iter_mut().enumerate() {
                let burst = 1 + self.chance.below(self.script.burst_max.max(1) as u64) as usize;
                for _ in 0..burst.min(*left) {
                    *left -= 1;
                    self.send(number).await?;
                }
            }
            self.look(progress);
            sleep(self.script.pause).await;
        }
        self.settle(progress).await;
        Ok(())
    }

    async fn send(&mut self, number: usize) -> Result<(), WorldError> {
        let (account, customer) = self.customer(number)?;
        let tag = format!(
            "{COUNTED}{}-{}",
            self.run,
            self.tag_first + self.progress.sent as u64
        );
        let text = format!("Message {} {tag}", self.progress.sent + 1);
        self.handle
            .customer_sends(Some(&account), &customer, &Incoming::text(text))
            .await?;
        self.progress.sent += 1;
        Ok(())
    }

    /// Who customer `number` is, and which account it writes to.
    fn customer(&self, number: usize) -> Result<(String, String), WorldError> {
        let account = self.accounts[number % self.accounts.len()].clone();
        let customer = format!("wm{}Customer{number:06}", self.run);
        self.handle
            .world()
            .meet(&customer, Some(&format!("顾客 {}", number + 1)))?;
        Ok((account, customer))
    }

    /// Waits until all is answered and quiet, or until nothing moves any more.
    async fn settle(&mut self, progress: &mut impl FnMut(&Progress)) {
        let mut changes = self.handle.changes();
        let mut moved = Instant::now();
        while self.progress.answered < self.script.messages && moved.elapsed() < self.script.settle_within {
            // Both ends mean the same: look again. The sender lives as long as the handle.
            let _ = timeout(TICK, changes.changed()).await;
            let before = self.progress.answered;
            self.look(progress);
            if before < self.progress.answered {
                moved = Instant::now();
            }
        }
        sleep(self.script.quiet).await;
        self.look(progress);
    }

    fn look(&mut self, progress: &mut impl FnMut(&Progress)) {
        let answered = self
            .handle
            .world()
            .answered()
            .saturating_sub(self.answered_before);
        self.progress.answered = usize::try_from(answered).unwrap_or(usize::MAX);
        self.progress.elapsed = self.started.elapsed();
        progress(&self.progress);
    }
}
