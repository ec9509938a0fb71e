//! The gate's transitions, without clock, lock or database.

use std::time::Duration;

use kefu_queue::Lane;
use tokio::time::Instant;

/// What fails so soon after the gate was opened shows that it was opened too early.
pub(super) const FLAP_MAX: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Something failed, and the prober has not asked yet. Jobs are taken, those that failed wait.
    Doubted,
    /// No job runs. With a trial due, the database answers probes and not the work: one job shows when that is over.
    Closed {
        trial: Option<Trial>,
    },
    /// The database has answered a probe; one job may try. The others wait for how it ends.
    Trial {
        trial: Trial,
        taken: bool,
    },
}

/// Whose job wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// It was just taken from its lane.
    First,
    /// It failed for the database and waits for another run.
    Again,
}

/// Who may try: jobs of the lane that failed, or anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trial {
    lane: Option<Lane>,
}

/// What is known of the database, and what may be done meanwhile.
#[derive(Clone, Debug)]
pub(super) struct States {
    phase: Phase,
    /// Why the gate is closed; for people.
    trouble: Option<String>,
    opened_at: Option<Instant>,
    /// Lanes of which a job has ended well since then.
    worked: Vec<Lane>,
    /// The lanes of jobs that failed and wait for another run: these have shown that they meet the fault.
    waiting: Vec<Lane>,
}

impl States {
    pub(super) fn open() -> States {
        States {
            phase: Phase::Open,
            trouble: None,
            opened_at: None,
            worked: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether jobs are taken.
    pub(super) fn takes_jobs(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Doubted)
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        match self.takes_jobs() {
            true => None,
            false => self.trouble.as_deref(),
        }
    }

    pub(super) fn has_worked(&self, lane: Lane) -> bool {
        self.worked.contains(&lane)
    }

    /// Whether the prober begins anew. While an outage lasts, or comes back at once, its waits go on growing.
    pub(super) fn is_new_trouble(&self, now: Instant) -> bool {
        self.phase == Phase::Doubted && !self.flaps(now)
    }

    /// Whether the last opening is so recent that the present failure belongs to the same outage.
    fn flaps(&self, now: Instant) -> bool {
        self.opened_at
            .is_some_and(|at| now.saturating_duration_since(at) < FLAP_MAX)
    }

    /// Work failed for the database. Whether the prober has something to do.
    pub(super) fn doubt(&mut self, lane: Option<Lane>, why: String, now: Instant) -> Doubt {
        if self.phase != Phase::Open {
            return Doubt::Known;
        }
        self.trouble = Some(why);
        let others_work = lane.map_or(!self.worked.is_empty(), |lane| self.has_worked(lane));
        if self.flaps(now) && !others_work {
            let trial = Some(Trial { lane });
            self.phase = Phase::Closed { trial };
            return Doubt::Closes;
        }
        self.phase = Phase::Doubted;
        Doubt::Asks
    }

    /// A job of this lane ended, and the database did its part.
    pub(super) fn worked(&mut self, lane: Lane) -> bool {
        let is_news = self.phase == Phase::Open && !self.has_worked(lane);
        if is_news {
            self.worked.push(lane);
        }
        is_news
    }

    /// The database is away, whatever was thought of it before: no job tries it then. Whether that is news.
    pub(super) fn probe_failed(&mut self, why: String) -> bool {
        let away = Phase::Closed { trial: None };
        let is_news = self.phase != away;
        self.trouble = Some(why);
        self.phase = away;
        is_news
    }

    /// Whether this opens a gate that was closed.
    pub(super) fn probe_answered(&mut self, now: Instant) -> bool {
        match self.phase {
            Phase::Open | Phase::Trial { .. } => false,
            Phase::Doubted => {
                self.reopen(now);
                false
            }
            Phase::Closed { trial: None } => {
                self.reopen(now);
                true
            }
            Phase::Closed { trial: Some(trial) } => {
                self.phase = Phase::Trial { trial, taken: false };
                false
            }
        }
    }

    pub(super) fn begins_to_wait(&mut self, lane: Lane) {
        self.waiting.push(lane);
    }

    pub(super) fn ends_to_wait(&mut self, lane: Lane) {
        if let Some(place) = self.waiting.iter().position(|waiting| *waiting == lane) {
            self.waiting.swap_remove(place);
        }
    }

    /// Takes the one place of a trial, if there is one for this lane. A fresh job shows nothing while one waits that
    /// has met the fault: it may not touch what is broken.
    pub(super) fn take_trial(&mut self, lane: Lane, wants: Wants) -> bool {
        let Phase::Trial { trial, taken } = &mut self.phase else {
            return false;
        };
        let is_of = |lane: Lane| trial.lane.is_none_or(|of| of == lane);
        let is_better = wants == Wants::Again || !self.waiting.iter().any(|waiting| is_of(*waiting));
        let takes = !*taken && is_of(lane) && is_better;
        *taken |= takes;
        takes
    }

    pub(super) fn trial_worked(&mut self, lane: Lane, now: Instant) {
        self.reopen(now);
        self.worked.push(lane);
    }

    /// No job came to try it with, so the probe has to do. Nothing has worked yet.
    pub(super) fn trial_idle(&mut self, now: Instant) {
        self.reopen(now);
    }

    pub(super) fn trial_failed(&mut self, why: String) {
        if let Phase::Trial { trial, .. } = self.phase {
            self.trouble = Some(why);
            self.phase = Phase::Closed { trial: Some(trial) };
        }
    }

    /// Whoever had the place went away without a word.
    pub(super) fn trial_dropped(&mut self) {
        if let Phase::Trial { taken, .. } = &mut self.phase {
            *taken = false;
        }
    }

    fn reopen(&mut self, now: Instant) {
        self.phase = Phase::Open;
        self.opened_at = Some(now);
        self.worked.clear();
    }
}

/// What a failure of the work means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Already doubted or closed.
    Known,
    /// The prober asks; jobs go on meanwhile.
    Asks,
    /// The gate is closed by this.
    Closes,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> String {
        "disk full".to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_is_no_outage() {
        let (mut states, now) = (States::open(), Instant::now());
        assert_eq!(states.doubt(Some(Lane::High), why(), now), Doubt::Asks);
        assert!(states.takes_jobs() && states.trouble().is_none());
        assert!(!states.probe_answered(now));
        assert_eq!(states.phase(), &Phase::Open);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_closes_and_an_answer_opens() {
        let (mut states, now) = (States::open(), Instant::now());
        states.doubt(None, why(), now);
        assert!(states.probe_failed(why()));
        assert!(!states.probe_failed(why()));
        assert_eq!(states.trouble(), Some("disk full"));
        assert!(states.probe_answered(now));
        assert!(states.takes_jobs());
    }

    /// The database answers the probe, and refuses the work of one lane.
    fn refused_again(now: Instant) -> States {
        let mut states = States::open();
        states.doubt(Some(Lane::Medium), why(), now);
        states.probe_answered(now);
        states.worked(Lane::High);
        assert_eq!(states.doubt(Some(Lane::Medium), why(), now), Doubt::Closes);
        assert!(!states.probe_answered(now));
        states
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_answers_probes_and_not_the_work_is_tried_by_one_job_of_that_lane() {
        let now = Instant::now();
        let mut states = refused_again(now);
        assert!(!states.take_trial(Lane::High, Wants::First));
        assert!(states.take_trial(Lane::Medium, Wants::First));
        assert!(!states.take_trial(Lane::Medium, Wants::First), "one at a time");
        states.trial_failed(why());
        assert_eq!(states.trouble(), Some("disk full"));
        states.probe_answered(now);
        assert!(states.take_trial(Lane::Medium, Wants::First));
        states.trial_worked(Lane::Medium, now);
        assert!(states.takes_jobs() && states.has_worked(Lane::Medium));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_without_a_job_opens_and_has_shown_nothing() {
        let now = Instant::now();
        let mut states = refused_again(now);
        assert!(states.take_trial(Lane::Medium, Wants::First));
        states.trial_idle(now);
        assert!(states.takes_jobs() && !states.has_worked(Lane::Medium));
        assert_eq!(states.doubt(Some(Lane::Medium), why(), now), Doubt::Closes);
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_stops_answering_is_away_and_needs_no_trial() {
        let now = Instant::now();
        let mut states = refused_again(now);
        states.trial_failed(why());
        assert!(states.probe_failed("no answer".to_owned()));
        assert!(!states.probe_failed("no answer".to_owned()));
        assert_eq!(states.trouble(), Some("no answer"));
        assert!(states.probe_answered(now));
        assert!(states.takes_jobs());
    }

    #[tokio::test(start_paused = true)]
    async fn the_prober_begins_anew_at_new_trouble_only() {
        let (mut states, now) = (States::open(), Instant::now());
        states.doubt(None, why(), now);
        assert!(states.is_new_trouble(now));
        states.probe_failed(why());
        assert!(!states.is_new_trouble(now + FLAP_MAX), "it lasts");
        states.probe_answered(now);
        states.worked(Lane::High);
        states.doubt(Some(Lane::High), why(), now);
        assert!(!states.is_new_trouble(now), "it is back at once");
        states.probe_answered(now);
        states.doubt(Some(Lane::High), why(), now + FLAP_MAX);
        assert!(states.is_new_trouble(now + FLAP_MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_nobody_ends_is_free_again() {
        let mut states = refused_again(Instant::now());
        assert!(states.take_trial(Lane::Medium, Wants::First));
        states.trial_dropped();
        assert!(states.take_trial(Lane::Medium, Wants::First));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_has_met_the_fault_tries_before_a_fresh_one() {
        let mut states = refused_again(Instant::now());
        states.begins_to_wait(Lane::Medium);
        assert!(!states.take_trial(Lane::Medium, Wants::First));
        assert!(states.take_trial(Lane::Medium, Wants::Again));
        states.trial_dropped();
        states.ends_to_wait(Lane::Medium);
        assert!(states.take_trial(Lane::Medium, Wants::First));
    }

    #[tokio::test(start_paused = true)]
    async fn one_job_that_fails_where_others_of_its_lane_work_closes_nothing() {
        let (mut states, now) = (States::open(), Instant::now());
        for _ in 0..5 {
            assert_eq!(states.doubt(Some(Lane::Medium), why(), now), Doubt::Asks);
            states.probe_answered(now);
            states.worked(Lane::Medium);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_beside_the_lanes_closes_nothing_while_a_lane_works() {
        let (mut states, now) = (States::open(), Instant::now());
        for _ in 0..5 {
            assert_eq!(states.doubt(None, why(), now), Doubt::Asks);
            states.probe_answered(now);
            states.worked(Lane::Medium);
        }
        states.doubt(None, why(), now);
        states.probe_answered(now);
        assert_eq!(states.doubt(None, why(), now), Doubt::Closes);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_while_a_failure_is_a_new_one() {
        let (mut states, now) = (States::open(), Instant::now());
        states.doubt(None, why(), now);
        states.probe_answered(now);
        assert_eq!(states.doubt(None, why(), now + FLAP_MAX), Doubt::Asks);
    }
}
