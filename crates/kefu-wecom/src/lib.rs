//! The WeCom wire: callback crypto and callback bodies in, API calls out.
//!
//! The only crate that knows WeCom's cipher, XML, field names and error codes.
//! It knows none of our own nouns: translating its words into ours is the worker's part.
//! Everything that arrives here is untrusted: each parser is bounded in size, depth and count,
//! and answers with an error instead of a panic.

pub mod client;
pub mod codes;
pub mod crypto;
pub mod envelope;
pub mod error;
pub mod event;
pub mod fields;
mod measured;
pub mod message;
pub mod outbound;
pub mod query;
pub mod settings;

pub use client::{AppCredentials, Client, SharedToken, SharedTokens};
pub use crypto::{CallbackKey, Keyring, OpenError, Opened, ReceiveIds, Signed};
pub use envelope::Envelope;
pub use error::{ApiError, ErrorClass};
pub use event::CallbackEvent;
pub use measured::METRICS;
pub use message::SyncMessage;
pub use outbound::OutboundBody;
pub use query::SignedQuery;
pub use settings::{AppSettings, PreviousKeySettings, WecomSettings};
