//! The language model: one question per turn to any server that speaks OpenAI's chat completions.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use kefu_process::breaker::{Breaker, Open};
use kefu_settings::SettingsError;
use metrics::{counter, histogram};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::AiSettings;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a free place, if `ai.timeout` is not shorter: both must fit into a job's time limit.
const PLACE_WAIT_MAX: Duration = Duration::from_secs(20);
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// The newest messages that enter one prompt, and their size in bytes together.
pub(crate) const PROMPT_LINES_MAX: usize = 50;
pub(crate) const PROMPT_BYTES_MAX: usize = 16 * 1024;

const SYSTEM_PROMPT: &str = "你是企业的微信客服。用客户的语言，简短、礼貌、直接地回答；不确定时如实说明，不要编造。\
    客户可能连续发来几条消息，请合在一起一次回答。只输出要发给客户的文字，不要使用 Markdown。";

/// A model server, and how many questions it may get at a time.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    client: Client,
    url: Url,
    api_key: Option<SecretString>,
    name: Option<String>,
    system_prompt: String,
    timeout: Duration,
    questions: Arc<Semaphore>,
    last_failure: Arc<Mutex<Option<String>>>,
    breaker: Breaker,
}

/// One line of a chat, as the model is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    pub(crate) role: Role,
    pub(crate) content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    User,
    Assistant,
}

/// Why there is no answer. Holds neither the question nor the answer.
#[derive(Debug, Error)]
pub(crate) enum ModelError {
    /// Not asked: the last questions came to nothing.
    #[error("model is away, {0}")]
    Away(Open),
    #[error("model was busy for longer than {0:?}")]
    Busy(Duration),
    #[error("model did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("model could not be reached")]
    Transport(#[source] reqwest::Error),
    #[error("model answered with HTTP status {0}")]
    Status(StatusCode),
    #[error("model answered unreadably: {0}")]
    Unreadable(&'static str),
}

impl ModelError {
    fn word(&self) -> &'static str {
        match self {
            ModelError::Away(_) => "away",
            ModelError::Busy(_) => "busy",
            ModelError::TimedOut(_) => "timed_out",
            ModelError::Transport(_) => "transport",
            ModelError::Status(_) => "status",
            ModelError::Unreadable(_) => "unreadable",
        }
    }

    /// Whether asking again later may help; a refused key or an unknown model stays so.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            ModelError::Status(status) => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            ModelError::Unreadable(_) => false,
            ModelError::Away(_)
            | ModelError::Busy(_)
            | ModelError::TimedOut(_)
            | ModelError::Transport(_) => true,
        }
    }
}

impl Model {
    /// `None` when no server is set.
    pub(crate) fn new(
        settings: &AiSettings,
        tls: rustls::ClientConfig,
        breaker_wait: Duration,
    ) -> Result<Option<Model>, SettingsError> {
        let Some(base) = settings.base_url.as_deref().filter(|base| !base.is_empty()) else {
            return Ok(None);
        };
        let url = format!("{}/chat/completions", base.trim_end_matches('/'));
        let url = Url::parse(&url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| SettingsError::new("ai.base_url", "is not an http or https URL"))?;
        if settings.concurrency == 0 {
            return Err(SettingsError::new("ai.concurrency", "must be at least 1"));
        }
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| SettingsError::new("ai.base_url", format!("cannot be used: {error}")))?;
        Ok(Some(Model {
            client,
            url,
            api_key: settings.api_key.clone(),
            name: settings.model.clone(),
            system_prompt: settings
                .system_prompt
                .clone()
                .unwrap_or_else(|| SYSTEM_PROMPT.to_owned()),
            timeout: settings.timeout,
            questions: Arc::new(Semaphore::new(settings.concurrency)),
            last_failure: Arc::default(),
            breaker: Breaker::new("model", breaker_wait),
        }))
    }

    /// Asks once. The wait for a free place is limited as the answer is: a customer waits behind both.
    pub(crate) async fn ask(&self, lines: &[Line]) -> Result<String, ModelError> {
        let asked_at = Instant::now();
        let answer = self.ask_in_turn(lines).await;
        let outcome = answer.as_ref().map_or_else(ModelError::word, |_| "answered");
        counter!("kefu_model_calls_total", "outcome" => outcome).increment(1);
        histogram!("kefu_model_call_duration_seconds").record(asked_at.elapsed().as_secs_f64());
        let failure = answer.as_ref().err().map(ToString::to_string);
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        answer
    }

    /// How the last question failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether it is left alone for now, so that nobody should wait for it.
    pub(crate) fn is_away(&self) -> bool {
        self.breaker.check().is_err()
    }

    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    async fn ask_in_turn(&self, lines: &[Line]) -> Result<String, ModelError> {
        // Nobody waits for a place that questions without an answer hold.
        self.breaker.check().map_err(ModelError::Away)?;
        let wait = self.timeout.min(PLACE_WAIT_MAX);
        let place = timeout(wait, self.questions.acquire())
            .await
            .map_err(|_| ModelError::Busy(wait))?;
        // Only now: the wait for a place says nothing about the model.
        let permit = self.breaker.allow().map_err(ModelError::Away)?;
        let answer = timeout(self.timeout, self.call(lines)).await;
        drop(place);
        let answer = answer.unwrap_or(Err(ModelError::TimedOut(self.timeout)));
        match &answer {
            Err(error) if error.is_transient() => permit.failed(error),
            // A refused key is an answer, too.
            Ok(_) | Err(_) => permit.succeeded(),
        }
        answer
    }

    async fn call(&self, lines: &[Line]) -> Result<String, ModelError> {
        let system = Line {
            role: Role::System,
            content: self.system_prompt.clone(),
        };
        let messages: Vec<&Line> = std::iter::once(&system).chain(newest(lines)).collect();
        let mut request = self.client.post(self.url.clone()).json(&Question {
            model: self.name.as_deref(),
            messages,
        });
        if let Some(key) = &self.api_key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request
            .send()
            .await
            .map_err(|error| ModelError::Transport(error.without_url()))?;
        if !response.status().is_success() {
            return Err(ModelError::Status(response.status()));
        }
        let body = read(response).await?;
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| ModelError::Unreadable("not a chat completion"))?;
        let choice = answer
            .choices
            .into_iter()
            .next()
            .ok_or(ModelError::Unreadable("no choice"))?;
        Ok(choice.message.content.unwrap_or_default())
    }
}

/// The newest lines that fit into a prompt, oldest first; at least the last one.
fn newest(lines: &[Line]) -> &[Line] {
    let mut bytes = 0;
    let fitting = lines.iter().rev().take(PROMPT_LINES_MAX).take_while(|line| {
        bytes += line.content.len();
        bytes <= PROMPT_BYTES_MAX
    });
    let count = fitting.count().max(1).min(lines.len());
    &lines[lines.len() - count..]
}

async fn read(response: Response) -> Result<Vec<u8>, ModelError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ModelError::Transport(error.without_url()))?;
        if ANSWER_BYTES_MAX < body.len() + chunk.len() {
            return Err(ModelError::Unreadable("longer than 1 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    messages: Vec<&'a Line>,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: ChoiceMessage,
}

#[derive(Deserialize)]
struct ChoiceMessage {
    content: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(content: &str) -> Line {
        Line {
            role: Role::User,
            content: content.to_owned(),
        }
    }

    #[test]
    fn a_prompt_holds_the_newest_lines_that_fit() {
        let many: Vec<Line> = (0..60).map(|n| line(&n.to_string())).collect();
        assert_eq!(newest(&many).len(), PROMPT_LINES_MAX);
        assert_eq!(newest(&many).last(), many.last());
        let long = [line(&"x".repeat(PROMPT_BYTES_MAX)), line("new")];
        assert_eq!(newest(&long), [line("new")]);
        let huge = [line(&"x".repeat(PROMPT_BYTES_MAX + 1))];
        assert_eq!(newest(&huge).len(), 1);
        assert!(newest(&[]).is_empty());
    }
}
