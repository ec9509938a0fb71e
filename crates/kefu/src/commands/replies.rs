//! `kefu replies`: parts of replies of which nobody knows whether the customer saw them.
//!
//! What was said to a customer is shown only where `--text` asks for it.

use std::path::Path;

use kefu_process::{ExitError, clock};
use kefu_store::{ReplyFilter, ReplyQuery, ReplyRow, Resolution, Resolved, Store};
use serde_json::json;

use crate::cli::{ListRepliesArgs, Place, RepliesCommand, ReplyStatus, ResolveAs, ResolveReplyArgs};
use crate::commands::store::{explained, with_store};
use crate::output::{self, Table, local, printable};

pub(super) async fn run(config: Option<&Path>, command: &RepliesCommand) -> anyhow::Result<()> {
    with_store(config, "kefu-replies", async |store| match command {
        RepliesCommand::List(args) => list(store, args).await,
        RepliesCommand::Resolve(args) => resolve(store, args).await,
    })
    .await
}

async fn list(store: &Store, args: &ListRepliesArgs) -> anyhow::Result<()> {
    let filter = match args.status {
        ReplyStatus::Unknown => ReplyFilter::Unknown,
        ReplyStatus::Failed => ReplyFilter::Failed,
        ReplyStatus::Open => ReplyFilter::Open,
    };
    let query = ReplyQuery {
        account: args.account.as_deref(),
        customer: args.customer.as_deref(),
        after: args.after.as_ref().map(|Place(place)| place),
        ..ReplyQuery::from(filter)
    };
    let listed = store.replies(query, args.list.limit).await.map_err(explained)?;
    match args.list.json {
        true => listed
            .rows
            .iter()
            .try_for_each(|reply| output::json(&as_json(reply, args.text)))?,
        false => as_table(&listed.rows, filter, args.text).print(!args.list.no_header)?,
    }
    if listed.rows.is_empty() && !args.list.json {
        output::note("no replies match")?;
    }
    if let Some(more) = listed.more {
        output::more(Place(more))?;
    }
    Ok(())
}

fn as_table(replies: &[ReplyRow], filter: ReplyFilter, with_text: bool) -> Table {
    let at = match filter {
        ReplyFilter::Unknown | ReplyFilter::Failed => "SETTLED",
        ReplyFilter::Open => "PLANNED",
    };
    let mut table = Table::new([
        "MSGID", "STATUS", at, "ACCOUNT", "CUSTOMER", "PART", "ATTEMPTS", "ERROR",
    ]);
    for reply in replies {
        table.push([
            reply.msgid.clone(),
            reply.status.as_str().to_owned(),
            local(reply.listed_at(filter)),
            reply.key.account.to_string(),
            reply.key.customer.to_string(),
            format!("{} of {}", reply.part, reply.parts),
            reply.attempts.to_string(),
            printable(reply.error.as_deref().unwrap_or("-")).replace('\n', " "),
        ]);
        if with_text {
            let text = printable(&reply.text).replace('\n', "\n    ");
            table.push_below(format!("    {text}"));
        }
    }
    table
}

fn as_json(reply: &ReplyRow, with_text: bool) -> serde_json::Value {
    let time = |at: Option<kefu_domain::Millis>| at.map(|at| clock::rfc3339(at.0));
    let mut value = json!({
        "msgid": reply.msgid,
        "reply_id": reply.reply_id,
        "corp": reply.key.corp.as_str(),
        "account": reply.key.account.as_str(),
        "customer": reply.key.customer.as_str(),
        "purpose": reply.purpose.as_str(),
        "answers": reply.answers,
        "generation": reply.generation,
        "part": reply.part,
        "parts": reply.parts,
        "status": reply.status.as_str(),
        "attempts": reply.attempts,
        "planned_at": clock::rfc3339(reply.planned_at.0),
        "sending_at": time(reply.sending_at),
        "settled_at": time(reply.settled_at),
        "error_code": reply.error_code,
        "error": reply.error,
    });
    if with_text {
        value["text"] = reply.text.as_str().into();
    }
    value
}

async fn resolve(store: &Store, args: &ResolveReplyArgs) -> anyhow::Result<()> {
    let resolution = match args.resolution {
        ResolveAs::Sent => Resolution::Sent,
        ResolveAs::Failed => Resolution::Failed,
        ResolveAs::Resend => Resolution::Resend,
    };
    let msgid = args.msgid.as_str();
    let resolved = store.resolve_reply(msgid, resolution).await.map_err(explained)?;
    let planned = match resolved {
        Resolved::Settled => Vec::new(),
        Resolved::Planned(planned) => planned,
        Resolved::Missing => return no(format!("reply {msgid}: there is none")),
        Resolved::NotUnknown(status) => {
            return no(format!("reply {msgid}: it is {}, not unknown", status.as_str()));
        }
        Resolved::WindowClosed => {
            return no(format!(
                "reply {msgid}: the 48 h since the customer's last message are over, so nothing can be sent"
            ));
        }
    };
    let word = match args.resolution {
        ResolveAs::Sent => "sent",
        ResolveAs::Failed | ResolveAs::Resend => "failed",
    };
    if args.json {
        return output::json(&json!({ "msgid": msgid, "status": word, "planned": planned }));
    }
    output::line(format_args!("{msgid} is {word}"))?;
    for planned in planned {
        output::line(format_args!("{planned} is planned instead"))?;
    }
    Ok(())
}

fn no(line: String) -> anyhow::Result<()> {
    Err(ExitError::No(line).into())
}
