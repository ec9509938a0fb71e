//! A broker that delivers at least once, in no order, and may lose everything.

use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) attempt: u32,
    pub(super) received_at: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sync,
    /// A customer.
    Turn(String),
}

#[derive(Debug)]
struct Queued {
    job: Job,
    visible_at: i64,
    redelivered: bool,
}

/// A job in the hands of a worker.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) tag: u64,
    pub(super) job: Job,
    pub(super) redelivered: bool,
}

#[derive(Debug, Default)]
pub(super) struct Broker {
    queued: Vec<Queued>,
    delivered: BTreeMap<u64, Job>,
    last_tag: u64,
    last_id: u64,
}

impl Broker {
    pub(super) fn publish(&mut self, kind: Kind, attempt: u32, received_at: i64, visible_at: i64) {
        self.last_id += 1;
        let job = Job {
            id: format!("j{}", self.last_id),
            kind,
            attempt,
            received_at,
        };
        self.put(job, visible_at, false);
    }

    /// A copy of a job that will be tried again.
    pub(super) fn publish_again(&mut self, mut job: Job, visible_at: i64) {
        job.attempt += 1;
        self.put(job, visible_at, false);
    }

    fn put(&mut self, job: Job, visible_at: i64, redelivered: bool) {
        self.queued.push(Queued {
            job,
            visible_at,
            redelivered,
        });
    }

    pub(super) fn visible(&self, now: i64) -> usize {
        self.queued
            .iter()
            .filter(|queued| queued.visible_at <= now)
            .count()
    }

    pub(super) fn next_visible_at(&self) -> Option<i64> {
        self.queued.iter().map(|queued| queued.visible_at).min()
    }

    /// Gives out the `nth` of the visible jobs.
    pub(super) fn take(&mut self, now: i64, nth: usize) -> Option<Delivery> {
        let (place, _) = self
            .queued
            .iter()
            .enumerate()
            .filter(|(_, queued)| queued.visible_at <= now)
            .nth(nth)?;
        let queued = self.queued.remove(place);
        self.last_tag += 1;
        self.delivered.insert(self.last_tag, queued.job.clone());
        Some(Delivery {
            tag: self.last_tag,
            job: queued.job,
            redelivered: queued.redelivered,
        })
    }

    /// Says that a job is done; nothing happens when it was given out again meanwhile.
    pub(super) fn ack(&mut self, tag: u64) {
        self.delivered.remove(&tag);
    }

    /// Its worker died, or its line was cut: the job comes again.
    pub(super) fn give_back(&mut self, tag: u64, now: i64) -> bool {
        let Some(job) = self.delivered.remove(&tag) else {
            return false;
        };
        self.put(job, now, true);
        true
    }

    /// A publisher that got no answer publishes the same once more.
    pub(super) fn double(&mut self, nth: usize) -> Option<String> {
        let queued = self.queued.get(nth)?;
        let (job, visible_at) = (queued.job.clone(), queued.visible_at);
        let id = job.id.clone();
        self.put(job, visible_at, false);
        Some(id)
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.len()
    }

    /// Everything is gone; whether a pull was among it.
    pub(super) fn wipe(&mut self) -> bool {
        let lost = self.queued.drain(..).map(|queued| queued.job.kind);
        let delivered = std::mem::take(&mut self.delivered).into_values();
        lost.chain(delivered.map(|job| job.kind))
            .filter(|kind| *kind == Kind::Sync)
            .count()
            > 0
    }
}
