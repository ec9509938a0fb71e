use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, Payload};
use tokio::time::timeout;

use super::error::CallbackError;
use crate::Limits;

/// Reads the body whole. actix itself sets no deadline on a body, so a slow one would stay for ever.
pub(super) async fn read(
    request: &HttpRequest,
    body: Payload,
    limits: &Limits,
) -> Result<Bytes, CallbackError> {
    let headers = request.headers();
    let is_plain = |encoding: &[u8]| encoding.eq_ignore_ascii_case(b"identity");
    if !headers
        .get_all(CONTENT_ENCODING)
        .all(|encoding| is_plain(encoding.as_bytes()))
    {
        return Err(CallbackError::Encoded);
    }
    let declared: Option<usize> = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| limits.body_max < length) {
        return Err(CallbackError::TooLarge);
    }
    match timeout(limits.body_timeout, body.to_bytes_limited(limits.body_max)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(CallbackError::Cut),
        Ok(Err(_)) => Err(CallbackError::TooLarge),
        Err(_) => Err(CallbackError::Slow),
    }
}
