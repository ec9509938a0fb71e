//! Event codes and `kf/send_msg_on_event` (doc 96428).

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::conversation::{Speaker, State};
use super::{Accepted, Refusal, World, body, send};

/// The welcome and the goodbye work this long after their event.
pub const WELCOME_CODE_MS: i64 = 20_000;
/// The codes of the pool and of a session taken from it.
pub const PICKED_CODE_MS: i64 = 48 * 3_600_000;
/// Codes remembered; the oldest go first.
const CODES_MAX: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeKind {
    Welcome,
    /// Put into the pool; works while the session is there.
    Pool,
    /// Taken by an agent; works while the session is with one.
    Picked,
    Ended,
}

#[derive(Clone, Debug)]
struct Code {
    kind: CodeKind,
    account: usize,
    customer: String,
    expires_ms: i64,
}

/// Codes that are still to be used.
#[derive(Debug, Default)]
pub(super) struct Codes {
    open: HashMap<String, Code>,
    order: VecDeque<String>,
}

impl CodeKind {
    fn life_ms(self) -> i64 {
        match self {
            CodeKind::Welcome | CodeKind::Ended => WELCOME_CODE_MS,
            CodeKind::Pool | CodeKind::Picked => PICKED_CODE_MS,
        }
    }

    fn allowed(self) -> &'static [&'static str] {
        match self {
            CodeKind::Welcome | CodeKind::Ended => &["text", "msgmenu"],
            CodeKind::Pool | CodeKind::Picked => &["text"],
        }
    }

    /// The state a code is bound to; the welcome is bound to none.
    fn state(self) -> Option<State> {
        match self {
            CodeKind::Welcome => None,
            CodeKind::Pool => Some(State::Pool),
            CodeKind::Picked => Some(State::Human),
            CodeKind::Ended => Some(State::Ended),
        }
    }
}

impl World {
    pub(super) fn issue_code(&mut self, kind: CodeKind, account: usize, customer: &str, now: i64) -> String {
        let text = self.chance.text(43);
        let code = Code {
            kind,
            account,
            customer: customer.to_owned(),
            expires_ms: now + kind.life_ms(),
        };
        if self.codes.order.len() == CODES_MAX
            && let Some(oldest) = self.codes.order.pop_front()
        {
            self.codes.open.remove(&oldest);
        }
        self.codes.order.push_back(text.clone());
        self.codes.open.insert(text.clone(), code);
        text
    }

    /// `kf/send_msg_on_event`: one use per code, and only in time. Checked in this order: code, time,
    /// session state, `msgtype`, body, `msgid`.
    pub fn send_on_event(&mut self, request: &Value, now: i64) -> Result<Accepted, Refusal> {
        let outcome = self.try_send_on_event(request, now);
        self.tally.sent(&outcome);
        outcome
    }

    fn try_send_on_event(&mut self, request: &Value, now: i64) -> Result<Accepted, Refusal> {
        let text = body::field(request, "code")?;
        // WeCom does not document what it answers here.
        let used = || Refusal::new(40_029, "invalid code");
        let code = self.codes.open.get(text).cloned().ok_or_else(used)?;
        if code.expires_ms <= now {
            self.codes.open.remove(text);
            return Err(used());
        }
        let conversation = self.conversation_mut(code.account, &code.customer);
        if code.kind.state().is_some_and(|state| state != conversation.state) {
            return Err(Refusal::new(95_018, "send msg session status invalid"));
        }
        let msgtype = body::check_type(request, Some(code.kind.allowed()))?;
        let shown = body::check(msgtype, request, &self.media, now)?;
        let msgid = send::read_msgid(request)?;
        if msgid.is_some_and(|msgid| self.accounts[code.account].msgids.contains(msgid)) {
            return Err(self.repeated());
        }
        let msgid = self.register(code.account, msgid);
        self.codes.open.remove(text);
        if code.kind == CodeKind::Welcome {
            self.conversation_mut(code.account, &code.customer).welcomed_ms = Some(now);
            self.tally.welcomes += 1;
        }
        self.show(code.account, &code.customer, Speaker::Reply, shown, &msgid, now);
        Ok(Accepted { msgid, notice: None })
    }
}
