use thiserror::Error;

use crate::words::{Words, fold};

/// Most rules one settings text may hold.
const RULES_MAX: usize = 1000;

/// Why a rules text cannot be used. Lines count from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InvalidRule {
    /// Most often a line break that TOML has made of a `\n`.
    #[error(
        "line {line} is not `word, word => answer`; a new line within an answer is written `\\n`, \
         between \"\"\" in TOML `\\\\n`"
    )]
    Shape { line: usize },
    #[error("line {line} has no word before `=>`")]
    NoWord { line: usize },
    #[error("line {line} has no answer after `=>`")]
    NoAnswer { line: usize },
    #[error("more than {RULES_MAX} rules")]
    TooMany,
}

/// Fixed answers to words: `word, word => answer`, one rule a line, the first hit wins.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    words: Words,
    answer: String,
}

impl Rules {
    /// Empty lines and lines that start with `#` are skipped; `\n` in an answer is a line break.
    pub fn parse(text: &str) -> Result<Rules, InvalidRule> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (words, answer) = line
                .split_once("=>")
                .ok_or(InvalidRule::Shape { line: line_number })?;
            let words = Words::parse(words);
            if words.is_empty() {
                return Err(InvalidRule::NoWord { line: line_number });
            }
            let answer = answer.trim().replace("\\n", "\n");
            if answer.is_empty() {
                return Err(InvalidRule::NoAnswer { line: line_number });
            }
            rules.push(Rule { words, answer });
        }
        if RULES_MAX < rules.len() {
            return Err(InvalidRule::TooMany);
        }
        Ok(Rules(rules))
    }

    /// The answer of the first rule with a word that stands in `text`. English words stand there as whole words.
    pub fn answer(&self, text: &str) -> Option<&str> {
        let folded = fold(text);
        self.0
            .iter()
            .find(|rule| rule.words.hit(&folded))
            .map(|rule| rule.answer.as_str())
    }

    /// Words that stand in nearly every text.
    pub fn short_words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| rule.words.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hit_wins_and_case_is_folded() {
        let rules =
            Rules::parse("# hours\nhours，营业 => 9:00-18:00\nHOURS, refund => later\\nperhaps").unwrap();
        assert_eq!(rules.answer("What are your Hours?"), Some("9:00-18:00"));
        assert_eq!(rules.answer("REFUND please"), Some("later\nperhaps"));
        assert_eq!(rules.answer("你好"), None);
    }

    #[test]
    fn an_unreadable_rule_is_named_by_its_line() {
        let check = |text: &str, expected: InvalidRule| assert_eq!(Rules::parse(text).unwrap_err(), expected);
        check("\nno arrow", InvalidRule::Shape { line: 2 });
        check(" , => x", InvalidRule::NoWord { line: 1 });
        check("a =>", InvalidRule::NoAnswer { line: 1 });
    }

    #[test]
    fn rules_are_read_as_the_reference_says() {
        let text = r"
            # 售后
            退款、退货，refund, return => 请在订单页面申请。\n谢谢！

            运费 => 满 99 元包邮 => 未满 8 元
            营业时间=>9:00 到 21:00  # 节假日除外
            #停用 => 不会说
        ";
        let rules = Rules::parse(text).unwrap();
        let check = |asked: &str, answer: Option<&str>| assert_eq!(rules.answer(asked), answer, "{asked}");
        for asked in ["怎么退款", "我要退货", "Refund?", "a return"] {
            check(asked, Some("请在订单页面申请。\n谢谢！"));
        }
        check("运费多少", Some("满 99 元包邮 => 未满 8 元"));
        check("营业时间", Some("9:00 到 21:00  # 节假日除外"));
        for asked in ["停用", "售后", "、", "满 99 元"] {
            check(asked, None);
        }
    }

    #[test]
    fn a_line_break_that_toml_has_made_is_named_with_what_to_write() {
        let error = Rules::parse("退款 => 一\n二").unwrap_err().to_string();
        let expected =
            r#"line 2 is not `word, word => answer`; a new line within an answer is written `\n`, "#;
        assert_eq!(error, format!(r#"{expected}between """ in TOML `\\n`"#));
    }

    #[test]
    fn an_english_word_of_a_rule_is_no_part_of_another() {
        let rules = Rules::parse("hi => hello\nrefund => three days").unwrap();
        assert_eq!(rules.answer("Which shop is this?"), None);
        assert_eq!(rules.answer("hi！"), Some("hello"));
        assert_eq!(rules.answer("are refunds free"), Some("three days"));
        assert_eq!(rules.answer("ＨＩ"), Some("hello"));
        assert_eq!(rules.short_words().collect::<Vec<_>>(), ["hi"]);
    }
}
