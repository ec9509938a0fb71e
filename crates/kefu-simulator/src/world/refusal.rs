use std::borrow::Cow;

/// WeCom says no: `errcode` and the fixed beginning of `errmsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: i32,
    pub message: Cow<'static, str>,
}

impl Refusal {
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }

    /// 40058: a parameter is missing, too long, or of the wrong type.
    pub(crate) fn parameter(what: &str) -> Refusal {
        Refusal::new(40_058, format!("invalid Request Parameter, {what}"))
    }

    pub(crate) fn frequency() -> Refusal {
        Refusal::new(45_009, "api freq out of limit")
    }

    pub(crate) fn open_kfid() -> Refusal {
        Refusal::new(95_000, "invalid open_kfid")
    }

    pub(crate) fn external_userid() -> Refusal {
        Refusal::new(40_096, "invalid external userid")
    }

    pub(crate) fn media_id() -> Refusal {
        Refusal::new(40_007, "invalid media_id")
    }
}
