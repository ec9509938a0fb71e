//! One customer and one account: session state, window, budget, and the lines the customer sees.

use std::collections::VecDeque;

use serde::Serialize;

use super::{Refusal, World, WorldError};

/// Messages we may send per customer message (doc 96427).
pub const BUDGET: u32 = 5;
/// How long after a customer's message we may send (doc 96427).
pub const WINDOW_MS: i64 = 48 * 3_600_000;
/// Lines kept per conversation; older ones leave the customer's screen.
const LINES_MAX: usize = 200;

/// `service_state` (doc 94698).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// 0: the customer has just written.
    Unhandled,
    /// 1: answered by API.
    Assistant,
    /// 2: waits for an agent.
    Pool,
    /// 3: with an agent.
    Human,
    /// 4: ended, or not begun.
    #[default]
    Ended,
}

#[derive(Debug, Default)]
pub struct Conversation {
    pub state: State,
    pub servicer: Option<String>,
    /// The customer's last message: opens the 48 hours and refills the budget.
    pub last_message_ms: Option<i64>,
    /// Sends since then.
    pub sent: u32,
    pub(super) welcomed_ms: Option<i64>,
    pub(super) card_ms: Option<i64>,
    lines: VecDeque<Line>,
    lines_total: u64,
}

/// One line on the customer's screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// From 1.
    pub number: u64,
    pub speaker: Speaker,
    pub text: String,
    pub at_ms: i64,
    pub msgid: String,
    pub recalled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    Customer,
    /// Sent through the API.
    Reply,
    Servicer,
    /// A note that WeChat shows between the lines.
    System,
}

/// What a customer's screen shows.
#[derive(Clone, Debug, Serialize)]
pub struct Chat {
    pub customer: String,
    pub nickname: String,
    pub account: String,
    pub state: u8,
    pub servicer: Option<String>,
    /// Sends the API still has for the customer's last message.
    pub budget_left: u32,
    /// The customer's last message; without one nothing may be sent, and nothing has gone wrong.
    pub last_message_ms: Option<i64>,
    /// Until the 48 hours end.
    pub window_left_ms: i64,
    pub lines: Vec<Line>,
    pub lines_total: u64,
}

impl State {
    pub fn number(self) -> u8 {
        match self {
            State::Unhandled => 0,
            State::Assistant => 1,
            State::Pool => 2,
            State::Human => 3,
            State::Ended => 4,
        }
    }

    pub fn parse(number: i64) -> Option<State> {
        [
            State::Unhandled,
            State::Assistant,
            State::Pool,
            State::Human,
            State::Ended,
        ]
        .into_iter()
        .find(|state| i64::from(state.number()) == number)
    }
}

impl Conversation {
    /// Whether the API may send: state 0 or 1, then 48 hours, then five messages.
    pub fn may_send(&self, now: i64) -> Result<(), Refusal> {
        if !matches!(self.state, State::Unhandled | State::Assistant) {
            return Err(Refusal::new(95_018, "send msg session status invalid"));
        }
        if self.window_left_ms(now) == 0 {
            return Err(Refusal::new(95_002, "send msg time limit"));
        }
        if BUDGET <= self.sent {
            return Err(Refusal::new(95_001, "send msg count limit"));
        }
        Ok(())
    }

    fn window_left_ms(&self, now: i64) -> i64 {
        self.last_message_ms.map_or(0, |at| (at + WINDOW_MS - now).max(0))
    }

    pub(super) fn add_line(&mut self, speaker: Speaker, text: String, msgid: &str, now: i64) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines_total += 1;
        self.lines.push_back(Line {
            number: self.lines_total,
            speaker,
            text,
            at_ms: now,
            msgid: msgid.to_owned(),
            recalled: false,
        });
    }

    /// Removes a reply that did not arrive after all.
    pub(super) fn take_line(&mut self, msgid: &str) -> Option<Line> {
        let is_it = |line: &Line| line.speaker == Speaker::Reply && line.msgid == msgid;
        let place = self.lines.iter().position(is_it)?;
        self.lines.remove(place)
    }

    /// The line of a message that is still on the screen.
    pub(super) fn line_mut(&mut self, msgid: &str) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.msgid == msgid)
    }
}

impl World {
    /// The customer's screen: lines after number `after`, which is 0 for all.
    pub fn chat(
        &self,
        open_kfid: Option<&str>,
        customer: &str,
        after: u64,
        now: i64,
    ) -> Result<Chat, WorldError> {
        let account = &self.accounts[self.account_named(open_kfid)?];
        let known = self.customers.get(customer);
        let known = known.ok_or_else(|| WorldError::UnknownCustomer(customer.to_owned()))?;
        let nothing = Conversation::default();
        let conversation = account.conversations.get(customer).unwrap_or(&nothing);
        let lines = conversation
            .lines
            .iter()
            .filter(|line| after < line.number)
            .cloned()
            .collect();
        let window_left_ms = conversation.window_left_ms(now);
        let budget_left = if window_left_ms == 0 {
            0
        } else {
            BUDGET.saturating_sub(conversation.sent)
        };
        Ok(Chat {
            customer: customer.to_owned(),
            nickname: known.nickname.clone(),
            account: account.open_kfid.clone(),
            state: conversation.state.number(),
            servicer: conversation.servicer.clone(),
            budget_left,
            last_message_ms: conversation.last_message_ms,
            window_left_ms,
            lines,
            lines_total: conversation.lines_total,
        })
    }
}
