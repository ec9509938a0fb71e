//! The one place where WeCom's words become ours.

#[cfg(test)]
mod damaged;
mod words;

use std::time::Duration;

use kefu_domain::{CustomerId, Handled, MessageId, Millis, SessionState};
use kefu_store::{EventEffect, PageContent, PageMessage};
use kefu_wecom::SyncMessage;
use kefu_wecom::message::{ChangeType, FailType, KfEvent, MessageBody, Origin};
use secrecy::SecretString;
use serde_json::value::RawValue;

pub(crate) use words::placeholder;
use words::text;

/// How far ahead of our clock a message's time is believed: clocks differ, but not by more.
const AHEAD_MAX: Duration = Duration::from_secs(3600);

/// Turns one message of the stream into what the store keeps. Never fails: what cannot be read is kept raw.
///
/// Without `welcomes` an `enter_session` asks for nothing.
pub(crate) fn page_message(raw: &RawValue, now: Millis, welcomes: bool) -> PageMessage {
    let bytes = raw.get().as_bytes().to_vec();
    let unreadable = |sent_at, error: String| PageMessage {
        raw: bytes.clone(),
        content: PageContent::Unreadable { error },
        sent_at,
        id: None,
    };
    let message = match SyncMessage::parse(raw) {
        Ok(message) => message,
        Err(error) => return unreadable(Millis(0), error.to_string()),
    };
    let sent_at = believable(message.send_time, now);
    let id = match MessageId::parse(&message.msgid) {
        Ok(id) => id,
        Err(error) => return unreadable(sent_at, error.to_string()),
    };
    match content(message, welcomes) {
        Ok(content) => PageMessage {
            raw: bytes,
            content,
            sent_at,
            id: Some(id),
        },
        Err(error) => unreadable(sent_at, error),
    }
}

/// When a message was sent. One without a time, or from the future, was sent now: else its 48 hours would be
/// over, or never.
fn believable(send_time: i64, now: Millis) -> Millis {
    let sent_at = Millis::from_seconds(send_time);
    match send_time <= 0 || now + AHEAD_MAX < sent_at {
        true => now,
        false => sent_at,
    }
}

fn content(message: SyncMessage, welcomes: bool) -> Result<PageContent, String> {
    let customer = message.external_userid.as_deref().map(CustomerId::parse);
    if let MessageBody::Event(event) = &message.body {
        // An event without a readable customer is kept, it only changes nothing.
        let customer = customer.and_then(Result::ok);
        let event_type = event.event_type().chars().take(64).collect();
        return Ok(PageContent::Event {
            event_type,
            effect: effect(event, customer, welcomes),
        });
    }
    let customer = customer
        .ok_or("message has no external_userid")?
        .map_err(|error| error.to_string())?;
    let msgtype = message.body.msgtype().chars().take(64).collect();
    let text = text(&message.body);
    Ok(match message.origin {
        Origin::Customer => PageContent::Customer {
            customer,
            msgtype,
            handled: is_silent(&message.body).then_some(Handled::NoReply),
            menu_id: menu_id(&message.body),
            media_id: media_id(&message.body),
            text,
        },
        Origin::Servicer => PageContent::Servicer {
            customer,
            servicer: message.servicer_userid.unwrap_or_default(),
            msgtype,
            text,
        },
        // A message of the system or of an origin we do not know is nothing a customer said.
        Origin::System | Origin::Other(_) => PageContent::Event {
            event_type: msgtype,
            effect: EventEffect::None,
        },
    })
}

fn effect(event: &KfEvent, customer: Option<CustomerId>, welcomes: bool) -> EventEffect {
    match (event, customer) {
        (KfEvent::EnterSession(entered), Some(customer)) => EventEffect::EnterSession {
            customer,
            welcome_code: entered
                .welcome_code
                .clone()
                .filter(|_| welcomes)
                .map(SecretString::from),
            scene: Some(entered.scene.clone()).filter(|scene| !scene.is_empty()),
        },
        (KfEvent::SendFailed(failed), _) => EventEffect::SendFailed {
            msgid: failed.fail_msgid.clone(),
            fail_type: fail_type(failed.fail_type),
        },
        (KfEvent::SessionChanged(changed), Some(customer)) => match changed.change_type {
            ChangeType::Taken | ChangeType::Transferred | ChangeType::Resumed => EventEffect::Session {
                customer,
                state: SessionState::Human,
            },
            ChangeType::Ended => EventEffect::Session {
                customer,
                state: SessionState::Ended,
            },
            ChangeType::Other(_) => EventEffect::None,
        },
        (
            KfEvent::UserRecalled { recall_msgid } | KfEvent::ServicerRecalled { recall_msgid, .. },
            customer,
        ) => EventEffect::Recall {
            customer,
            message: recall_msgid.clone(),
        },
        _ => EventEffect::None,
    }
}

/// The number on the wire again: it is stored for people who look it up in WeCom's documents (doc 94670).
fn fail_type(fail_type: FailType) -> i64 {
    match fail_type {
        FailType::Unknown => 0,
        FailType::AccountDeleted => 1,
        FailType::AppClosed => 2,
        FailType::WindowClosed => 4,
        FailType::SessionClosed => 5,
        FailType::MessagesSpent => 6,
        FailType::CorpUnverified => 8,
        FailType::CustomerRefused => 10,
        FailType::NobodyLoggedIn => 11,
        FailType::ForbiddenType => 12,
        FailType::Other(number) => number,
    }
}

/// A text without any text asks nothing.
fn is_silent(body: &MessageBody) -> bool {
    matches!(body, MessageBody::Text(_)) && text(body).is_none_or(|text| text.trim().is_empty())
}

fn menu_id(body: &MessageBody) -> Option<String> {
    match body {
        MessageBody::Text(text) => text.menu_id.clone(),
        _ => None,
    }
}

fn media_id(body: &MessageBody) -> Option<String> {
    match body {
        MessageBody::Image(media)
        | MessageBody::Voice(media)
        | MessageBody::Video(media)
        | MessageBody::File(media) => Some(media.media_id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Millis = Millis(1_700_000_000_000);

    fn page(message: serde_json::Value) -> PageMessage {
        page_message(&serde_json::value::to_raw_value(&message).unwrap(), NOW, true)
    }

    #[test]
    fn a_message_without_a_believable_time_was_sent_now() {
        let sent_at = |send_time: serde_json::Value| {
            page(json!({"msgid": "m1", "external_userid": "wm1", "origin": 3, "send_time": send_time}))
                .sent_at
        };
        for odd in [json!(0), json!(-5), json!("soon"), json!(null), json!(i64::MAX)] {
            assert_eq!(sent_at(odd.clone()), NOW, "{odd}");
        }
        assert_eq!(sent_at(json!("1699999999")), Millis(1_699_999_999_000));
        assert_eq!(sent_at(json!(1_700_000_600)), Millis(1_700_000_600_000));
    }

    #[test]
    fn nobody_is_welcomed_without_a_text() {
        let entered = serde_json::value::to_raw_value(&json!({
            "msgid": "m1", "origin": 4, "msgtype": "event",
            "event": {"event_type": "enter_session", "external_userid": "wm1", "welcome_code": "secret"},
        }))
        .unwrap();
        let has_code = |welcomes| match page_message(&entered, NOW, welcomes).content {
            PageContent::Event {
                effect: EventEffect::EnterSession { welcome_code, .. },
                ..
            } => welcome_code.is_some(),
            _ => panic!(),
        };
        assert_eq!((has_code(true), has_code(false)), (true, false));
    }

    #[test]
    fn a_customers_text_is_owed_an_answer() {
        let message = page(json!({
            "msgid": "m1", "open_kfid": "wk1", "external_userid": "wm1", "send_time": 7, "origin": 3,
            "msgtype": "text", "text": {"content": "你好", "menu_id": "a"},
        }));
        assert_eq!(message.sent_at, Millis(7000));
        let PageContent::Customer {
            text,
            handled,
            menu_id,
            ..
        } = message.content
        else {
            panic!()
        };
        assert_eq!(
            (text.as_deref(), handled, menu_id.as_deref()),
            (Some("你好"), None, Some("a"))
        );
    }

    #[test]
    fn only_customers_are_answered() {
        for origin in [0, 4, 5, 9] {
            let message = page(json!({
                "msgid": "m1", "external_userid": "wm1", "origin": origin,
                "msgtype": "text", "text": {"content": "hello"},
            }));
            assert!(
                !matches!(message.content, PageContent::Customer { .. }),
                "origin {origin}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_kept_raw() {
        for message in [
            json!([]),
            json!({"msgtype": "text"}),
            json!({"msgid": "", "origin": 3}),
        ] {
            assert!(matches!(page(message).content, PageContent::Unreadable { .. }));
        }
        let nobody = page(json!({"msgid": "m1", "origin": 3, "msgtype": "text", "text": {"content": "x"}}));
        assert!(matches!(nobody.content, PageContent::Unreadable { .. }));
    }

    #[test]
    fn a_picture_counts_as_customer_input() {
        let message = page(json!({
            "msgid": "m1", "external_userid": "wm1", "origin": 3, "msgtype": "image", "image": {"media_id": "x"},
        }));
        let PageContent::Customer {
            msgtype,
            text,
            handled,
            media_id,
            ..
        } = message.content
        else {
            panic!()
        };
        assert_eq!(
            (msgtype.as_str(), text, handled, media_id.as_deref()),
            ("image", None, None, Some("x"))
        );
    }

    #[test]
    fn a_takeover_and_an_end_change_the_session() {
        let change = |change_type: i64| {
            page(json!({
                "msgid": "m1", "origin": 4, "msgtype": "event",
                "event": {"event_type": "session_status_change", "external_userid": "wm1", "change_type": change_type},
            }))
        };
        let state = |message: PageMessage| match message.content {
            PageContent::Event {
                effect: EventEffect::Session { state, .. },
                ..
            } => Some(state),
            _ => None,
        };
        assert_eq!(state(change(1)), Some(SessionState::Human));
        assert_eq!(state(change(3)), Some(SessionState::Ended));
        assert_eq!(state(change(99)), None);
    }
}
