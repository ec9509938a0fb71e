//! What replaying and discarding have in common: which letters, one by one, and what is said about it.

use kefu_domain::counted;
use kefu_process::ExitError;
use kefu_queue::Job;
use kefu_store::{DeadLetterRow, LetterState, Store, StoreError};
use serde_json::json;

use super::list::as_table;
use super::{kind, query};
use crate::cli::ChangeLettersArgs;
use crate::commands::store::explained;
use crate::output;

/// Letters asked for at a time.
const PAGE: u32 = 200;

/// Longest bytes of a letter that are kept until all is told.
const LETTER_BYTES_MAX: usize = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Replay,
    Discard,
}

/// What became of one letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Changed,
    /// It was not open any more.
    Before(LetterState),
    /// Its bytes are no job of this version.
    NoJob,
    Missing,
}

/// What was done so far.
struct Tally<'a> {
    store: &'a Store,
    change: Change,
    args: &'a ChangeLettersArgs,
    done: Vec<(i64, Option<DeadLetterRow>, Outcome)>,
}

pub(super) async fn change(store: &Store, change: Change, args: &ChangeLettersArgs) -> anyhow::Result<()> {
    let mut tally = Tally {
        store,
        change,
        args,
        done: Vec::new(),
    };
    kind::check(store, &args.filter).await?;
    let more = match args.ids.is_empty() {
        true => tally.filtered().await.map_err(explained)?,
        false => {
            tally.named().await.map_err(explained)?;
            false
        }
    };
    tally.tell(more)?;
    tally.verdict()
}

impl Tally<'_> {
    async fn named(&mut self) -> Result<(), StoreError> {
        for id in &self.args.ids {
            match self.store.dead_letter(*id).await? {
                Some(letter) => self.one(letter).await?,
                None => self.done.push((*id, None, Outcome::Missing)),
            }
        }
        Ok(())
    }

    /// The open letters of the filter, oldest first. True when there are more than the limit.
    async fn filtered(&mut self) -> Result<bool, StoreError> {
        let query = query(&self.args.filter, Some(LetterState::Open));
        let mut after = 0;
        loop {
            let listed = self.store.dead_letters_after(&query, after, PAGE).await?;
            for found in &listed.rows {
                if self.args.limit as usize <= self.done.len() {
                    return Ok(true);
                }
                // With its bytes; nothing deletes letters.
                if let Some(letter) = self.store.dead_letter(found.seq).await? {
                    self.one(letter).await?;
                }
            }
            match listed.more {
                Some(more) => after = more,
                None => return Ok(false),
            }
        }
    }

    async fn one(&mut self, mut letter: DeadLetterRow) -> Result<(), StoreError> {
        let outcome = self.outcome(&letter).await?;
        // There may be many; short ones tell whom they are about.
        if LETTER_BYTES_MAX < letter.raw.len() {
            letter.raw = Vec::new();
        }
        self.done.push((letter.seq, Some(letter), outcome));
        Ok(())
    }

    async fn outcome(&self, letter: &DeadLetterRow) -> Result<Outcome, StoreError> {
        let is_replaying = self.change == Change::Discard && letter.state == LetterState::Replaying;
        if letter.state != LetterState::Open && !is_replaying {
            return Ok(Outcome::Before(letter.state));
        }
        if self.change == Change::Replay && Job::decode(&letter.raw).is_err() {
            return Ok(Outcome::NoJob);
        }
        if self.args.dry_run {
            return Ok(Outcome::Changed);
        }
        let was = match self.change {
            Change::Replay => self.store.begin_replay(letter.seq).await?,
            Change::Discard => self.store.discard_dead_letter(letter.seq).await?,
        };
        Ok(match was {
            Some(LetterState::Open) => Outcome::Changed,
            Some(state) => Outcome::Before(state),
            None => Outcome::Missing,
        })
    }

    fn count(&self, is: impl Fn(Outcome) -> bool) -> usize {
        self.done.iter().filter(|(_, _, outcome)| is(*outcome)).count()
    }

    fn tell(&self, more: bool) -> anyhow::Result<()> {
        let changed = self.count(|outcome| outcome == Outcome::Changed);
        if self.args.json {
            return self.tell_json(changed, more);
        }
        for (id, _, outcome) in &self.done {
            if *outcome != Outcome::Changed {
                output::note(format_args!("dead letter {id}: {}", outcome.sentence()))?;
            }
        }
        if self.args.dry_run {
            let changed = self
                .done
                .iter()
                .filter(|(_, _, outcome)| *outcome == Outcome::Changed);
            as_table(changed.filter_map(|(_, letter, _)| letter.as_ref())).print(true)?;
        }
        let letters = counted(changed, "dead letter");
        match (self.change, self.args.dry_run) {
            (Change::Replay, false) if changed == 0 => output::line("0 dead letters will run again")?,
            (Change::Replay, false) => output::line(format_args!(
                "{letters} will run again, published by a worker within seconds"
            ))?,
            (Change::Replay, true) => output::line(format_args!("{letters} would run again"))?,
            (Change::Discard, false) => output::line(format_args!("{letters} discarded"))?,
            (Change::Discard, true) => output::line(format_args!("{letters} would be discarded"))?,
        }
        if more {
            output::note(format_args!(
                "more letters match than --limit {}: run it again",
                self.args.limit
            ))?;
        }
        Ok(())
    }

    fn tell_json(&self, changed: usize, more: bool) -> anyhow::Result<()> {
        let letters: Vec<_> = self
            .done
            .iter()
            .map(|(id, letter, outcome)| {
                json!({
                    "id": id,
                    "job_id": letter.as_ref().map(|letter| letter.job_id.as_str()),
                    "kind": letter.as_ref().and_then(|letter| letter.kind.as_deref()),
                    "outcome": outcome.word(self.change),
                })
            })
            .collect();
        output::json(&json!({
            "dry_run": self.args.dry_run,
            "changed": changed,
            "before": self.count(|outcome| matches!(outcome, Outcome::Before(_))),
            "no_job": self.count(|outcome| outcome == Outcome::NoJob),
            "missing": self.count(|outcome| outcome == Outcome::Missing),
            "more": more,
            "letters": letters,
        }))
    }

    /// No, when a letter that was named cannot be what it shall be. What was so before is fine: twice is once.
    fn verdict(&self) -> anyhow::Result<()> {
        let no = |outcome: Outcome| match outcome {
            Outcome::Missing | Outcome::NoJob => true,
            Outcome::Before(state) => match self.change {
                Change::Replay => state == LetterState::Discarded,
                Change::Discard => state != LetterState::Discarded,
            },
            Outcome::Changed => false,
        };
        match self.count(no) {
            count if 0 < count && !self.args.ids.is_empty() => Err(ExitError::No(format!(
                "{count} of {} left as before",
                counted(self.args.ids.len(), "dead letter")
            ))
            .into()),
            _ => Ok(()),
        }
    }
}

impl Outcome {
    fn word(self, change: Change) -> &'static str {
        match (self, change) {
            (Outcome::Changed, Change::Replay) => "replaying",
            (Outcome::Changed, Change::Discard) => "discarded",
            (Outcome::Before(LetterState::Open), _) => "open",
            (Outcome::Before(LetterState::Replaying), _) => "was_replaying",
            (Outcome::Before(LetterState::Replayed), _) => "was_replayed",
            (Outcome::Before(LetterState::Discarded), _) => "was_discarded",
            (Outcome::NoJob, _) => "no_job",
            (Outcome::Missing, _) => "missing",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Outcome::Changed | Outcome::Before(LetterState::Open) => "is open",
            Outcome::Before(LetterState::Replaying) => "is being replayed already",
            Outcome::Before(LetterState::Replayed) => "was replayed before",
            Outcome::Before(LetterState::Discarded) => "was discarded before",
            Outcome::NoJob => "cannot be replayed: its bytes are no job this version can read",
            Outcome::Missing => "there is none",
        }
    }
}
