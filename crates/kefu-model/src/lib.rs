//! The language model: any server that speaks OpenAI's chat completions, asked at most three times a turn.
//!
//! Used by the worker; imports domain, process and settings.

mod answer;
mod body;
mod client;
mod complaints;
mod error;
mod measured;
mod prompt;
mod question;
mod refusal;
mod settings;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kefu_domain::Millis;
use kefu_process::breaker::Breaker;
use kefu_settings::SettingsError;
use metrics::{counter, histogram};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use client::Client;
use complaints::Complaints;
use prompt::Prompt;
use question::{newest, shortened_to};
use refusal::Class;

pub use error::ModelError;
pub use measured::METRICS;
pub use question::{Line, Role, SystemRole, tokens};
pub use refusal::Refusal;
pub use settings::AiSettings;

/// Longest wait for a free place, if `ai.timeout` is not shorter: both must fit into a job's time limit.
pub const PLACE_WAIT_MAX: Duration = Duration::from_secs(20);
/// The newest lines that enter one prompt.
pub const PROMPT_LINES_MAX: usize = 50;
/// A question is not begun with less time than this.
const QUESTION_MIN: Duration = Duration::from_millis(500);

/// A model server, and how many questions it may get at a time.
#[derive(Clone, Debug)]
pub struct Model {
    client: Client,
    prompt: Prompt,
    timeout: Duration,
    tokens_max: usize,
    questions: Arc<Semaphore>,
    last_failure: Arc<Mutex<Option<String>>>,
    /// Whether the last turn that asked got an answer.
    answers: Arc<AtomicBool>,
    complaints: Arc<Complaints>,
    breaker: Breaker,
}

/// What came of the questions of one turn.
#[derive(Debug)]
pub struct Asked {
    pub answer: Result<String, ModelError>,
    /// What the server did not want to be asked, as far as the questions tell.
    pub unfit: Unfit,
}

/// Lines that make a server refuse; they are to be shown to no model again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    Nothing,
    /// Something that was said before: without it there is an answer.
    History,
    /// Something in the messages to be answered.
    Owed,
}

impl Model {
    /// `None` when no server is set.
    pub fn new(
        settings: &AiSettings,
        tls: rustls::ClientConfig,
        breaker_wait: Duration,
    ) -> Result<Option<Model>, SettingsError> {
        let prompt = Prompt::new(settings)?;
        let Some(client) = Client::new(settings, tls)? else {
            return Ok(None);
        };
        let at_least_one = |key: &str, is_zero: bool| match is_zero {
            true => Err(SettingsError::new(format!("ai.{key}"), "must be at least 1")),
            false => Ok(()),
        };
        at_least_one("concurrency", settings.concurrency == 0)?;
        at_least_one("prompt_tokens_max", settings.prompt_tokens_max == 0)?;
        Ok(Some(Model {
            client,
            prompt,
            timeout: settings.timeout,
            tokens_max: settings.prompt_tokens_max,
            questions: Arc::new(Semaphore::new(settings.concurrency)),
            last_failure: Arc::default(),
            answers: Arc::default(),
            complaints: Arc::default(),
            breaker: Breaker::new("model", breaker_wait),
        }))
    }

    /// Asks for an answer to the owed lines. What a server refuses for its length or content is asked again without
    /// the history, then shortened; all questions together take no longer than one may.
    pub async fn ask(&self, history: &[Line], owed: &[Line], now: Millis) -> Asked {
        let answers = self.answers.load(Ordering::Relaxed);
        let asked = self.ask_smaller_and_smaller(history, owed, now, answers).await;
        self.answers.store(asked.answer.is_ok(), Ordering::Relaxed);
        asked
    }

    async fn ask_smaller_and_smaller(
        &self,
        history: &[Line],
        owed: &[Line],
        now: Millis,
        answers: bool,
    ) -> Asked {
        let until = Instant::now() + self.timeout + self.timeout.min(PLACE_WAIT_MAX);
        let whole = newest(&[history, owed].concat(), PROMPT_LINES_MAX, self.tokens_max);
        let first = self.question(&whole, now, until).await;
        let Some(class) = smaller_helps(&first) else {
            let unfit = Unfit::Nothing;
            return Asked { answer: first, unfit };
        };
        let mut answer = first;
        let alone = newest(owed, PROMPT_LINES_MAX, self.tokens_max);
        if alone.len() < whole.len() {
            answer = self.question(&alone, now, until).await;
            if smaller_helps(&answer).is_none() {
                let is_content = answer.is_ok() && class == Class::Content;
                let unfit = if is_content {
                    Unfit::History
                } else {
                    Unfit::Nothing
                };
                return Asked { answer, unfit };
            }
        }
        let class = smaller_helps(&answer).unwrap_or(class);
        if class != Class::Content {
            let spent: usize = alone.iter().map(|line| tokens(&line.content)).sum();
            let short = shortened_to(&alone, spent / 2);
            answer = self.question(&short, now, until).await;
        }
        let is_theirs = match smaller_helps(&answer) {
            Some(Class::Content) => true,
            // One that does not say why may be that of a wrong setting, if nobody else is answered either.
            Some(Class::Unclear) => answers,
            _ => false,
        };
        let unfit = if is_theirs { Unfit::Owed } else { Unfit::Nothing };
        Asked { answer, unfit }
    }

    /// How the last question failed, if it did.
    pub fn last_failure(&self) -> Option<String> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether it is left alone for now, so that nobody should wait for it.
    pub fn is_away(&self) -> bool {
        self.breaker.check().is_err()
    }

    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    async fn question(&self, lines: &[Line], now: Millis, until: Instant) -> Result<String, ModelError> {
        let asked_at = Instant::now();
        let answer = self.question_in_turn(lines, now, until).await;
        let outcome = answer.as_ref().map_or_else(ModelError::word, |_| "answered");
        counter!("kefu_model_calls_total", "outcome" => outcome).increment(1);
        histogram!("kefu_model_call_duration_seconds").record(asked_at.elapsed().as_secs_f64());
        let failure = answer.as_ref().err().map(ToString::to_string);
        if let Err(error) = &answer {
            self.complaints.log(error, self.client.address());
        }
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        answer
    }

    async fn question_in_turn(
        &self,
        lines: &[Line],
        now: Millis,
        until: Instant,
    ) -> Result<String, ModelError> {
        // Nobody waits for a place that questions without an answer hold.
        self.breaker.check().map_err(ModelError::Away)?;
        let left = until.saturating_duration_since(Instant::now());
        let least = QUESTION_MIN.min(self.timeout);
        if left < least {
            return Err(ModelError::TimedOut(self.timeout));
        }
        // Whoever gets a place has time for the question: cut off at once, it would count against the model.
        let wait = self.timeout.min(PLACE_WAIT_MAX).min(left - least);
        let place = timeout(wait, self.questions.acquire())
            .await
            .map_err(|_| ModelError::Busy(wait))?;
        // Only now: the wait for a place says nothing about the model.
        let permit = self.breaker.allow().map_err(ModelError::Away)?;
        let limit = until.saturating_duration_since(Instant::now()).min(self.timeout);
        let messages = self.prompt.messages(lines, now);
        let answer = timeout(limit, self.client.call(messages)).await;
        drop(place);
        let answer = answer.unwrap_or(Err(ModelError::TimedOut(limit)));
        match &answer {
            Err(error) if error.is_transient() => permit.failed(error),
            // A refused key is an answer, too.
            Ok(_) | Err(_) => permit.succeeded(),
        }
        answer
    }
}

/// Why another, smaller question may be answered.
fn smaller_helps(answer: &Result<String, ModelError>) -> Option<Class> {
    match answer {
        Err(ModelError::Refused(refusal)) => Some(refusal.class)
            .filter(|class| matches!(class, Class::Length | Class::Content | Class::Unclear)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kefu_settings::Settings;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_place_has_time_for_the_question_afterwards() {
        let settings = Settings::reference_only()
            .unwrap()
            .with("ai.base_url", "http://127.0.0.1:9/v1")
            .with("ai.concurrency", 1)
            .with("ai.timeout", "5s");
        let tls = kefu_process::tls::client_config_if(false).unwrap();
        let model = Model::new(&settings.section("ai").unwrap(), tls, Duration::from_secs(1));
        let model = model.unwrap().unwrap();
        let taken = model.questions.acquire().await.unwrap();
        let (began_at, until) = (Instant::now(), Instant::now() + 2 * QUESTION_MIN);
        let answer = model.question_in_turn(&[], Millis(0), until).await;
        assert!(matches!(answer, Err(ModelError::Busy(_))), "{answer:?}");
        assert_eq!(began_at.elapsed(), QUESTION_MIN);
        drop(taken);
    }
}
