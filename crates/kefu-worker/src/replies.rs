//! What is said without asking a model, and when: the section `reply`, read and checked.

use std::time::Duration;

use kefu_domain::{HandoverKeywords, HandoverMatch, Rules, TEXT_PART_BYTES_MAX};
use kefu_settings::SettingsError;

use crate::ReplySettings;

/// What becomes of a wish for a person while nobody is on duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OffDuty {
    /// The customer is told so, and answered on.
    Tell,
    /// The customer waits in the pool all the same.
    Wait,
}

/// Longest `reply.pool_wait`: the code on which the text leaves is dead after 48 h.
const POOL_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Replies {
    pub(crate) rules: Rules,
    pub(crate) fallback: String,
    pub(crate) welcome: String,
    pub(crate) handover_keywords: HandoverKeywords,
    /// Before a conversation is handed over; `None`: nothing.
    pub(crate) handover: Option<String>,
    /// When it cannot be; empty: the customer is answered as usual.
    pub(crate) handover_failed: String,
    pub(crate) off_duty: OffDuty,
    /// In the pool, after so long.
    pub(crate) waiting: Option<(String, Duration)>,
}

impl Replies {
    pub(crate) fn read(settings: &ReplySettings) -> Result<Replies, SettingsError> {
        let rules = Rules::parse(&settings.rules)
            .map_err(|error| SettingsError::new("reply.rules", error.to_string()))?;
        let matching = HandoverMatch::parse(settings.handover_match.trim())
            .map_err(|error| SettingsError::new("reply.handover_match", error.to_string()))?;
        Ok(Replies {
            rules,
            fallback: settings.fallback.trim().to_owned(),
            welcome: settings.welcome.trim().to_owned(),
            handover_keywords: HandoverKeywords::parse(
                &settings.handover_keywords,
                &settings.handover_exceptions,
                matching,
            ),
            handover: one_part("reply.handover", &settings.handover)?,
            handover_failed: settings.handover_failed.trim().to_owned(),
            off_duty: off_duty(&settings.handover_off_duty)?,
            waiting: waiting(settings)?,
        })
    }

    /// Whether customers who enter are greeted at all.
    pub(crate) fn welcomes(&self) -> bool {
        !self.welcome.is_empty()
    }

    /// What is allowed and seldom meant, with the key it stands under.
    pub(crate) fn warnings(&self) -> Vec<SettingsError> {
        let short = |key, word: &str| {
            let problem = format!("the word {word:?} is so short that it stands in many messages");
            SettingsError::new(key, problem)
        };
        let keywords = self.handover_keywords.short_words();
        let rules = self.rules.short_words();
        keywords
            .map(|word| short("reply.handover_keywords", word))
            .chain(rules.map(|word| short("reply.rules", word)))
            .collect()
    }
}

fn off_duty(word: &str) -> Result<OffDuty, SettingsError> {
    match word.trim() {
        "tell" => Ok(OffDuty::Tell),
        "wait" => Ok(OffDuty::Wait),
        _ => Err(SettingsError::new("reply.handover_off_duty", "is tell or wait")),
    }
}

fn waiting(settings: &ReplySettings) -> Result<Option<(String, Duration)>, SettingsError> {
    let text = one_part("reply.pool_text", &settings.pool_text)?;
    let wait = settings.pool_wait;
    if POOL_WAIT_MAX < wait {
        return Err(SettingsError::new("reply.pool_wait", "is at most 24h"));
    }
    match text {
        _ if wait.is_zero() => Ok(None),
        None => Err(SettingsError::new(
            "reply.pool_text",
            "is empty, and reply.pool_wait is set",
        )),
        Some(text) => Ok(Some((text, wait))),
    }
}

/// A text that is one message, as a code carries no second one.
pub(crate) fn one_part(key: &str, text: &str) -> Result<Option<String>, SettingsError> {
    let text = text.trim();
    match text.len() {
        0 => Ok(None),
        1..=TEXT_PART_BYTES_MAX => Ok(Some(text.to_owned())),
        bytes => {
            let problem = format!("has {bytes} bytes, at most {TEXT_PART_BYTES_MAX} fit into one message");
            Err(SettingsError::new(key, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use kefu_settings::Settings;

    use super::*;

    fn read(key: &str, value: &str) -> Result<Replies, SettingsError> {
        let settings = Settings::reference_only().unwrap().with(key, value);
        Replies::read(&settings.section("reply").unwrap())
    }

    #[test]
    fn short_words_are_warned_of_under_their_key() {
        let lines = |key, value| -> Vec<String> {
            let warnings = read(key, value).unwrap().warnings();
            warnings.iter().map(ToString::to_string).collect()
        };
        let expected = "the word \"人\" is so short that it stands in many messages";
        assert_eq!(
            lines("reply.handover_keywords", "人,转人工"),
            [format!("reply.handover_keywords: {expected}")]
        );
        assert_eq!(
            lines("reply.rules", "人,退款 => 好"),
            [format!("reply.rules: {expected}")]
        );
        assert!(lines("reply.fallback", "好").is_empty(), "the reference itself");
    }

    #[test]
    fn the_words_of_the_reference_tell_wishes_from_mentions() {
        let replies = read("reply.fallback", "好").unwrap();
        for (text, expected) in [
            ("转人工", true),
            ("叫个人来", true),
            ("可以换真人吗", true),
            ("I want a human", true),
            ("人工智能是什么？", false),
            ("不用转人工，谢谢", false),
            ("human rights", false),
        ] {
            assert_eq!(replies.handover_keywords.hit(text), expected, "{text}");
        }
    }

    #[test]
    fn texts_that_cannot_be_said_are_refused() {
        let refused = |key: &str, value: &str| {
            let error = read(key, value).err().map(|error| error.to_string());
            error.unwrap_or_else(|| panic!("{key} = {value} is taken"))
        };
        let long = "长".repeat(700);
        let expected = "has 2100 bytes, at most 2048 fit into one message";
        assert_eq!(
            refused("reply.handover", &long),
            format!("reply.handover: {expected}")
        );
        assert_eq!(
            refused("reply.pool_text", &long),
            format!("reply.pool_text: {expected}")
        );
        assert_eq!(
            refused("reply.pool_wait", "25h"),
            "reply.pool_wait: is at most 24h"
        );
        let silent = Settings::reference_only().unwrap().with("reply.pool_text", " ");
        let silent = silent.with("reply.pool_wait", "1m");
        let error = Replies::read(&silent.section("reply").unwrap()).err().unwrap();
        assert_eq!(error.key(), "reply.pool_text");
        assert_eq!(read("reply.handover", " ").unwrap().handover, None);
        assert_eq!(read("reply.pool_wait", "0s").unwrap().waiting, None);
    }

    #[test]
    fn an_unknown_word_is_refused() {
        let error = read("reply.handover_match", "fuzzy").err().unwrap();
        assert_eq!(
            error.to_string(),
            "reply.handover_match: is intent, word or contains"
        );
        let error = read("reply.handover_off_duty", "queue").err().unwrap();
        assert_eq!(error.to_string(), "reply.handover_off_duty: is tell or wait");
    }
}
