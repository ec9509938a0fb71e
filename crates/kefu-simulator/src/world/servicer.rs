//! What agents do in the WeCom client; each act shows in the stream (docs 94670, 94699).

use serde::Deserialize;
use serde_json::json;

use super::code::CodeKind;
use super::conversation::{Speaker, State};
use super::{Arrival, World, WorldError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Servicer {
    Receiving,
    Stopped,
}

/// One act of an agent on one conversation.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum ServicerAct {
    /// Takes the session, from the pool, from another agent, or again after its end.
    Take,
    Reply {
        text: String,
    },
    /// Ends it, which hands the customer back: the next message begins at state 0.
    End,
    /// Takes an own message back.
    Recall {
        msgid: String,
    },
}

impl World {
    pub fn servicer_act(
        &mut self,
        open_kfid: Option<&str>,
        customer: &str,
        servicer: &str,
        act: &ServicerAct,
        now: i64,
    ) -> Result<Arrival, WorldError> {
        let account = self.account_named(open_kfid)?;
        if !self.customers.contains_key(customer) {
            return Err(WorldError::UnknownCustomer(customer.to_owned()));
        }
        if !self.servicers.contains_key(servicer) {
            return Err(WorldError::UnknownServicer(servicer.to_owned()));
        }
        match act {
            ServicerAct::Take => Ok(self.take(account, customer, servicer, now)),
            ServicerAct::Reply { text } => Ok(self.type_reply(account, customer, servicer, text, now)),
            ServicerAct::End => self.end(account, customer, servicer, now),
            ServicerAct::Recall { msgid } => {
                let line = self.conversation_mut(account, customer).line_mut(msgid);
                let line = line.filter(|line| line.speaker == Speaker::Servicer);
                line.ok_or_else(|| WorldError::UnknownMessage(msgid.clone()))?
                    .recalled = true;
                let event = json!({
                    "event_type": "servicer_recall_msg",
                    "recall_msgid": msgid,
                    "servicer_userid": servicer,
                });
                Ok(self.append_event(account, customer, event, now))
            }
        }
    }

    /// An agent begins or stops receiving.
    pub fn set_servicer(
        &mut self,
        servicer: &str,
        status: Servicer,
        now: i64,
    ) -> Result<Vec<Arrival>, WorldError> {
        let known = self.servicers.get_mut(servicer);
        *known.ok_or_else(|| WorldError::UnknownServicer(servicer.to_owned()))? = status;
        // The numbers of the event differ from those of `kf/servicer/list`.
        let number = if status == Servicer::Receiving { 1 } else { 2 };
        let event = json!({
            "event_type": "servicer_status_change",
            "servicer_userid": servicer,
            "status": number,
            "stop_type": 0,
        });
        Ok((0..self.accounts.len())
            .map(|account| self.append_event(account, "", event.clone(), now))
            .collect())
    }

    fn take(&mut self, account: usize, customer: &str, servicer: &str, now: i64) -> Arrival {
        let conversation = self.conversation_mut(account, customer);
        let old = conversation.servicer.replace(servicer.to_owned());
        let from = std::mem::replace(&mut conversation.state, State::Human);
        conversation.add_line(Speaker::System, format!("客服 {servicer} 已接入"), "", now);
        let change_type = match from {
            State::Human => 2,
            State::Ended => 4,
            State::Unhandled | State::Assistant | State::Pool => 1,
        };
        let mut event = json!({
            "event_type": "session_status_change",
            "change_type": change_type,
            "new_servicer_userid": servicer,
        });
        if let Some(old) = old {
            event["old_servicer_userid"] = json!(old);
        }
        if change_type == 1 {
            event["msg_code"] = json!(self.issue_code(CodeKind::Picked, account, customer, now));
        }
        self.append_event(account, customer, event, now)
    }

    /// Typed in the client: in the stream with origin 5. Who types into an ended session takes it again.
    fn type_reply(
        &mut self,
        account: usize,
        customer: &str,
        servicer: &str,
        text: &str,
        now: i64,
    ) -> Arrival {
        if self.conversation_mut(account, customer).state != State::Human {
            self.take(account, customer, servicer, now);
        }
        let msgid = self.inbound_msgid();
        self.conversation_mut(account, customer)
            .add_line(Speaker::Servicer, text.to_owned(), &msgid, now);
        let message = json!({
            "msgid": msgid,
            "open_kfid": self.accounts[account].open_kfid,
            "external_userid": customer,
            "send_time": now / 1_000,
            "origin": 5,
            "servicer_userid": servicer,
            "msgtype": "text",
            "text": { "content": text },
        });
        let notice = self.append(account, &message, now);
        Arrival { msgid, notice }
    }

    fn end(
        &mut self,
        account: usize,
        customer: &str,
        servicer: &str,
        now: i64,
    ) -> Result<Arrival, WorldError> {
        let conversation = self.conversation_mut(account, customer);
        if conversation.state != State::Human {
            return Err(WorldError::NotWithServicer);
        }
        conversation.state = State::Ended;
        conversation.servicer = None;
        conversation.add_line(Speaker::System, "会话已结束".to_owned(), "", now);
        let code = self.issue_code(CodeKind::Ended, account, customer, now);
        let event = json!({
            "event_type": "session_status_change",
            "change_type": 3,
            "old_servicer_userid": servicer,
            "msg_code": code,
        });
        Ok(self.append_event(account, customer, event, now))
    }
}
