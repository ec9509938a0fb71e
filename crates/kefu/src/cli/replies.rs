use std::fmt;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use kefu_domain::Millis;
use kefu_store::ReplyPlace;

use super::ListArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum RepliesCommand {
    /// List parts of replies, newest first: those of which nobody knows whether they were seen
    List(ListRepliesArgs),
    /// Say what became of an unknown part, or have it sent again
    Resolve(ResolveReplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListRepliesArgs {
    /// Which parts
    #[arg(long, value_enum, default_value_t = ReplyStatus::Unknown)]
    pub(crate) status: ReplyStatus,
    /// Account (open_kfid) that said it
    #[arg(long, value_name = "OPEN_KFID")]
    pub(crate) account: Option<String>,
    /// Customer (external_userid) it was said to
    #[arg(long, value_name = "EXTERNAL_USERID")]
    pub(crate) customer: Option<String>,
    /// Behind this place: the next page, as the one before says
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<Place>,
    /// Also what was said to the customer
    #[arg(long)]
    pub(crate) text: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplyStatus {
    /// Nobody knows whether they were seen
    Unknown,
    /// Refused for good, or reported as not delivered
    Failed,
    /// Planned, or on their way
    Open,
}

#[derive(Debug, Args)]
pub(crate) struct ResolveReplyArgs {
    /// As listed by `kefu replies list`
    pub(crate) msgid: String,
    /// What is true, or what shall be done
    #[arg(long = "as", value_enum)]
    pub(crate) resolution: ResolveAs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResolveAs {
    /// The customer has it
    Sent,
    /// The customer never got it; what it answered counts as failed
    Failed,
    /// The customer never got it and shall: the same text again, with the parts that were dropped after it
    Resend,
}

/// Where a part stands in a list, as one word: `<time in ms>:<reply>:<part>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) ReplyPlace);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place(ReplyPlace { at, reply_id, part }) = self;
        write!(f, "{}:{reply_id}:{part}", at.0)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let place = || {
            let (at, rest) = text.split_once(':')?;
            let (reply_id, part) = rest.rsplit_once(':')?;
            let reply_id = Some(reply_id.to_owned()).filter(|id| !id.is_empty())?;
            let (at, part) = (Millis(at.parse().ok()?), part.parse().ok()?);
            Some(Place(ReplyPlace { at, reply_id, part }))
        };
        place().ok_or_else(|| "expected the word behind `more: --after` of the page before".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_is_written() {
        for reply_id in ["r1", "a:b", "客"] {
            let place = Place(ReplyPlace {
                at: Millis(1_700_000_000_123),
                reply_id: reply_id.to_owned(),
                part: 2,
            });
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "1", "1:2", "1::2", "x:r:1", "1:r:x", "1:r:-1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
