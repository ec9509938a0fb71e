//! Requests in English: what is refused, what is asked about, and what is a wish.

use super::Around;

/// Words that turn a wish into its opposite, when they stand before it.
const REFUSALS: &[&str] = &[
    "no",
    "not",
    "dont",
    "don't",
    "never",
    "without",
    "nor",
    "neither",
    "doesn't",
    "didn't",
    "isn't",
    "aren't",
    "wasn't",
    "won't",
    "wouldn't",
    "shouldn't",
    "stop",
    "avoid",
    "cancel",
];
/// Before a refusal these make it a complaint that nobody comes: "why not", "if you don't".
const COMPLAINTS: &[&str] = &["why", "if", "unless", "how"];
/// "you are not" tells, "why is there no" asks.
const SUBJECTS: &[&str] = &["you", "this", "it", "that", "he", "she", "they", "bot"];
/// Words with which a new thought begins: what was refused before it is something else.
const NEW_THOUGHTS: &[&str] = &[
    "i", "but", "please", "let", "give", "get", "connect", "transfer", "just", "instead", "so", "then",
];
/// Behind a refusal these tell what failed.
const FAILED: &[&str] = &[
    "working",
    "work",
    "helping",
    "helpful",
    "useful",
    "answering",
    "understand",
    "understanding",
];
/// Words that go before a person without a meaning of their own.
const ARTICLES: &[&str] = &[
    "a", "an", "the", "real", "actual", "live", "any", "some", "really", "even", "another",
];
/// One of these makes a long clause a wish.
const WISHES: &[&str] = &[
    "want", "wants", "wanna", "need", "needs", "talk", "speak", "chat", "connect", "transfer", "get", "give",
    "switch", "find", "reach", "contact", "call", "like", "love", "prefer", "please", "pls", "can", "could",
    "may", "have", "put", "pass", "escalate", "hand", "where", "send", "let", "help", "request", "require",
    "demand", "bring", "any", "there", "see", "but",
];
/// What may follow a person in a short clause: anything else makes a name or a term of it (human milk).
const MAY_FOLLOW: &[&str] = &[
    "agent",
    "agents",
    "support",
    "help",
    "please",
    "pls",
    "plz",
    "now",
    "service",
    "customer",
    "representative",
    "rep",
    "operator",
    "person",
    "people",
    "being",
    "assistance",
    "assistant",
    "staff",
    "here",
    "there",
    "asap",
    "thanks",
    "thank",
    "immediately",
    "again",
    "today",
    "not",
    "only",
    "chat",
    "team",
    "to",
    "for",
    "instead",
    "who",
    "human",
    "real",
    "live",
    "urgently",
    "quick",
    "quickly",
    "someone",
    "reply",
    "answer",
    "s",
];
/// A clause with at most so many words beside the person is a wish as it stands: "human please", "a real human now".
const SHORT: usize = 3;

/// Whether the clause says before the word that it is not wanted.
pub(super) fn refused(before: &str) -> bool {
    let words = words(before);
    let last = (0..words.len()).rev().find(|at| REFUSALS.contains(&words[*at]));
    let Some(last) = last.filter(|at| !complains(&words, *at)) else {
        return false;
    };
    // "this is not working human please": what failed, no refusal.
    if words.get(last + 1).is_some_and(|word| FAILED.contains(word)) {
        return false;
    }
    // "I do not want a bot I want a human": a refusal of the first. But "do not get me a human" is one of the second.
    let begins_anew = |at: usize| {
        let is_verb = ["let", "give", "get", "connect", "transfer"].contains(&words[at]);
        // "you do not need to get me a human": of the same thought.
        let goes_on = at == last + 1 || words[at - 1] == "to";
        NEW_THOUGHTS.contains(&words[at]) && !(is_verb && goes_on)
    };
    !(last + 1..words.len()).any(begins_anew)
}

/// "why don't you", "is there no", "isn't there".
fn complains(words: &[&str], refusal: usize) -> bool {
    let earlier = &words[..refusal];
    let asks = match earlier {
        [] => words[0].ends_with("n't") && 1 < words.len() && ["you", "there", "i"].contains(&words[1]),
        [.., subject, "is" | "are"] => !SUBJECTS.contains(subject),
        [.., "there"] | ["is" | "are"] => true,
        _ => false,
    };
    asks || earlier.iter().any(|word| COMPLAINTS.contains(word))
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

/// Whether the clause asks for the person that stands between `before` and `after`.
pub(super) fn is_wish(around: &Around<'_>) -> bool {
    if refused(around.before) || refused_behind(around.after) || is_about(around) {
        return false;
    }
    let words = [words(around.before), words(around.after)].concat();
    // A Chinese clause with an English word in it is short of words and rich in sense.
    let is_chinese = |word: &&str| !word.is_ascii();
    let next = around.after.split(' ').find(|word| !word.is_empty());
    // The plural's ending stands behind the word.
    let is_short = words.len() <= SHORT && next.is_none_or(|next| MAY_FOLLOW.contains(&next));
    let is_there = next.is_some_and(|next| ["available", "online", "around", "free"].contains(&next));
    is_short || is_there || words.iter().any(is_chinese) || words.iter().any(|word| WISHES.contains(word))
}

/// "a human is not needed", "human not required".
fn refused_behind(after: &str) -> bool {
    let after = after.trim_start();
    ["is not ", "isn't ", "not ", "is un", "un"]
        .iter()
        .any(|refusal| after.starts_with(refusal) || after.contains(&format!(" {refusal}")))
        && ["need", "necessary", "required", "wanted"]
            .iter()
            .any(|word| after.contains(word))
}

/// "are you a human", "am I talking to a human", "a human told me".
fn is_about(around: &Around<'_>) -> bool {
    let mut words = words(around.before);
    while words.last().is_some_and(|word| ARTICLES.contains(word)) {
        words.pop();
    }
    let talks = words.last().is_some_and(|word| ["to", "with"].contains(word))
        && words
            .iter()
            .any(|word| ["talking", "speaking", "chatting"].contains(word))
        && (words.contains(&"am") || words.contains(&"i'm"));
    let told = around.after.split(' ').find(|word| !word.is_empty());
    let hours = ["hours", "open", "work", "working"];
    let hours = around.after.split(' ').any(|word| hours.contains(&word));
    // "why would I need a human", "bot or human".
    let asks = words.starts_with(&["why", "would"]) || words.ends_with(&["or"]);
    let told = told.is_some_and(|word| ["told", "said", "promised", "answered", "wrote"].contains(&word));
    const IDENTITY: &[&[&str]] = &[
        &["are", "you"],
        &["you", "are"],
        &["you're"],
        &["i", "am"],
        &["i'm"],
        &["r", "u"],
        &["is", "this"],
        &["this", "is"],
        &["is", "it"],
        &["it", "is"],
        &["it's"],
        &["is", "that"],
    ];
    let is_identity = IDENTITY.iter().any(|ending| words.ends_with(ending));
    is_identity || words == ["you"] || words == ["u"] || talks || told || hours || asks
}
