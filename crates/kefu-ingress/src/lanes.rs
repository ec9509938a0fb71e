//! Which lane a callback goes to.

use std::collections::{BTreeMap, BTreeSet};

use kefu_queue::Lane;
use kefu_settings::SettingsError;
use kefu_wecom::CallbackEvent;

use crate::job::UNPARSED;

/// The table `ingress.lanes`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    by_name: BTreeMap<String, Lane>,
    /// The same names in lower case.
    names: BTreeSet<String>,
    default: Lane,
}

/// Kinds that are labels of metrics beside those of the table.
const LABELS: [&str; 2] = ["event.kf_msg_or_event", UNPARSED];
/// The label of all other kinds: who can sign a callback could make up any number of them.
const OTHER: &str = "other";

impl Lanes {
    pub(crate) fn parse(table: &BTreeMap<String, String>) -> Result<Lanes, SettingsError> {
        let mut lanes = Lanes {
            by_name: BTreeMap::new(),
            names: BTreeSet::new(),
            default: Lane::Low,
        };
        for (name, lane) in table {
            let lane = Lane::parse(lane).ok_or_else(|| {
                SettingsError::new(format!("ingress.lanes.{name}"), "must be high, medium or low")
            })?;
            match name.as_str() {
                "default" => lanes.default = lane,
                name => {
                    lanes.by_name.insert(name.to_owned(), lane);
                    lanes.names.insert(name.to_ascii_lowercase());
                }
            }
        }
        Ok(lanes)
    }

    /// A kf wake-up is always high: a customer waits behind it.
    ///
    /// WeCom's own spelling goes first, because `LOCATION` is an event and `location` a message; then lower case,
    /// because WeCom writes both `CLICK` and `click`, and a key from the environment arrives in lower case.
    pub(crate) fn of(&self, event: &CallbackEvent) -> Lane {
        if event.is_kf_wake_up() {
            return Lane::High;
        }
        let name = event
            .event()
            .or_else(|| event.msg_type())
            .or_else(|| event.info_type());
        name.and_then(|name| {
            self.by_name
                .get(name)
                .or_else(|| self.by_name.get(&name.to_ascii_lowercase()))
        })
        .copied()
        .unwrap_or(self.default)
    }

    /// A kind as label of a metric: one whose name is in the table, else `other`.
    pub(crate) fn label(&self, kind: String) -> String {
        let name = ["event.", "suite."]
            .iter()
            .find_map(|prefix| kind.strip_prefix(prefix));
        let is_known = self.names.contains(name.unwrap_or(&kind)) || LABELS.contains(&kind.as_str());
        if is_known { kind } else { OTHER.to_owned() }
    }

    pub(crate) fn default_lane(&self) -> Lane {
        self.default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(pairs: &[(&str, &str)]) -> Result<Lanes, SettingsError> {
        Lanes::parse(
            &pairs
                .iter()
                .map(|(name, lane)| (name.to_string(), lane.to_string()))
                .collect(),
        )
    }

    #[track_caller]
    fn check(xml: &str, expected: Lane) {
        let table = [
            ("click", "medium"),
            ("location", "medium"),
            ("LOCATION", "low"),
            ("default", "low"),
        ];
        let lanes = lanes(&table).unwrap();
        let event = CallbackEvent::parse(xml.as_bytes()).unwrap();
        assert_eq!(lanes.of(&event), expected);
    }

    #[test]
    fn a_wake_up_is_high_and_others_follow_the_table() {
        check(
            "<xml><MsgType>event</MsgType><Event>kf_msg_or_event</Event></xml>",
            Lane::High,
        );
        check(
            "<xml><MsgType>event</MsgType><Event>CLICK</Event></xml>",
            Lane::Medium,
        );
        check(
            "<xml><MsgType>event</MsgType><Event>LOCATION</Event></xml>",
            Lane::Low,
        );
        check("<xml><MsgType>location</MsgType></xml>", Lane::Medium);
        check("<xml><InfoType>suite_ticket</InfoType></xml>", Lane::Low);
    }

    #[test]
    fn only_names_of_the_table_are_labels() {
        let lanes = lanes(&[("click", "medium"), ("LOCATION", "low"), ("default", "low")]).unwrap();
        let check = |kind: &str, expected: &str| assert_eq!(lanes.label(kind.to_owned()), expected);
        for known in [
            "click",
            "event.click",
            "event.location",
            "unparsed",
            "event.kf_msg_or_event",
        ] {
            check(known, known);
        }
        for made_up in ["event.a1", "a1", "default", "event.default", "suite.a1", ""] {
            check(made_up, "other");
        }
    }

    #[test]
    fn a_wrong_lane_is_named() {
        let error = lanes(&[("click", "urgent")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ingress.lanes.click: must be high, medium or low"
        );
    }
}
