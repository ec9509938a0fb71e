//! A kind that no letter can have is a slip of the hand, and an empty list would hide it.

use kefu_jobs::KINDS;
use kefu_process::ExitError;
use kefu_store::{LetterQuery, Store};

use crate::cli::LetterFilterArgs;
use crate::commands::store::explained;

/// The word for bytes that are no job.
const NO_JOB: &str = "none";

/// How like another word a word must be to be taken for it; 1 is the same.
const LIKE_MIN: f64 = 0.8;

/// Refuses a kind that is neither ours nor that of any letter: jobs of other versions have kinds of their own.
pub(super) async fn check(store: &Store, filter: &LetterFilterArgs) -> anyhow::Result<()> {
    let Some(kind) = filter.kind.as_deref() else {
        return Ok(());
    };
    if known().any(|known| known == kind) {
        return Ok(());
    }
    let query = LetterQuery {
        kind: Some(kind),
        ..LetterQuery::default()
    };
    let newest = store
        .newest_dead_letters(&query, None, 1)
        .await
        .map_err(explained)?;
    // Where there are more letters than one list looks at, an older one may have it.
    if !newest.rows.is_empty() || newest.more.is_some() {
        return Ok(());
    }
    let meant = meant(kind).map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    Err(ExitError::refused(
        "--kind",
        format_args!(
            "no letter has the kind {kind:?}; known are {}{meant}",
            known().collect::<Vec<_>>().join(", ")
        ),
    )
    .into())
}

/// What Kefu itself publishes.
fn known() -> impl Iterator<Item = &'static str> {
    KINDS.into_iter().chain([NO_JOB])
}

fn meant(kind: &str) -> Option<&'static str> {
    let likeness = |known: &&str| strsim::jaro_winkler(kind, known);
    let nearest = known().max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (LIKE_MIN <= likeness(&nearest)).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_found_where_it_is_near() {
        for (kind, expected) in [
            ("kf.trun", Some("kf.turn")),
            ("kf.snyc", Some("kf.sync")),
            ("kf.welcom", Some("kf.welcome")),
            ("kf.notic", Some("kf.notice")),
            ("app_event", Some("app.event")),
            ("KF.TURN", None),
            ("nonne", Some("none")),
            ("customers", None),
            ("", None),
        ] {
            assert_eq!(meant(kind), expected, "{kind}");
        }
    }
}
