use super::loose::Loose;

/// What happened around a conversation, by its `event_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KfEvent {
    EnterSession(EnterSession),
    SendFailed(SendFailed),
    ServicerStatus(ServicerStatus),
    SessionChanged(SessionChanged),
    /// The customer took a message back: it is not to be answered.
    UserRecalled {
        recall_msgid: String,
    },
    ServicerRecalled {
        recall_msgid: String,
        servicer_userid: String,
    },
    RejectSwitch {
        servicer_userid: String,
        reject_switch: i64,
    },
    /// An event of the future.
    Unknown {
        event_type: String,
    },
}

/// The customer opened the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnterSession {
    pub scene: String,
    /// Percent-encoded, as it came.
    pub scene_param: String,
    /// Sends one welcome within 20 s of the event (doc 96428). Absent if none may be sent.
    pub welcome_code: Option<String>,
    /// The name of the Channels account or shop the customer came from.
    pub channel_nickname: Option<String>,
}

/// A message that had been accepted did not reach the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendFailed {
    /// Our `msgid`.
    pub fail_msgid: String,
    pub fail_type: FailType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailType {
    /// 0
    Unknown,
    /// 1
    AccountDeleted,
    /// 2
    AppClosed,
    /// 4: more than 48 h since the customer wrote.
    WindowClosed,
    /// 5
    SessionClosed,
    /// 6: more than 5 messages.
    MessagesSpent,
    /// 8
    CorpUnverified,
    /// 10
    CustomerRefused,
    /// 11
    NobodyLoggedIn,
    /// 12
    ForbiddenType,
    Other(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicerStatus {
    pub servicer_userid: String,
    /// 1 receiving, 2 stopped. Not the numbers of `kf/servicer/list`.
    pub status: i64,
    pub stop_type: i64,
}

/// A person took, passed on or ended a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionChanged {
    pub change_type: ChangeType,
    pub old_servicer_userid: Option<String>,
    pub new_servicer_userid: Option<String>,
    /// Sends one message with `kf/send_msg_on_event`; only for [`ChangeType::Taken`] and [`ChangeType::Ended`].
    pub msg_code: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeType {
    /// 1: taken from the pool.
    Taken,
    /// 2: passed to another servicer.
    Transferred,
    /// 3
    Ended,
    /// 4: a servicer came back to an ended or transferred session.
    Resumed,
    Other(i64),
}

impl KfEvent {
    pub(super) fn read(inner: Loose<'_>) -> KfEvent {
        let servicer_userid = || inner.text("servicer_userid");
        let event_type = inner.text("event_type");
        match event_type.as_str() {
            "enter_session" => KfEvent::EnterSession(enter_session(inner)),
            "msg_send_fail" => KfEvent::SendFailed(SendFailed {
                fail_msgid: inner.text("fail_msgid"),
                fail_type: FailType::from(inner.number("fail_type")),
            }),
            "servicer_status_change" => KfEvent::ServicerStatus(ServicerStatus {
                servicer_userid: servicer_userid(),
                status: inner.number("status"),
                stop_type: inner.number("stop_type"),
            }),
            "session_status_change" => KfEvent::SessionChanged(SessionChanged {
                change_type: ChangeType::from(inner.number("change_type")),
                old_servicer_userid: inner.text_if_any("old_servicer_userid"),
                new_servicer_userid: inner.text_if_any("new_servicer_userid"),
                msg_code: inner.text_if_any("msg_code"),
            }),
            "user_recall_msg" => KfEvent::UserRecalled {
                recall_msgid: inner.text("recall_msgid"),
            },
            "servicer_recall_msg" => KfEvent::ServicerRecalled {
                recall_msgid: inner.text("recall_msgid"),
                servicer_userid: servicer_userid(),
            },
            "reject_customer_msg_switch_change" => KfEvent::RejectSwitch {
                servicer_userid: servicer_userid(),
                reject_switch: inner.number("reject_switch"),
            },
            _ => KfEvent::Unknown { event_type },
        }
    }

    /// WeCom's word for it.
    pub fn event_type(&self) -> &str {
        match self {
            KfEvent::EnterSession(_) => "enter_session",
            KfEvent::SendFailed(_) => "msg_send_fail",
            KfEvent::ServicerStatus(_) => "servicer_status_change",
            KfEvent::SessionChanged(_) => "session_status_change",
            KfEvent::UserRecalled { .. } => "user_recall_msg",
            KfEvent::ServicerRecalled { .. } => "servicer_recall_msg",
            KfEvent::RejectSwitch { .. } => "reject_customer_msg_switch_change",
            KfEvent::Unknown { event_type } => event_type,
        }
    }
}

fn enter_session(inner: Loose<'_>) -> EnterSession {
    let channel = inner.object("wechat_channels");
    let name = |key| channel.and_then(|channel| channel.text_if_any(key));
    EnterSession {
        scene: inner.text("scene"),
        scene_param: inner.text("scene_param"),
        welcome_code: inner.text_if_any("welcome_code"),
        channel_nickname: name("nickname").or_else(|| name("shop_nickname")),
    }
}

impl From<i64> for FailType {
    fn from(number: i64) -> FailType {
        match number {
            0 => FailType::Unknown,
            1 => FailType::AccountDeleted,
            2 => FailType::AppClosed,
            4 => FailType::WindowClosed,
            5 => FailType::SessionClosed,
            6 => FailType::MessagesSpent,
            8 => FailType::CorpUnverified,
            10 => FailType::CustomerRefused,
            11 => FailType::NobodyLoggedIn,
            12 => FailType::ForbiddenType,
            other => FailType::Other(other),
        }
    }
}

impl From<i64> for ChangeType {
    fn from(number: i64) -> ChangeType {
        match number {
            1 => ChangeType::Taken,
            2 => ChangeType::Transferred,
            3 => ChangeType::Ended,
            4 => ChangeType::Resumed,
            other => ChangeType::Other(other),
        }
    }
}
