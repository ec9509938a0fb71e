//! What is said without asking a model, and when: the section `reply`, read and checked.

use kefu_domain::{HandoverKeywords, HandoverMatch, Rules};
use kefu_settings::SettingsError;

use crate::ReplySettings;

pub(crate) struct Replies {
    pub(crate) rules: Rules,
    pub(crate) fallback: String,
    pub(crate) welcome: String,
    pub(crate) handover_keywords: HandoverKeywords,
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
    fn an_unknown_way_of_matching_is_refused() {
        let error = read("reply.handover_match", "fuzzy").err().unwrap();
        assert_eq!(
            error.to_string(),
            "reply.handover_match: is intent, word or contains"
        );
    }
}
