//! Sending one part: marked first, then called, then settled.

use backon::BackoffBuilder;
use kefu_domain::{Handled, PartStatus};
use kefu_store::{ConversationLease, Part, PartOutcome};
use kefu_wecom::client::SendMessage;
use kefu_wecom::codes::MESSAGES_SPENT;
use kefu_wecom::{ApiError, ErrorClass, OutboundBody};
use metrics::counter;
use tracing::{debug, error, info, warn};

use super::session::{self, MaySend};
use super::still_ours;
use crate::apps::App;
use crate::away;
use crate::calls::waits;
use crate::context::Context;
use crate::outcome::{Fault, is_brief};
use crate::pause::{self, Api};

/// What follows a part that was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Next,
    /// No further part of its reply goes out.
    ReplyOver,
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
    pause::check(context, &app.name, Api::Send).await?;
    // Before the mark as well: a part that is not called must not look as if it may have gone out.
    let mut permit = away::allow(app)?;
    if !context.store.mark_sending(lease, &part.msgid).await? {
        // The lease is lost, or the part was settled meanwhile, say by a report: the next look at the row tells.
        return Ok(Sent::ReplyOver);
    }
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
        let outcome = context.wecom.send_msg(&app.name, &message).await;
        away::tell(permit, &outcome);
        let error = match outcome {
            Ok(_) => {
                debug!(part.msgid, "sent part {}", part.msgid);
                return sending.settle(PartOutcome::Sent, "sent", Sent::Next).await;
            }
            Err(error) => error,
        };
        if error.is_msgid_repeated(&context.repeated_codes, sending.ambiguous) {
            return sending.said_already().await;
        }
        sending.ambiguous |= error.is_ambiguous();
        match waits.next() {
            Some(wait) if is_brief(&error) => tokio::time::sleep(wait).await,
            _ => return sending.refused(error).await,
        }
        permit = match app.breaker.allow() {
            Ok(permit) => permit,
            Err(_) => return sending.refused(error).await,
        };
    }
}

impl Sending<'_> {
    async fn settle(&self, outcome: PartOutcome, word: &'static str, then: Sent) -> Result<Sent, Fault> {
        still_ours(
            self.context
                .store
                .settle_part(self.lease, &self.part.msgid, &outcome)
                .await?,
        )?;
        counter!("kefu_parts_total", "outcome" => word).increment(1);
        Ok(then)
    }

    async fn said_already(&self) -> Result<Sent, Fault> {
        if self.ambiguous {
            info!("part had gone out before: its msgid is used");
            return self.settle(PartOutcome::Sent, "sent", Sent::Next).await;
        }
        // Never sent by this database, and yet used: an earlier life of it said the whole reply.
        error!(
            "msgid used before its first call: was the database restored from a backup? reply taken as said"
        );
        self.settle(PartOutcome::SaidBefore, "said_before", Sent::ReplyOver)
            .await
    }

    /// The call did not go through, or nobody knows. Decides whether the part is tried again.
    async fn refused(&self, error: ApiError) -> Result<Sent, Fault> {
        match error.class() {
            ErrorClass::Busy | ErrorClass::Network | ErrorClass::Ambiguous => {
                self.keep(&error).await?;
                Err(away::fault(self.app, error))
            }
            ErrorClass::Rate => {
                let fault = pause::start(self.context, &self.app.name, Api::Send).await;
                self.keep(&error).await?;
                Err(fault)
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
            ErrorClass::Quota if error.code() != Some(MESSAGES_SPENT) => {
                self.fail(error, Handled::Expired).await
            }
            ErrorClass::Quota | ErrorClass::Permanent => self.fail(error, Handled::Failed).await,
        }
    }

    /// Keeps the part for later. When it certainly did not go out it is planned again, so that a newer message or
    /// a person may still overtake it, under a new msgid: whether a refused call used the old one up is not
    /// documented.
    async fn keep(&self, error: &ApiError) -> Result<(), Fault> {
        if self.ambiguous {
            self.settle(
                PartOutcome::Ambiguous {
                    error: error.to_string(),
                },
                "ambiguous",
                Sent::Next,
            )
            .await?;
        } else {
            self.context
                .store
                .replan_part(self.lease, &self.part.msgid, &error.to_string())
                .await?;
        }
        Ok(())
    }

    /// Refused for good. If an earlier call may have gone through, nobody will ever know.
    async fn fail(&self, error: ApiError, handled: Handled) -> Result<Sent, Fault> {
        warn!(
            error = &error as &dyn std::error::Error,
            "part refused for good: {error}"
        );
        let (code, error) = (error.code(), error.to_string());
        match self.ambiguous {
            true => {
                self.settle(PartOutcome::Unknown { error }, "unknown", Sent::ReplyOver)
                    .await
            }
            false => {
                self.settle(
                    PartOutcome::Failed { code, error, handled },
                    "failed",
                    Sent::ReplyOver,
                )
                .await
            }
        }
    }
}
