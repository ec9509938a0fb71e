use std::time::Duration;

use kefu_domain::Millis;

/// A customer's message that is stored longer than this after it was sent came late: callbacks were lost or Kefu was
/// away. Twice the usual pace of the slow poll, which finds what a single lost callback left behind.
const LATE_AFTER: Duration = Duration::from_secs(120);

/// Customer messages that came late. History is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Late {
    pub messages: u64,
    /// From sending to storing, of the one that took longest.
    pub longest: Duration,
}

impl Late {
    pub fn is_none(self) -> bool {
        self.messages == 0
    }

    pub fn add(&mut self, other: Late) {
        self.messages = self.messages.saturating_add(other.messages);
        self.longest = self.longest.max(other.longest);
    }

    /// `now` is the database's, like every time that is compared.
    pub(super) fn of(sent: impl Iterator<Item = Millis>, now: Millis) -> Late {
        let mut late = Late::default();
        for age in sent.map(|at| now.since(at)).filter(|age| LATE_AFTER < *age) {
            late.add(Late {
                messages: 1,
                longest: age,
            });
        }
        late
    }
}
