//! Lists for people: a page of rows, where the next one begins, and bounds in time.

use std::time::Duration;

use kefu_domain::Millis;

use crate::sql::values;
use crate::{Store, StoreError};

/// Rows one list looks at, at most: a filter that hits nothing must not read a table of years.
pub(crate) const LOOK_MAX: u32 = 100_000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T, C = i64> {
    pub rows: Vec<T>,
    /// After which place there may be more; `None` at the end. There may be more although the page is not full: a
    /// list looks at a bounded number of rows.
    pub more: Option<C>,
}

impl<T, C> Listed<T, C> {
    /// Of up to `limit + 1` rows, the last of which only tells that there are more; `bound` is where looking ended.
    pub(crate) fn new(
        mut rows: Vec<T>,
        limit: u32,
        place: impl Fn(&T) -> C,
        bound: Option<C>,
    ) -> Listed<T, C> {
        let limit = limit as usize;
        let is_full = limit < rows.len();
        rows.truncate(limit);
        let more = match is_full {
            true => rows.last().map(place),
            false => bound,
        };
        Listed { rows, more }
    }
}

/// A bound in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long ago, by the database's clock.
    Ago(Duration),
    At(Millis),
}

impl Moment {
    /// Two values `x` and `y` for `x + y * now_ms`; `x` is null for no bound.
    pub(crate) fn values(bound: Option<Moment>) -> (Option<i64>, i64) {
        match bound {
            None => (None, 0),
            Some(Moment::At(Millis(at))) => (Some(at), 0),
            Some(Moment::Ago(ago)) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                (Some(-ago), 1)
            }
        }
    }
}

impl Store {
    /// The number beyond which a list does not look, with `sql` for the row that is `$2` rows behind `$1`.
    pub(crate) async fn bound(&self, sql: &'static str, from: i64) -> Result<Option<i64>, StoreError> {
        let row: Option<(i64,)> = self.fetch_optional(sql, values![from, LOOK_MAX - 1]).await?;
        Ok(row.map(|(seq,)| seq))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_where_the_next_one_begins() {
        let page = |rows: &[i64], limit, floor| Listed::new(rows.to_vec(), limit, |row| *row, floor);
        let listed = |rows: &[i64], more| Listed {
            rows: rows.to_vec(),
            more,
        };
        assert_eq!(page(&[], 2, None), listed(&[], None));
        assert_eq!(page(&[9, 8], 2, None), listed(&[9, 8], None));
        assert_eq!(page(&[9, 8, 7], 2, None), listed(&[9, 8], Some(8)));
        assert_eq!(page(&[9, 8, 7], 2, Some(3)), listed(&[9, 8], Some(8)));
        // Not full, and yet there may be more below.
        assert_eq!(page(&[9], 2, Some(3)), listed(&[9], Some(3)));
        assert_eq!(page(&[9], 0, None), listed(&[], None));
    }

    #[test]
    fn the_longest_time_ago_does_not_overflow() {
        assert_eq!(
            Moment::values(Some(Moment::Ago(Duration::MAX))),
            (Some(-i64::MAX), 1)
        );
        assert_eq!(Moment::values(Some(Moment::At(Millis(7)))), (Some(7), 0));
        assert_eq!(Moment::values(None), (None, 0));
    }
}
