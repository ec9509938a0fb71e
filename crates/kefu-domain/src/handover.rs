//! Whether a customer asks for a person: a word of a list, read with what stands around it.
//!
//! It hides how a wish is told from a longer word (人工智能), a refusal (不要人工) and a question about the thing
//! (你是人工吗). In doubt it is a wish: who is handed over without need is answered by a person, who is not asks again.

mod chinese;
mod clause;
mod english;
mod longer;

use std::ops::Range;

use thiserror::Error;

use crate::words::{Words, fold, places};
use clause::{Clause, clauses, simplified};
use longer::{BUILT_IN, straddles};

/// Most places of one word that are looked at in a clause, which nobody need end: a wish stands in the first.
const PLACES_MAX: usize = 20;

/// What a word of the list must be to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandoverMatch {
    /// A wish: no part of a longer word, not refused, not asked about.
    #[default]
    Intent,
    /// No part of a longer word.
    Word,
    /// Anywhere.
    Contains,
}

#[derive(Debug, Error, PartialEq, Eq)]
#[error("is intent, word or contains")]
pub struct InvalidMatch;

impl HandoverMatch {
    pub fn parse(word: &str) -> Result<HandoverMatch, InvalidMatch> {
        match word {
            "intent" => Ok(HandoverMatch::Intent),
            "word" => Ok(HandoverMatch::Word),
            "contains" => Ok(HandoverMatch::Contains),
            _ => Err(InvalidMatch),
        }
    }
}

/// Words with which a customer asks for a person, and the longer words they do not count in.
#[derive(Clone, Debug, Default)]
pub struct HandoverKeywords {
    words: Words,
    /// Words with marks in them, such as `t.o.p`: clauses are cut there, so they count anywhere.
    marked: Words,
    longer: Words,
    matching: HandoverMatch,
}

impl HandoverKeywords {
    /// Both lists are words with commas between; `exceptions` are longer words beside the built-in ones.
    pub fn parse(words: &str, exceptions: &str, matching: HandoverMatch) -> HandoverKeywords {
        let mut longer = Words::parse(&simplified(exceptions));
        for list in BUILT_IN {
            longer.extend(Words::parse(list));
        }
        let (words, marked) = Words::parse(&simplified(words)).split(is_clause);
        HandoverKeywords {
            words,
            marked,
            longer,
            matching,
        }
    }

    /// Whether a message asks for a person.
    pub fn hit(&self, text: &str) -> bool {
        let folded = || fold(&simplified(text));
        let all = || self.words.iter().chain(self.marked.iter());
        match self.matching {
            HandoverMatch::Contains => {
                let folded = folded();
                all().any(|word| folded.contains(word))
            }
            HandoverMatch::Word => {
                let folded = folded();
                all().any(|word| self.whole_places(&folded, word).next().is_some())
            }
            HandoverMatch::Intent => self.wished(text),
        }
    }

    /// Words that stand in nearly every text.
    pub fn short_words(&self) -> impl Iterator<Item = &str> {
        self.words.short()
    }

    /// The last word counts: a clause that takes everything back undoes the wishes before it.
    fn wished(&self, text: &str) -> bool {
        let folded = fold(&simplified(text));
        let mut wished = self.marked.iter().any(|word| folded.contains(word));
        for clause in clauses(&folded) {
            match clause.takes_back() {
                true => wished = false,
                false => wished |= self.words.iter().any(|word| self.wished_in(&clause, word)),
            }
        }
        wished
    }

    fn wished_in(&self, clause: &Clause, word: &str) -> bool {
        self.whole_places(&clause.text, word).any(|place| {
            let person = chinese::core(word);
            let core = person.as_ref().map_or(place.clone(), |core| {
                place.start + core.start..place.start + core.end
            });
            let around = Around {
                person: person.is_some(),
                before: &clause.text[..core.start],
                after: &clause.text[core.end..],
                asks: clause.asks,
            };
            match word.is_ascii() {
                true => !chinese::refused(&around) && english::is_wish(&around),
                false => !english::refused(around.before) && chinese::is_wish(&around),
            }
        })
    }

    /// Where the word stands and no longer word covers it.
    fn whole_places<'a>(&'a self, text: &'a str, word: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
        places(text, word).take(PLACES_MAX).filter(move |place| {
            let covered = |longer: &str| {
                let from = text.floor_char_boundary(place.start.saturating_sub(longer.len()));
                let to = text.ceil_char_boundary(place.end + longer.len());
                text[from..to]
                    .match_indices(longer)
                    .map(|(at, found)| from + at..from + at + found.len())
                    .any(|span| covers(&span, place))
            };
            !self.longer.iter().any(covered) && !straddles(text, place)
        })
    }
}

/// Whether a word is found in the text of a clause as it is written.
fn is_clause(word: &str) -> bool {
    matches!(clauses(word).as_slice(), [clause] if clause.text == word)
}

/// Whether a longer word takes a part of the place, and is no part of the keyword itself.
fn covers(longer: &Range<usize>, place: &Range<usize>) -> bool {
    let overlap = longer.start < place.end && place.start < longer.end;
    let within = place.start <= longer.start && longer.end <= place.end;
    overlap && !within
}

/// A place of a word, with the clause around it.
struct Around<'a> {
    /// The word names a person, and only that part of it is the place.
    person: bool,
    before: &'a str,
    after: &'a str,
    /// The clause ends with a question mark.
    asks: bool,
}

#[cfg(test)]
mod tests;
