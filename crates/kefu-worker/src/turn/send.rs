//! Sending one part: marked first, then called, then settled.

use backon::BackoffBuilder;
use kefu_domain::{CallEnd, Handled, PartNote, PartStatus};
use kefu_outbound::{Api, App, is_brief, is_spent, waits};
use kefu_process::crash::crash_point;
use kefu_store::{ConversationLease, Part, PartOutcome, Settled};
use kefu_wecom::client::SendMessage;
use kefu_wecom::{ApiError, ErrorClass, OutboundBody};
use metrics::counter;
use tracing::{debug, error, info, warn};

use super::session::{self, MaySend};
use super::still_ours;
use crate::context::Context;
use crate::outcome::Fault;

/// What follows a part that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The next part may follow.
    Out,
    /// It was out before, and with it the whole reply.
    OutBefore,
    /// No further part of its reply goes out now.
    ReplyOver,
}

impl Sent {
    pub(super) fn is_out(self) -> bool {
        matches!(self, Sent::Out | Sent::OutBefore)
    }
}

/// One call, with its part and what is known of earlier calls.
struct Sending<'a> {
    context: &'a Context,
    app: &'a App,
    lease: &'a ConversationLease,
    part: &'a Part,
    /// An earlier call may have gone through: "msgid already used" then means sent.
    ambiguous: bool,
}

/// Sends a part. An error leaves it open: it is sent again later, under the same msgid while its outcome is unknown.
pub(super) async fn send(
    context: &Context,
    app: &App,
    lease: &ConversationLease,
    part: &Part,
) -> Result<Sent, Fault> {
    // Before the mark: a part that is not called must not look as if it may have gone out.
    let mut permit = context.outbound.permit(app, Api::Send).await?;
    if !context.store.mark_sending(lease, &part.msgid).await? {
        permit.give_back().await;
        // The lease is lost, or the part was settled meanwhile, say by a report: the next look at the row tells.
        return Ok(Sent::ReplyOver);
    }
    crash_point("part_marked");
    let ambiguous = part.ambiguous || part.status == PartStatus::Sending;
    let mut sending = Sending {
        context,
        app,
        lease,
        part,
        ambiguous,
    };
    let message = SendMessage {
        touser: lease.key.customer.as_str().to_owned(),
        open_kfid: lease.key.account.as_str().to_owned(),
        msgid: Some(part.msgid.clone()),
        body: OutboundBody::text(&part.text),
    };
    let mut waits = waits().build();
    loop {
        let outcome = context.outbound.wecom().send_msg(&app.name, &message).await;
        crash_point("part_called");
        let limited = permit.tell(&outcome).await;
        let error = match outcome {
            Ok(_) => {
                debug!(part.msgid, "sent part {}", part.msgid);
                return sending.note(CallEnd::Accepted, None, Handled::Answered).await;
            }
            Err(error) => error,
        };
        if error.is_msgid_repeated(&context.repeated_codes, sending.ambiguous) {
            return sending.note(CallEnd::MsgidUsed, None, Handled::Answered).await;
        }
        sending.ambiguous |= error.is_ambiguous();
        if let Err(wait) = limited {
            sending.keep(&error).await?;
            return Err(wait.into());
        }
        match waits.next() {
            Some(wait) if is_brief(&error) => tokio::time::sleep(wait).await,
            _ => return sending.refused(error).await,
        }
        permit = match context.outbound.permit(app, Api::Send).await {
            Ok(permit) => permit,
            Err(wait) => {
                sending.keep(&error).await?;
                return Err(wait.into());
            }
        };
    }
}

impl Sending<'_> {
    async fn settle(&self, outcome: PartOutcome, word: &'static str, then: Sent) -> Result<Sent, Fault> {
        let settled = self
            .context
            .store
            .settle_part(self.lease, &self.part.msgid, &outcome)
            .await?;
        still_ours(settled != Settled::LeaseLost)?;
        crash_point("part_settled");
        if settled == Settled::Noted {
            counter!("kefu_parts_total", "outcome" => word).increment(1);
            if matches!(outcome, PartOutcome::SaidBefore) {
                error!(
                    "msgid used before its first call: was the database restored from a backup? reply taken as said"
                );
            }
        }
        Ok(then)
    }

    /// Notes on the part what a call says about it; `handled` is what its messages become should it have failed.
    async fn note(&self, end: CallEnd, refusal: Option<&ApiError>, handled: Handled) -> Result<Sent, Fault> {
        let error = refusal.map(ApiError::to_string).unwrap_or_default();
        let code = refusal.and_then(ApiError::code);
        let (outcome, word, then) = match end.note(self.ambiguous) {
            PartNote::Sent => {
                if end == CallEnd::MsgidUsed {
                    info!("part had gone out before: its msgid is used");
                }
                (PartOutcome::Sent, "sent", Sent::Out)
            }
            PartNote::SaidBefore => (PartOutcome::SaidBefore, "said_before", Sent::OutBefore),
            PartNote::Ambiguous => (PartOutcome::Ambiguous { error }, "ambiguous", Sent::ReplyOver),
            PartNote::PlanAgain => {
                let (store, msgid) = (&self.context.store, &self.part.msgid);
                store.replan_part(self.lease, msgid, &error).await?;
                return Ok(Sent::ReplyOver);
            }
            PartNote::Unknown => (PartOutcome::Unknown { error }, "unknown", Sent::ReplyOver),
            PartNote::Failed => (
                PartOutcome::Failed { code, error, handled },
                "failed",
                Sent::ReplyOver,
            ),
        };
        self.settle(outcome, word, then).await
    }

    /// The call did not go through, or nobody knows. Decides whether the part is tried again.
    async fn refused(&self, error: ApiError) -> Result<Sent, Fault> {
        match error.class() {
            // A rate limit was told already, and waited for.
            ErrorClass::Busy | ErrorClass::Network | ErrorClass::Ambiguous | ErrorClass::Rate => {
                self.keep(&error).await?;
                Err(Fault::of_wecom(self.app, error))
            }
            // A person can mend these; until then the answer is still wanted.
            ErrorClass::Token | ErrorClass::Configuration => {
                error!(error = &error as &dyn std::error::Error, "part not sent: {error}");
                self.keep(&error).await?;
                Err(Fault::of_call(error))
            }
            ErrorClass::State => match session::check(self.context, self.app, &self.lease.key).await {
                Ok(MaySend::No { handled, .. }) => self.fail(error, handled).await,
                // The state allows it and WeCom does not: also said of sessions older than 48 h (doc 94698).
                Ok(MaySend::Yes) => self.fail(error, Handled::Expired).await,
                // Left in `sending` the refused call would count as one that may have gone through.
                Err(fault) => {
                    self.keep(&error).await?;
                    Err(fault)
                }
            },
            ErrorClass::Quota if !is_spent(&error) => self.fail(error, Handled::Expired).await,
            ErrorClass::Quota | ErrorClass::Permanent => self.fail(error, Handled::Failed).await,
        }
    }

    /// Keeps the part for later.
    async fn keep(&self, error: &ApiError) -> Result<(), Fault> {
        self.note(CallEnd::Later, Some(error), Handled::Failed)
            .await
            .map(drop)
    }

    /// Refused for good. If an earlier call may have gone through, nobody will ever know.
    async fn fail(&self, error: ApiError, handled: Handled) -> Result<Sent, Fault> {
        warn!(
            error = &error as &dyn std::error::Error,
            "part refused for good: {error}"
        );
        self.note(CallEnd::Never, Some(&error), handled).await
    }
}
