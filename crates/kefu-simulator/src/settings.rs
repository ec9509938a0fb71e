//! What a simulated corp is, and how strict it is.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use secrecy::SecretString;

/// The keys of one simulated corp with one app.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub corp_id: String,
    pub secret: SecretString,
    pub token: SecretString,
    /// 43 characters, see doc 91144.
    pub encoding_aes_key: SecretString,
    pub agent_id: u64,
}

impl Default for Credentials {
    /// Fixed demonstration values: they open nothing but a simulator.
    fn default() -> Credentials {
        Credentials {
            corp_id: "wwkefusimulator001".to_owned(),
            secret: "KefuSimulatorSecret-not-a-real-one-0000000".into(),
            token: "KefuSimulatorToken".into(),
            // Ends in a digit with spare bits set, as three of four real keys do.
            encoding_aes_key: "KefuSimulatorDemoKeyKefuSimulatorDemoKey012".into(),
            agent_id: 1_000_002,
        }
    }
}

/// When a repeated `msgid` is noticed; WeCom does not document it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatCheck {
    /// Before session state, window and budget: a repeat is always called a repeat.
    BeforeState,
    /// After them: a repeat may be refused for another reason although the first send got through.
    AfterState,
}

/// Everything a simulator can be told; `Default` is WeCom as documented.
#[derive(Clone, Debug)]
pub struct SimulatorSettings {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where callbacks go; none = nobody is told, as before a URL is saved in WeCom's console.
    pub callback_url: Option<String>,
    pub credentials: Credentials,
    /// `open_kfid` of every account; the first one is used where a caller names none.
    pub accounts: Vec<String>,
    /// User ids of the agents who may take sessions, on every account.
    pub servicers: Vec<String>,
    /// Makes faults, order and scripts repeatable.
    pub seed: u64,
    /// Part of every id and tag, so that runs against one database do not meet; none = random.
    pub run: Option<String>,

    /// Most messages a `sync_msg` page carries, below what the caller asked for.
    pub page_size: usize,
    /// Every so many pages come empty with `has_more` = 1; at least 2, none = never.
    pub empty_page_every: Option<u64>,
    /// Validity of an access token; WeCom says 7200 s (doc 91039).
    pub token_life: Duration,
    /// `gettoken` calls allowed per minute, then 45009.
    pub gettoken_per_minute: u32,
    /// `sync_msg` calls without a callback token allowed per minute, then 45009 (doc 94670 says "strict").
    pub sync_without_token_per_minute: u32,
    /// Calls of any one API allowed per minute, then 45009; WeCom allows 10 000 (doc 90312), none = no limit.
    pub calls_per_minute: Option<u32>,
    /// Refusal of a `msgid` the account has seen; WeCom does not document the code.
    pub send_repeat_code: i32,
    pub send_repeat_check: RepeatCheck,
    /// Whether a refused send uses its `msgid` up; WeCom does not document it.
    pub refused_msgid_used: bool,

    /// WeCom drops the connection after 5 s (doc 91116).
    pub callback_timeout: Duration,
    /// Wait before each of the three further tries; WeCom does not document it.
    pub callback_retry_spacing: Duration,
    /// Callbacks on the wire at the same time.
    pub callbacks_in_flight_max: usize,
    /// How long the simulated model thinks.
    pub model_delay: Duration,
}

impl Default for SimulatorSettings {
    fn default() -> SimulatorSettings {
        SimulatorSettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            callback_url: None,
            credentials: Credentials::default(),
            accounts: vec![
                "wkKefuSimulatorAccount0000000001".to_owned(),
                "wkKefuSimulatorAccount0000000002".to_owned(),
            ],
            servicers: vec!["AgentLi".to_owned(), "AgentWang".to_owned()],
            seed: 1,
            run: None,
            page_size: 1_000,
            empty_page_every: None,
            token_life: Duration::from_secs(7_200),
            gettoken_per_minute: 60,
            sync_without_token_per_minute: 60,
            calls_per_minute: None,
            send_repeat_code: 95_033,
            send_repeat_check: RepeatCheck::BeforeState,
            refused_msgid_used: false,
            callback_timeout: Duration::from_secs(5),
            callback_retry_spacing: Duration::from_secs(5),
            callbacks_in_flight_max: 64,
            model_delay: Duration::ZERO,
        }
    }
}
