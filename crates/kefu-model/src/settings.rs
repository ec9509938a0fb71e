use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use crate::SystemRole;

/// Section `ai`: any server that speaks OpenAI's chat completions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiSettings {
    /// Includes `/v1`. Absent: rules and the fallback text only.
    pub base_url: Option<String>,
    pub api_key: Option<SecretString>,
    pub model: Option<String>,
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Questions to the model at the same time, per process.
    pub concurrency: usize,
    pub system_prompt: Option<String>,
    /// Who says the task, for servers that know another role, or none.
    pub system_role: SystemRole,
    /// Of the times that the system prompt asks for; empty: the machine's.
    pub timezone: String,
    /// How much of a conversation one prompt may hold, in tokens as Kefu estimates them.
    pub prompt_tokens_max: usize,
    /// `http://`, `https://`, `socks5://` or `socks5h://`; may hold a user and a password.
    pub proxy: Option<SecretString>,
    /// Earlier lines of the conversation that the model is shown.
    pub history_max: u32,
    /// A comma list of `opening…closing`: what stands between is thought, besides the built-in marks.
    pub thought_marks: String,
}
