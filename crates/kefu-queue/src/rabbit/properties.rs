use kefu_domain::Millis;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::topology::Names;
use crate::copy::Copy;
use crate::{Death, Lane};

const ATTEMPT: &str = "x-kefu-attempt";
const NOTE: &str = "x-kefu-note";
const REASON: &str = "x-kefu-reason";
const ERROR: &str = "x-kefu-error";
const LANE: &str = "x-kefu-lane";
const DEAD_AT_MS: &str = "x-kefu-dead-at-ms";
const TRACEPARENT: &str = "traceparent";

/// Longest trace that is repeated in a header: the broker cuts the connection over headers larger than a frame.
const TRACE_BYTES_MAX: usize = 128;

/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// What is written on a dead letter.
pub(super) struct Burial<'a> {
    pub(super) lane: Lane,
    pub(super) reason: &'a str,
    pub(super) error: &'a str,
    pub(super) at: Millis,
}

/// Fresh properties: with the broker's own headers kept, a message can vanish on its second retry.
pub(super) fn write(copy: &Copy, burial: Option<Burial<'_>>) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert(ATTEMPT.into(), AMQPValue::LongLongInt(copy.attempt.into()));
    let mut put = |name: &str, text: &str| {
        headers.insert(name.into(), AMQPValue::LongString(text.into()));
    };
    let trace = copy
        .trace
        .as_deref()
        .filter(|trace| trace.len() <= TRACE_BYTES_MAX);
    if let Some(trace) = trace {
        put(TRACEPARENT, trace);
    }
    if let Some(note) = &copy.note {
        put(NOTE, note);
    }
    if let Some(burial) = &burial {
        put(REASON, burial.reason);
        put(ERROR, burial.error);
        put(LANE, burial.lane.as_str());
        headers.insert(DEAD_AT_MS.into(), AMQPValue::LongLongInt(burial.at.0));
    }
    let mut properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(PERSISTENT)
        .with_app_id("kefu".into())
        .with_headers(headers);
    if let Some(id) = short(copy.id.as_deref()) {
        properties = properties.with_message_id(id);
    }
    if let Some(kind) = short(copy.kind.as_deref()) {
        properties = properties.with_type(kind);
    }
    if let Some(Millis(at)) = copy.received_at {
        properties = properties.with_timestamp(u64::try_from(at / 1000).unwrap_or(0));
    }
    properties
}

/// Our own count, where the message carries one.
pub(super) fn attempt(properties: &BasicProperties) -> Option<u32> {
    let headers = properties.headers().as_ref()?;
    u32::try_from(integer(headers, ATTEMPT)?).ok()
}

/// The story of a dead letter: ours if a worker buried it, else the broker's.
pub(super) fn death(properties: &BasicProperties, names: &Names) -> Option<Death> {
    let headers = properties.headers().as_ref()?;
    if let Some(reason) = text(headers, REASON) {
        return Some(Death {
            reason,
            error: text(headers, ERROR),
            lane: text(headers, LANE).as_deref().and_then(Lane::parse),
            at: integer(headers, DEAD_AT_MS).map(Millis),
        });
    }
    // The broker lists the newest event first; a retry that expired before is further down.
    let AMQPValue::FieldArray(events) = headers.inner().get("x-death")? else {
        return None;
    };
    let AMQPValue::FieldTable(event) = events.as_slice().first()? else {
        return None;
    };
    let queue = text(event, "queue").unwrap_or_default();
    Some(Death {
        reason: text(event, "reason")?,
        error: None,
        lane: names.lane_of(&queue),
        at: integer(event, "time").map(Millis::from_seconds),
    })
}

/// AMQP's short strings hold 255 bytes; our ids are far shorter, a stranger's may not be.
fn short(text: Option<&str>) -> Option<ShortString> {
    ShortString::try_new(text?).ok()
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn integer(table: &FieldTable, name: &str) -> Option<i64> {
    match table.inner().get(name)? {
        AMQPValue::LongLongInt(value) => Some(*value),
        AMQPValue::LongInt(value) => Some((*value).into()),
        AMQPValue::Timestamp(value) => i64::try_from(*value).ok(),
        _ => None,
    }
}
