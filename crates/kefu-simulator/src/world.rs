//! The rules of WeCom as a state machine: no I/O, no clock; `now` (Unix milliseconds) is passed in and never
//! goes back.
//!
//! Every method is one call, one act of a customer or one act of an agent. Refusals are WeCom's (`Refusal`);
//! wrong use of the simulator itself is a `WorldError`.

mod body;
mod code;
mod conversation;
mod customer;
mod directory;
mod media;
mod refusal;
mod send;
mod servicer;
mod session;
mod stream;
mod sync;
mod tally;
mod token;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::Value;
use serde_json::value::to_raw_value;
use thiserror::Error;

use crate::ids::{Chance, mix, number_of};
use crate::settings::SimulatorSettings;
use code::Codes;
use media::Media;
use stream::Stream;
use sync::CallbackTokens;
use tally::Tally;
use token::{AccessTokens, Limits};

pub use code::{PICKED_CODE_MS, WELCOME_CODE_MS};
pub use conversation::{BUDGET, Chat, Conversation, Line, Speaker, State, WINDOW_MS};
pub use customer::{Arrival, Incoming};
pub use directory::Batch;
pub use media::{MEDIA_LIFE_MS, MediaFile};
pub use refusal::Refusal;
pub use send::Accepted;
pub use servicer::{Servicer, ServicerAct};
pub use stream::Entry;
pub use sync::{CALLBACK_TOKEN_MS, SyncPage, SyncRequest, Twist};

/// Customers of one simulator.
const CUSTOMERS_MAX: usize = 100_000;
/// Sent msgids an account remembers; the oldest go first.
const MSGIDS_MAX: usize = 200_000;

/// One simulated corp with one app.
#[derive(Debug)]
pub struct World {
    settings: SimulatorSettings,
    run: String,
    chance: Chance,
    access: AccessTokens,
    limits: Limits,
    accounts: Vec<Account>,
    account_positions: HashMap<String, usize>,
    customers: HashMap<String, Customer>,
    servicers: BTreeMap<String, Servicer>,
    /// What `sync_msg` without `open_kfid` reads: all accounts in one stream.
    corp_stream: Stream,
    callback_tokens: CallbackTokens,
    codes: Codes,
    media: Media,
    tally: Tally,
}

#[derive(Debug)]
struct Account {
    open_kfid: String,
    name: String,
    stream: Stream,
    conversations: HashMap<String, Conversation>,
    msgids: Msgids,
}

#[derive(Debug)]
struct Customer {
    nickname: String,
    last_message_ms: Option<i64>,
}

/// The register that makes a repeated send harmless.
#[derive(Debug, Default)]
struct Msgids {
    known: HashSet<String>,
    order: VecDeque<String>,
}

/// WeCom now calls back: this account has news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub open_kfid: String,
    pub token: String,
    /// Unix seconds.
    pub created_s: i64,
}

/// Wrong use of the simulator.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WorldError {
    #[error("account {0:?} is not one of the simulator's accounts")]
    UnknownAccount(String),
    #[error("customer id must be 1 to 64 letters, digits, - or _")]
    InvalidCustomerId,
    #[error("customer {0:?} has not written to or entered this account")]
    UnknownCustomer(String),
    #[error("the simulator keeps at most {CUSTOMERS_MAX} customers")]
    TooManyCustomers,
    #[error("agent {0:?} is not one of the simulator's agents")]
    UnknownServicer(String),
    #[error("message {0:?} is not in this conversation's recent lines")]
    UnknownMessage(String),
    #[error("the simulator has no account")]
    NoAccount,
    #[error("only a session that is with an agent can be ended by one")]
    NotWithServicer,
}

impl WorldError {
    /// A word for programs; the page has its sentence in each language.
    pub fn code(&self) -> &'static str {
        match self {
            WorldError::UnknownAccount(_) => "unknown_account",
            WorldError::InvalidCustomerId => "invalid_customer_id",
            WorldError::UnknownCustomer(_) => "unknown_customer",
            WorldError::TooManyCustomers => "too_many_customers",
            WorldError::UnknownServicer(_) => "unknown_servicer",
            WorldError::UnknownMessage(_) => "unknown_message",
            WorldError::NoAccount => "no_account",
            WorldError::NotWithServicer => "not_with_servicer",
        }
    }
}

impl World {
    /// `run` keeps ids and tags of this world apart from those of every other run.
    pub fn new(settings: SimulatorSettings, run: &str) -> World {
        let accounts: Vec<Account> = settings
            .accounts
            .iter()
            .enumerate()
            .map(|(position, open_kfid)| Account {
                open_kfid: open_kfid.clone(),
                name: format!("客服 {}", position + 1),
                stream: Stream::new(open_kfid, run),
                conversations: HashMap::new(),
                msgids: Msgids::default(),
            })
            .collect();
        let account_positions = accounts
            .iter()
            .enumerate()
            .map(|(position, account)| (account.open_kfid.clone(), position))
            .collect();
        let servicers = settings
            .servicers
            .iter()
            .map(|id| (id.clone(), Servicer::Receiving))
            .collect();
        World {
            run: run.to_owned(),
            chance: Chance::new(settings.seed ^ mix(number_of(run))),
            access: AccessTokens::default(),
            limits: Limits::default(),
            accounts,
            account_positions,
            customers: HashMap::new(),
            servicers,
            corp_stream: Stream::new("", run),
            callback_tokens: CallbackTokens::default(),
            codes: Codes::default(),
            media: Media::default(),
            tally: Tally::default(),
            settings,
        }
    }

    pub fn settings(&self) -> &SimulatorSettings {
        &self.settings
    }

    pub fn run(&self) -> &str {
        &self.run
    }

    fn secret(&self) -> &str {
        self.settings.credentials.secret.expose_secret()
    }

    /// Where an account named by an API call stands.
    fn account_at(&self, open_kfid: &str) -> Result<usize, Refusal> {
        self.account_positions
            .get(open_kfid)
            .copied()
            .ok_or_else(Refusal::open_kfid)
    }

    /// Where an account named by the user of the simulator stands; the first one for none.
    fn account_named(&self, open_kfid: Option<&str>) -> Result<usize, WorldError> {
        let Some(open_kfid) = open_kfid else {
            return if self.accounts.is_empty() {
                Err(WorldError::NoAccount)
            } else {
                Ok(0)
            };
        };
        self.account_positions
            .get(open_kfid)
            .copied()
            .ok_or_else(|| WorldError::UnknownAccount(open_kfid.to_owned()))
    }

    /// The conversation of a customer an API call names; 40096 for somebody WeCom has never seen.
    fn conversation_at(&mut self, account: usize, customer: &str) -> Result<&mut Conversation, Refusal> {
        if !self.customers.contains_key(customer) {
            return Err(Refusal::external_userid());
        }
        Ok(self.accounts[account]
            .conversations
            .entry(customer.to_owned())
            .or_default())
    }

    /// A new inbound msgid: longer than the 32 bytes allowed outbound, as real ones are.
    fn inbound_msgid(&mut self) -> String {
        self.chance.text(44)
    }

    /// Adds to the account's stream and to the corp's, and says so by a callback.
    fn append(&mut self, account: usize, message: &Value, now: i64) -> Notice {
        let json = to_raw_value(message).expect("a JSON value is valid JSON");
        let entry = Arc::new(Entry { at_ms: now, json });
        self.corp_stream.push(Arc::clone(&entry));
        self.accounts[account].stream.push(entry);
        let token = self.callback_token(now);
        Notice {
            open_kfid: self.accounts[account].open_kfid.clone(),
            token,
            created_s: now / 1_000,
        }
    }
}

impl Msgids {
    fn contains(&self, msgid: &str) -> bool {
        self.known.contains(msgid)
    }

    fn insert(&mut self, msgid: String) {
        if self.order.len() == MSGIDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.insert(msgid.clone()) {
            self.order.push_back(msgid);
        }
    }
}
