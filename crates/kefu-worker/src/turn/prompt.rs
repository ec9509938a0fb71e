//! What a model is shown of a conversation, and what becomes of messages that its server refuses.

use kefu_domain::MessageId;
use kefu_model::{Line, Model, ModelError, Role, Unfit, tokens};
use kefu_store::{HistoryLine, OwedMessage, Speaker, Turn};

use super::{now, owed_ids, still_ours};
use crate::context::Context;
use crate::outcome::Fault;
use crate::translate::placeholder;

/// Takes no more messages together than the model is shown: what is answered is what was read.
pub(super) fn fit(turn: &mut Turn, tokens_max: usize) {
    let mut spent = 0;
    let fitting = turn.owed.iter().take_while(|message| {
        spent += tokens(shown(&message.msgtype, message.text.as_deref()));
        spent <= tokens_max
    });
    let count = fitting.count().max(1);
    if count < turn.owed.len() {
        turn.owed.truncate(count);
        turn.owed_more = true;
    }
}

/// Asks the model once for all that is owed, and keeps what its server refuses out of later prompts.
pub(super) async fn ask(
    context: &Context,
    model: &Model,
    turn: &Turn,
) -> Result<Result<String, ModelError>, Fault> {
    let history: Vec<Line> = turn.history.iter().map(of_history).collect();
    let owed: Vec<Line> = turn.owed.iter().map(of_owed).collect();
    let asked = model.ask(&history, &owed, now()).await;
    let unfit: Vec<MessageId> = match asked.unfit {
        Unfit::Nothing => return Ok(asked.answer),
        Unfit::History => turn.history.iter().filter_map(|line| line.id.clone()).collect(),
        Unfit::Owed => owed_ids(turn),
    };
    still_ours(context.store.set_unfit(&turn.lease, &unfit).await?)?;
    Ok(asked.answer)
}

fn of_history(line: &HistoryLine) -> Line {
    Line {
        role: match line.who {
            Speaker::Customer => Role::User,
            Speaker::Us | Speaker::Servicer => Role::Assistant,
        },
        content: shown(&line.msgtype, line.text.as_deref()).to_owned(),
    }
}

fn of_owed(message: &OwedMessage) -> Line {
    Line {
        role: Role::User,
        content: shown(&message.msgtype, message.text.as_deref()).to_owned(),
    }
}

fn shown<'t>(msgtype: &str, text: Option<&'t str>) -> &'t str {
    text.unwrap_or_else(|| placeholder(msgtype))
}
