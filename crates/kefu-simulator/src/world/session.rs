//! `kf/service_state/get` and `/trans` (doc 94698).

use super::code::CodeKind;
use super::conversation::{Speaker, State};
use super::{Refusal, Servicer, World};

impl World {
    /// The state, and the agent when the session is with one.
    pub fn service_state(
        &mut self,
        open_kfid: &str,
        customer: &str,
    ) -> Result<(State, Option<String>), Refusal> {
        let account = self.account_at(open_kfid)?;
        let conversation = self.conversation_at(account, customer)?;
        Ok((conversation.state, conversation.servicer.clone()))
    }

    /// Moves the session; the answer may carry a code for `send_msg_on_event`.
    pub fn transfer(
        &mut self,
        open_kfid: &str,
        customer: &str,
        target: i64,
        servicer: Option<&str>,
        now: i64,
    ) -> Result<Option<String>, Refusal> {
        let account = self.account_at(open_kfid)?;
        let conversation = self.conversation_at(account, customer)?;
        let (from, holder) = (conversation.state, conversation.servicer.clone());
        let target = State::parse(target).ok_or_else(|| Refusal::parameter("service_state is not 0 to 4"))?;
        if !allowed(from, target) {
            return Err(Refusal::new(95_016, "not allow to change service state"));
        }
        let servicer = match target {
            State::Human => Some(self.receiving_servicer(servicer, holder.as_deref())?),
            _ => None,
        };
        let note = match (target, &servicer) {
            (State::Pool, _) => Some("已转入人工客服排队".to_owned()),
            (State::Human, Some(servicer)) => Some(format!("客服 {servicer} 已接入")),
            (State::Ended, _) => Some("会话已结束".to_owned()),
            _ => None,
        };
        let conversation = self.conversation_mut(account, customer);
        conversation.state = target;
        conversation.servicer = servicer;
        if let Some(note) = note {
            conversation.add_line(Speaker::System, note, "", now);
        }
        let kind = match target {
            State::Pool => CodeKind::Pool,
            State::Human => CodeKind::Picked,
            State::Ended => CodeKind::Ended,
            State::Unhandled | State::Assistant => return Ok(None),
        };
        Ok(Some(self.issue_code(kind, account, customer, now)))
    }

    /// The agent must be on the list (95014), must be receiving (95019), and must be another one (95016).
    fn receiving_servicer(&self, servicer: Option<&str>, holder: Option<&str>) -> Result<String, Refusal> {
        let servicer = servicer
            .filter(|id| !id.is_empty())
            .ok_or_else(|| Refusal::parameter("servicer_userid is missing"))?;
        match self.servicers.get(servicer) {
            None => Err(Refusal::new(95_014, "user is not servicer")),
            Some(Servicer::Stopped) => Err(Refusal::new(95_019, "servicer is not receiving")),
            Some(Servicer::Receiving) if holder == Some(servicer) => {
                Err(Refusal::new(95_016, "not allow to change service state"))
            }
            Some(Servicer::Receiving) => Ok(servicer.to_owned()),
        }
    }
}

/// The table of doc 94698. "1 to 4" stands only in other texts and is allowed here, as the server would decide.
fn allowed(from: State, target: State) -> bool {
    match from {
        State::Unhandled => matches!(target, State::Assistant | State::Pool | State::Human),
        State::Assistant => matches!(target, State::Pool | State::Human | State::Ended),
        State::Pool => target == State::Human,
        State::Human => matches!(target, State::Human | State::Ended),
        State::Ended => false,
    }
}
