//! What a customer sends, from the JSON of `/simulator/customers/{id}/messages`.

use serde_json::{Map, Value, json};

use super::ControlError;
use crate::handle::Handle;
use crate::world::Incoming;

/// The smallest files that WeCom would take as what they are.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\rIDATx\x9cc\xf8\xcf\xc0\xf0\x1f\0\x05\0\x01\xff\x89\x99=\x1d\0\0\0\0IEND\xaeB`\x82";
const AMR: &[u8] = b"#!AMR\n\x3c\x91\x17\x16\xbe\x66\x79\xe1";
const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
const FILE: &[u8] = b"A file from a simulated customer.\n";

/// `{"text": "hi"}`, `{"image": {}}`, or any other `msgtype` with its object; a media id is made where none
/// is given. `menu_id` beside a text is a tap on a menu.
pub(super) fn read(simulator: &Handle, body: &[u8]) -> Result<(Option<String>, Incoming), ControlError> {
    let mut fields: Map<String, Value> = serde_json::from_slice(body)?;
    let account = match fields.remove("account") {
        None | Some(Value::Null) => None,
        Some(Value::String(account)) => Some(account),
        Some(_) => return Err(ControlError::Refused("account is no text".to_owned())),
    };
    let menu_id = fields.remove("menu_id");
    fields.remove("msgtype");
    let mut fields = fields.into_iter();
    let (Some((msgtype, content)), None) = (fields.next(), fields.next()) else {
        let wanted = "give exactly one of text, image, voice, video, file, location, link or another msgtype";
        return Err(ControlError::Refused(wanted.to_owned()));
    };
    let mut content = match content {
        Value::String(text) if msgtype == "text" => json!({ "content": text }),
        object @ Value::Object(_) => object,
        _ => return Err(ControlError::Refused(format!("{msgtype} is no object"))),
    };
    if msgtype == "text"
        && content
            .get("content")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    {
        return Err(ControlError::Refused("text has no content".to_owned()));
    }
    if let Some(menu_id) = menu_id {
        content["menu_id"] = menu_id;
    }
    if content.get("media_id").is_none()
        && let Some(media_id) = sample(simulator, &msgtype)?
    {
        content["media_id"] = json!(media_id);
    }
    Ok((
        account,
        Incoming {
            msgtype,
            body: content,
        },
    ))
}

/// Stores a small file of a kind that needs one.
fn sample(simulator: &Handle, msgtype: &str) -> Result<Option<String>, ControlError> {
    let (name, content_type, bytes) = match msgtype {
        "image" => ("image.png", "image/png", PNG),
        "voice" => ("voice.amr", "audio/amr", AMR),
        "video" => ("video.mp4", "video/mp4", MP4),
        "file" => ("file.txt", "application/octet-stream", FILE),
        _ => return Ok(None),
    };
    let now = simulator.now();
    let stored = simulator.world().upload(msgtype, name, content_type, bytes, now);
    stored
        .map(Some)
        .map_err(|refusal| ControlError::Refused(refusal.message.into_owned()))
}
