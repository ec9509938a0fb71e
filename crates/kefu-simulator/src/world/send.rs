//! `kf/send_msg` (doc 96427).

use serde_json::{Value, json};

use super::conversation::{Speaker, WINDOW_MS};
use super::tally::Tally;
use super::{Notice, Refusal, World, body};
use crate::settings::RepeatCheck;

/// Longest `msgid` a caller may choose.
const MSGID_BYTES_MAX: usize = 32;

/// A send WeCom took. It says nothing about delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    pub msgid: String,
    /// There when the delivery failed at once and WeCom reports it through the stream.
    pub notice: Option<Notice>,
}

impl World {
    /// Checked in this order: `msgtype` (40008), body (40058, 40007, 95008, 95009), account (95000), customer
    /// (40096), form of `msgid` (40058), its uniqueness, session state (95018), 48 hours (95002), five
    /// messages (95001), business cards (95025).
    ///
    /// With `fail_type` the message is accepted but never arrives: a `msg_send_fail` event follows.
    pub fn send(&mut self, request: &Value, fail_type: Option<i32>, now: i64) -> Result<Accepted, Refusal> {
        let outcome = self.try_send(request, fail_type, now);
        self.tally.sent(&outcome);
        outcome
    }

    fn try_send(&mut self, request: &Value, fail_type: Option<i32>, now: i64) -> Result<Accepted, Refusal> {
        let msgtype = body::check_type(request, None)?;
        let shown = body::check(msgtype, request, &self.media, now)?;
        let open_kfid = request
            .get("open_kfid")
            .and_then(Value::as_str)
            .ok_or_else(Refusal::open_kfid)?;
        let account = self.account_at(open_kfid)?;
        let customer = request
            .get("touser")
            .and_then(Value::as_str)
            .ok_or_else(Refusal::external_userid)?;
        self.conversation_at(account, customer)?;
        let msgid = read_msgid(request)?;
        let repeated = msgid.is_some_and(|msgid| self.accounts[account].msgids.contains(msgid));
        if repeated && self.settings.send_repeat_check == RepeatCheck::BeforeState {
            return Err(self.repeated());
        }
        if let Err(refusal) = self.may_send(account, customer, msgtype, now) {
            if self.settings.refused_msgid_used && msgid.is_some() {
                self.register(account, msgid);
            }
            return Err(refusal);
        }
        if repeated {
            return Err(self.repeated());
        }
        let msgid = self.register(account, msgid);
        let conversation = self.conversation_mut(account, customer);
        conversation.sent += 1;
        if msgtype == "business_card" {
            conversation.card_ms = Some(now);
        }
        let Some(fail_type) = fail_type else {
            self.show(account, customer, Speaker::Reply, shown, &msgid, now);
            return Ok(Accepted { msgid, notice: None });
        };
        let event = json!({ "event_type": "msg_send_fail", "fail_msgid": msgid, "fail_type": fail_type });
        let notice = Some(self.append_event(account, customer, event, now).notice);
        Ok(Accepted { msgid, notice })
    }

    fn may_send(&mut self, account: usize, customer: &str, msgtype: &str, now: i64) -> Result<(), Refusal> {
        let conversation = self.conversation_mut(account, customer);
        conversation.may_send(now)?;
        if msgtype == "business_card" && conversation.card_ms.is_some_and(|at| now < at + WINDOW_MS) {
            return Err(Refusal::new(95_025, "business card count limit"));
        }
        Ok(())
    }

    /// Notes a `msgid` as used, or makes one.
    pub(super) fn register(&mut self, account: usize, msgid: Option<&str>) -> String {
        let msgid = msgid.map_or_else(|| self.chance.text(32), str::to_owned);
        self.accounts[account].msgids.insert(msgid.clone());
        msgid
    }

    pub(super) fn repeated(&self) -> Refusal {
        // The code is not documented; users report a text like this one.
        Refusal::new(self.settings.send_repeat_code, "msgid repeated, MSG_ID重复")
    }

    /// Puts a line on the customer's screen and counts it.
    pub(super) fn show(
        &mut self,
        account: usize,
        customer: &str,
        speaker: Speaker,
        text: String,
        msgid: &str,
        now: i64,
    ) {
        self.tally.shown(account, customer, &text, now);
        self.conversation_mut(account, customer)
            .add_line(speaker, text, msgid, now);
    }
}

impl Tally {
    pub(super) fn sent(&mut self, outcome: &Result<Accepted, Refusal>) {
        match outcome {
            Ok(_) => self.sends += 1,
            Err(refusal) => *self.sends_refused.entry(refusal.code).or_default() += 1,
        }
    }
}

/// At most 32 bytes of `[0-9a-zA-Z_-]`; an empty one is an error, not an absent one.
pub(super) fn read_msgid(request: &Value) -> Result<Option<&str>, Refusal> {
    let Some(msgid) = request.get("msgid") else {
        return Ok(None);
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    msgid
        .as_str()
        .filter(|msgid| !msgid.is_empty() && msgid.len() <= MSGID_BYTES_MAX && msgid.bytes().all(allowed))
        .map(Some)
        .ok_or_else(|| Refusal::parameter("msgid is not 1 to 32 bytes of [0-9a-zA-Z_-]"))
}
