//! What customers do: write, enter, take a message back.

use serde_json::{Value, json};

use super::code::CodeKind;
use super::conversation::{Conversation, Speaker, State, WINDOW_MS};
use super::{CUSTOMERS_MAX, Customer, Notice, World, WorldError, body};

/// One message of a customer: `msgtype` and the object of that name.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub msgtype: String,
    pub body: Value,
}

/// What a customer's act led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub msgid: String,
    pub notice: Notice,
}

impl Incoming {
    pub fn text(content: impl Into<String>) -> Incoming {
        Incoming {
            msgtype: "text".to_owned(),
            body: json!({ "content": content.into() }),
        }
    }
}

impl World {
    /// Makes the customer known; `nickname` is kept from the first time on unless it is given again.
    pub fn meet(&mut self, customer: &str, nickname: Option<&str>) -> Result<(), WorldError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if customer.is_empty() || 64 < customer.len() || !customer.bytes().all(allowed) {
            return Err(WorldError::InvalidCustomerId);
        }
        if let Some(known) = self.customers.get_mut(customer) {
            if let Some(nickname) = nickname {
                known.nickname = nickname.chars().take(32).collect();
            }
            return Ok(());
        }
        if CUSTOMERS_MAX <= self.customers.len() {
            return Err(WorldError::TooManyCustomers);
        }
        let nickname = nickname.unwrap_or(customer).chars().take(32).collect();
        self.customers.insert(
            customer.to_owned(),
            Customer {
                nickname,
                last_message_ms: None,
            },
        );
        Ok(())
    }

    /// A message: opens the window, refills the budget, begins a session where there is none.
    pub fn customer_message(
        &mut self,
        open_kfid: Option<&str>,
        customer: &str,
        incoming: &Incoming,
        now: i64,
    ) -> Result<Arrival, WorldError> {
        let account = self.account_named(open_kfid)?;
        self.meet(customer, None)?;
        let msgid = self.inbound_msgid();
        let text = incoming.body.get("content").and_then(Value::as_str);
        self.tally.messages += 1;
        if let Some(text) = text {
            self.tally.asked(account, customer, text, now);
        }
        if let Some(known) = self.customers.get_mut(customer) {
            known.last_message_ms = Some(now);
        }
        let conversation = self.conversation_mut(account, customer);
        conversation.last_message_ms = Some(now);
        conversation.sent = 0;
        if conversation.state == State::Ended {
            conversation.state = State::Unhandled;
        }
        let shown = text.map_or_else(
            || format!("[{}]", body::name_of(&incoming.msgtype)),
            str::to_owned,
        );
        conversation.add_line(Speaker::Customer, shown, &msgid, now);
        let mut message = json!({
            "msgid": msgid,
            "open_kfid": self.accounts[account].open_kfid,
            "external_userid": customer,
            "send_time": now / 1_000,
            "origin": 3,
            "msgtype": incoming.msgtype,
        });
        message[&incoming.msgtype] = incoming.body.clone();
        let notice = self.append(account, &message, now);
        Ok(Arrival { msgid, notice })
    }

    /// The customer opens the chat. A welcome code comes along only when there was no welcome within 48 hours
    /// and the customer has not written (doc 96428).
    pub fn enter_session(
        &mut self,
        open_kfid: Option<&str>,
        customer: &str,
        scene: &str,
        scene_param: &str,
        now: i64,
    ) -> Result<(Arrival, Option<String>), WorldError> {
        let account = self.account_named(open_kfid)?;
        self.meet(customer, None)?;
        let conversation = self.conversation_mut(account, customer);
        let recent = |at: Option<i64>| at.is_some_and(|at| now < at + WINDOW_MS);
        let welcome = !recent(conversation.welcomed_ms) && !recent(conversation.last_message_ms);
        let code = welcome.then(|| self.issue_code(CodeKind::Welcome, account, customer, now));
        let mut event = json!({
            "event_type": "enter_session",
            "scene": scene,
            "scene_param": scene_param,
        });
        if let Some(code) = &code {
            event["welcome_code"] = json!(code);
        }
        let arrival = self.append_event(account, customer, event, now);
        Ok((arrival, code))
    }

    /// The customer takes a message back.
    pub fn recall(
        &mut self,
        open_kfid: Option<&str>,
        customer: &str,
        msgid: &str,
        now: i64,
    ) -> Result<Arrival, WorldError> {
        let account = self.account_named(open_kfid)?;
        let line = self.conversation_mut(account, customer).line_mut(msgid);
        let line = line.filter(|line| line.speaker == Speaker::Customer);
        line.ok_or_else(|| WorldError::UnknownMessage(msgid.to_owned()))?
            .recalled = true;
        let event = json!({ "event_type": "user_recall_msg", "recall_msgid": msgid });
        Ok(self.append_event(account, customer, event, now))
    }

    /// WeCom reports later that an accepted message did not arrive (doc 94699): its line disappears again.
    pub fn fail_delivery(
        &mut self,
        open_kfid: Option<&str>,
        customer: &str,
        msgid: &str,
        fail_type: i32,
        now: i64,
    ) -> Result<Arrival, WorldError> {
        let account = self.account_named(open_kfid)?;
        let line = self.conversation_mut(account, customer).take_line(msgid);
        let line = line.ok_or_else(|| WorldError::UnknownMessage(msgid.to_owned()))?;
        self.tally.hidden(account, customer, &line.text);
        let event = json!({ "event_type": "msg_send_fail", "fail_msgid": msgid, "fail_type": fail_type });
        Ok(self.append_event(account, customer, event, now))
    }

    /// Adds an event; account and customer stand inside `event`, as in real pages.
    pub(super) fn append_event(
        &mut self,
        account: usize,
        customer: &str,
        mut event: Value,
        now: i64,
    ) -> Arrival {
        let msgid = self.inbound_msgid();
        event["open_kfid"] = json!(self.accounts[account].open_kfid);
        if !customer.is_empty() {
            event["external_userid"] = json!(customer);
        }
        let message = json!({
            "msgid": msgid,
            "send_time": now / 1_000,
            "origin": 4,
            "msgtype": "event",
            "event": event,
        });
        let notice = self.append(account, &message, now);
        Arrival { msgid, notice }
    }

    pub(super) fn conversation_mut(&mut self, account: usize, customer: &str) -> &mut Conversation {
        self.accounts[account]
            .conversations
            .entry(customer.to_owned())
            .or_default()
    }
}
