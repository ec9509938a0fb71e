//! Which lane a callback goes to.

use std::collections::BTreeMap;

use kefu_queue::Lane;
use kefu_settings::SettingsError;
use kefu_wecom::CallbackEvent;

/// The table `ingress.lanes`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    by_name: BTreeMap<String, Lane>,
    default: Lane,
}

impl Lanes {
    pub(crate) fn parse(table: &BTreeMap<String, String>) -> Result<Lanes, SettingsError> {
        let mut lanes = Lanes {
            by_name: BTreeMap::new(),
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
    fn a_wrong_lane_is_named() {
        let error = lanes(&[("click", "urgent")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ingress.lanes.click: must be high, medium or low"
        );
    }
}
