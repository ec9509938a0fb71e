use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use kefu_queue::NotKept;
use kefu_wecom::OpenError;
use kefu_wecom::envelope::EnvelopeError;
use kefu_wecom::query::{EchoError, QueryError};
use thiserror::Error;

/// Why a callback was not taken. The caller learns the status and nothing else.
#[derive(Debug, Error)]
pub(crate) enum CallbackError {
    #[error("no such app")]
    UnknownApp,
    #[error("query is not that of a callback")]
    Query(#[from] QueryError),
    #[error("body is no envelope")]
    Envelope(#[from] EnvelopeError),
    #[error("callback does not open")]
    Open(#[from] OpenError),
    #[error("body has a content encoding")]
    Encoded,
    #[error("body is too large")]
    TooLarge,
    #[error("body is too slow")]
    Slow,
    #[error("body was cut off")]
    Cut,
    #[error("callback was not queued")]
    NotQueued(#[from] NotKept),
}

impl From<EchoError> for CallbackError {
    fn from(error: EchoError) -> CallbackError {
        match error {
            EchoError::Query(error) => error.into(),
            EchoError::Open(error) => error.into(),
        }
    }
}

impl CallbackError {
    /// The label of the metric.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            CallbackError::UnknownApp => "unknown_app",
            CallbackError::Query(_) => "bad_query",
            CallbackError::Envelope(_) => "bad_envelope",
            CallbackError::Open(_) => "not_opened",
            CallbackError::Encoded | CallbackError::TooLarge => "refused_body",
            CallbackError::Slow | CallbackError::Cut => "incomplete_body",
            CallbackError::NotQueued(_) => "not_queued",
        }
    }
}

impl ResponseError for CallbackError {
    fn status_code(&self) -> StatusCode {
        match self {
            CallbackError::UnknownApp => StatusCode::NOT_FOUND,
            CallbackError::Query(_) | CallbackError::Cut => StatusCode::BAD_REQUEST,
            CallbackError::Envelope(_) | CallbackError::Open(_) => StatusCode::FORBIDDEN,
            CallbackError::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            CallbackError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            CallbackError::Slow => StatusCode::REQUEST_TIMEOUT,
            CallbackError::NotQueued(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
