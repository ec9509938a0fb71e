//! Which connections outlive an answer.
//!
//! actix bounds the head of the first request of a connection, but not of the later ones, and it reads what is
//! left of a chunked body for as long as it comes. Either would let a stranger keep a connection for ever.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures::Stream;

/// After which answers a connection stays open for one more request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// For ports that only our own side reaches.
    EveryAnswer,
    /// Only after a POST that was accepted: for public ports, where strangers know no such POST.
    AcceptedPost,
}

impl KeepAlive {
    fn keeps(self, method: &Method, status: StatusCode) -> bool {
        match self {
            KeepAlive::EveryAnswer => true,
            KeepAlive::AcceptedPost => *method == Method::POST && status.is_success(),
        }
    }
}

/// Closes the connection after answers that do not keep it, and after answers to a body that was not read.
pub(super) async fn bound(
    keep_alive: KeepAlive,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Held>, actix_web::Error> {
    let method = request.method().clone();
    let unread = request.headers().contains_key(TRANSFER_ENCODING).then(|| {
        let shared = Unread(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream {
            payload: Box::pin(shared.clone()),
        });
        shared
    });
    let mut response = next.call(request).await?;
    if !keep_alive.keeps(&method, response.status()) {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
    }
    Ok(response.map_body(|_, body| Held {
        body: body.boxed(),
        _unread: unread,
    }))
}

/// A body that may be read after the handler gave up on it.
#[derive(Clone)]
struct Unread(Rc<RefCell<Payload>>);

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// An answer that holds the body of its request until it is sent: a body that was dropped unread is drained, one
/// that is still held makes actix close the connection. Once read to its end it makes no difference.
pub(super) struct Held {
    body: BoxBody,
    _unread: Option<Unread>,
}

impl MessageBody for Held {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
