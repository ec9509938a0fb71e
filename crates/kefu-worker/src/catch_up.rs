//! What came late after an outage: counted page by page over all the jobs that pull one stream, told once at its end.

use kefu_domain::{AccountId, counted};
use kefu_jobs::CaughtUp;
use kefu_store::Late;
use metrics::counter;
use tracing::info;

/// Late messages of one stream so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CatchUp {
    /// By the runs before this one.
    before: Late,
    here: Late,
}

impl CatchUp {
    pub(crate) fn after(note: Option<CaughtUp>) -> CatchUp {
        let before = note.map(|note| Late {
            messages: note.messages,
            longest: note.longest(),
        });
        CatchUp {
            before: before.unwrap_or_default(),
            here: Late::default(),
        }
    }

    pub(crate) fn add(&mut self, page: Late) {
        counter!("kefu_messages_late_total").increment(page.messages);
        self.here.add(page);
    }

    /// Whether this run has met late messages.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.here.is_none()
    }

    /// For the successor.
    pub(crate) fn note(&self) -> Option<CaughtUp> {
        let late = self.all();
        (!late.is_none()).then(|| CaughtUp::new(late.messages, late.longest))
    }

    /// The stream is pulled to its end.
    pub(crate) fn tell_end(&self, account: &AccountId) {
        tell(account, self.all(), "is caught up");
    }

    /// Whoever pulls on knows nothing of this run, nor of those before it.
    pub(crate) fn tell_so_far(&self, account: &AccountId) {
        tell(account, self.all(), "is not caught up yet");
    }

    /// This run has failed; the same job goes on and knows of those before it.
    pub(crate) fn tell_this_run(&self, account: &AccountId) {
        tell(account, self.here, "is not caught up yet");
    }

    fn all(&self) -> Late {
        let mut all = self.before;
        all.add(self.here);
        all
    }
}

fn tell(account: &AccountId, late: Late, how: &str) {
    if !late.is_none() {
        info!(
            account.id = %account,
            late.messages = late.messages,
            late.longest_s = late.longest.as_secs(),
            "account {account} {how}: {} came late, the oldest by {} s",
            counted(late.messages, "message"),
            late.longest.as_secs()
        );
    }
}
