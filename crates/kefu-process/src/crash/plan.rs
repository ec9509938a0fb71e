//! What `KEFU_CRASH_AT` says, and whose turn it is.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Point;

/// What to do at which passages. Without an order nothing ever happens.
#[derive(Debug)]
pub(super) struct Plan {
    orders: Vec<Order>,
}

#[derive(Debug)]
struct Order {
    point: String,
    deed: Deed,
    /// From 1.
    nth: u64,
    passed: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// At the n-th passage.
    Abort,
    /// At every n-th passage.
    Panic,
}

impl Plan {
    /// Reads `name=abort@N` and `name=panic@N`, separated by commas. The error is a fragment for a settings line.
    pub(super) fn parse(text: &str) -> Result<Plan, String> {
        let entries = text.split(',').map(str::trim);
        let orders = match text.trim().is_empty() {
            true => Vec::new(),
            false => entries.map(Order::parse).collect::<Result<_, _>>()?,
        };
        Ok(Plan { orders })
    }

    /// Whether all points are known ones. The error is a fragment for a settings line.
    pub(super) fn check(&self, known: &[&[Point]]) -> Result<(), String> {
        let names: Vec<&str> = known.iter().copied().flatten().map(|(point, _)| *point).collect();
        match self
            .orders
            .iter()
            .find(|order| !names.contains(&order.point.as_str()))
        {
            Some(Order { point, .. }) => Err(format!(
                "{point:?} is no crash point; there are {}",
                names.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// Counts a passage; what is to be done at it. Of several orders that are due the first is followed.
    pub(super) fn pass(&self, point: &str) -> Option<Deed> {
        let orders = self.orders.iter().filter(|order| order.point == point);
        orders.fold(None, |first, order| first.or(order.pass()))
    }
}

impl Order {
    fn parse(entry: &str) -> Result<Order, String> {
        let malformed = || format!("{entry:?} is not <point>=abort@<n> or <point>=panic@<n> with n from 1");
        let (name, order) = entry.split_once('=').ok_or_else(malformed)?;
        let (deed, nth) = order.split_once('@').ok_or_else(malformed)?;
        let deed = match deed {
            "abort" => Deed::Abort,
            "panic" => Deed::Panic,
            _ => return Err(malformed()),
        };
        let nth = nth.parse().ok().filter(|nth| 1 <= *nth).ok_or_else(malformed)?;
        Ok(Order {
            point: name.to_owned(),
            deed,
            nth,
            passed: AtomicU64::new(0),
        })
    }

    fn pass(&self) -> Option<Deed> {
        let passage = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        let is_due = match self.deed {
            Deed::Abort => passage == self.nth,
            Deed::Panic => passage.is_multiple_of(self.nth),
        };
        is_due.then_some(self.deed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, point: &str, expected: &[Option<Deed>]) {
        let plan = Plan::parse(text).unwrap();
        let passed: Vec<Option<Deed>> = expected.iter().map(|_| plan.pass(point)).collect();
        assert_eq!(passed, expected, "{text}");
    }

    const ABORT: Option<Deed> = Some(Deed::Abort);
    const PANIC: Option<Deed> = Some(Deed::Panic);

    #[test]
    fn aborts_once_and_panics_again_and_again() {
        check("part_called=abort@2", "part_called", &[None, ABORT, None, None]);
        check("part_called=panic@2", "part_called", &[None, PANIC, None, PANIC]);
        check("part_called=panic@1", "part_marked", &[None, None]);
        check("", "part_called", &[None, None]);
    }

    #[test]
    fn each_order_counts_every_passage_of_its_point() {
        let text = "part_called=panic@2, part_called=abort@4,page_pulled=abort@1";
        check(text, "part_called", &[None, PANIC, None, PANIC, None, PANIC]);
        check(text, "page_pulled", &[ABORT, None]);
        let text = "part_called=abort@3,part_called=panic@2";
        check(text, "part_called", &[None, PANIC, ABORT, PANIC]);
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        for entry in [
            "part_called",
            "part_called=abort",
            "part_called=exit@1",
            "part_called=abort@0",
            "part_called=abort@-1",
            "part_called=panic@often",
        ] {
            let expected = format!("{entry:?} is not <point>=abort@<n> or <point>=panic@<n> with n from 1");
            assert_eq!(Plan::parse(entry).unwrap_err(), expected);
            let behind = format!("page_pulled=abort@1,{entry}");
            assert_eq!(Plan::parse(&behind).unwrap_err(), expected);
        }
        let plan = Plan::parse("page_pulled=abort@1,part_colled=abort@1").unwrap();
        let known: &[&[Point]] = &[&[("callback_opened", "")], &[("page_pulled", "")]];
        assert_eq!(
            plan.check(known).unwrap_err(),
            "\"part_colled\" is no crash point; there are callback_opened, page_pulled"
        );
        assert!(Plan::parse("page_pulled=abort@1,").is_err());
    }
}
