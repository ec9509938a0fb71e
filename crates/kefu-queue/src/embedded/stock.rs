use crate::delivery::Source;

/// How much a file holds, everything counted: ready, leased, waiting in a step, dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    jobs: [i64; Source::ALL.len()],
    /// Of all bodies together.
    bytes: i64,
}

impl Stock {
    /// `jobs` and `bytes` are below zero for what leaves.
    pub(super) fn add(&mut self, source: Source, jobs: i64, bytes: i64) {
        self.jobs[source.index()] += jobs;
        self.bytes += bytes;
    }

    /// The same by the name in the file; nothing else writes there, so an unknown one is only weighed.
    pub(super) fn add_named(&mut self, name: &str, jobs: i64, bytes: i64) {
        match Source::ALL.into_iter().find(|source| source.as_str() == name) {
            Some(source) => self.add(source, jobs, bytes),
            None => self.bytes += bytes,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(0)
    }

    pub(crate) fn jobs(&self) -> u64 {
        u64::try_from(self.jobs.iter().sum::<i64>()).unwrap_or(0)
    }

    pub(crate) fn of(&self, source: Source) -> u64 {
        u64::try_from(self.jobs[source.index()]).unwrap_or(0)
    }

    /// Bytes are asked, too: a row under an unknown name is something.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs() == 0 && self.bytes() == 0
    }
}
