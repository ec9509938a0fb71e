//! A message cut into clauses: what is refused in one may be wished for in the next.

/// A clause, its spaces single, its quotation marks gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) text: String,
    /// It ends with a question mark.
    pub(super) asks: bool,
}

/// What a clause is that takes a wish back, particles at its end aside.
const TAKEN_BACK: &[&str] = &[
    "算了",
    "还是算了",
    "算了不用",
    "不用",
    "先不用",
    "暂时不用",
    "不需要",
    "暂时不需要",
    "不必",
    "免了",
    "没事",
    "没事了",
    "不转",
    "不找",
    "取消",
    "never mind",
    "nevermind",
    "no thanks",
    "no thank you",
    "no need",
    "forget it",
    "not needed",
    "not necessary",
];

/// Polite or empty words at the end of such a clause.
const PARTICLES: &[&str] = &[
    "谢谢你",
    "谢谢您",
    "谢谢",
    "谢",
    "了",
    "啦",
    "吧",
    "啊",
    "哈",
    "哦",
    "呀",
    " thanks",
    " thank you",
    " please",
    " ",
];

impl Clause {
    pub(super) fn takes_back(&self) -> bool {
        let mut rest = self.text.as_str();
        loop {
            if TAKEN_BACK.contains(&rest) {
                return true;
            }
            match PARTICLES.iter().find_map(|particle| rest.strip_suffix(particle)) {
                Some(shorter) => rest = shorter,
                None => return false,
            }
        }
    }
}

/// Cuts a folded text at everything that is neither letter, digit nor space.
pub(super) fn clauses(text: &str) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut current = String::new();
    for character in text.chars() {
        match character {
            // Marks around a word that is quoted, and what draws emoji and sets text direction.
            '“'
            | '”'
            | '‘'
            | '"'
            | '「'
            | '」'
            | '『'
            | '』'
            | '\u{200b}'..='\u{200f}'
            | '\u{feff}'
            | '\u{fe0f}' => {}
            '’' | '\'' => current.push('\''),
            '-' | '_' => current.push(' '),
            _ if character.is_alphanumeric() => current.push(character),
            '\n' | '\r' => end(&mut clauses, &mut current, false),
            _ if character.is_whitespace() => current.push(' '),
            _ => end(&mut clauses, &mut current, character == '?'),
        }
    }
    end(&mut clauses, &mut current, false);
    // 转！人！工！
    let one_by_one = clauses.iter().all(|clause| is_one_chinese(&clause.text));
    if 1 < clauses.len() && one_by_one {
        let text = clauses.iter().map(|clause| clause.text.as_str()).collect();
        let asks = clauses.iter().any(|clause| clause.asks);
        return vec![Clause { text, asks }];
    }
    clauses
}

fn is_one_chinese(word: &str) -> bool {
    word.chars().count() == 1 && !word.is_ascii()
}

fn end(clauses: &mut Vec<Clause>, current: &mut String, asks: bool) {
    let words: Vec<&str> = current.split(' ').filter(|word| !word.is_empty()).collect();
    // Characters one by one, as people write who take the word for filtered: 转 人 工.
    let between = match 1 < words.len() && words.iter().all(|word| is_one_chinese(word)) {
        true => "",
        false => " ",
    };
    let text = words.join(between);
    current.clear();
    match (text.is_empty(), clauses.last_mut()) {
        (false, _) => clauses.push(Clause { text, asks }),
        // "?!" belongs to the clause before.
        (true, Some(last)) => last.asks |= asks,
        (true, None) => (),
    }
}

/// Traditional characters that occur in requests, and their simplified forms in the same places.
const TRADITIONAL: &str = "轉請幫給個為麼嗎沒別還時點電話號換聯係繫務無費廠資樣說訴問們來誰機動聽間關閉結過開線熱實懂應該會現對話單幾讓會員";
const SIMPLIFIED: &str = "转请帮给个为么吗没别还时点电话号换联系系务无费厂资样说诉问们来谁机动听间关闭结过开线热实懂应该会现对话单几让会员";

/// The text in simplified characters, as far as requests for a person need it.
pub(super) fn simplified(text: &str) -> String {
    text.chars()
        .map(|character| {
            TRADITIONAL
                .chars()
                .zip(SIMPLIFIED.chars())
                .find(|(traditional, _)| *traditional == character)
                .map_or(character, |(_, simple)| simple)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_marks_and_emoji() {
        let text = "不要机器人，我要人工！！ 🙏还在吗?!\n“好”的";
        let texts: Vec<_> = clauses(text)
            .into_iter()
            .map(|clause| (clause.text, clause.asks))
            .collect();
        let expected = [
            ("不要机器人", false),
            ("我要人工", false),
            ("还在吗", true),
            ("好的", false),
        ];
        assert_eq!(texts, expected.map(|(text, asks)| (text.to_owned(), asks)));
    }

    #[test]
    fn characters_that_stand_apart_are_one_word() {
        assert_eq!(clauses("转 人 工")[0].text, "转人工");
        assert_eq!(clauses("a b  c")[0].text, "a b c");
    }

    #[test]
    fn both_tables_of_characters_are_equally_long() {
        assert_eq!(TRADITIONAL.chars().count(), SIMPLIFIED.chars().count());
        assert_eq!(simplified("轉人工，為什麼"), "转人工，为什么");
    }
}
