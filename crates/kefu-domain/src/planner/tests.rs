//! Long texts and their parts.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;

/// The text without any white space, as cuts swallow it.
fn packed(text: &str) -> String {
    text.split_whitespace().collect()
}

#[track_caller]
fn check(text: &str, parts_max: u32) -> Vec<String> {
    let parts = plan_text(text, parts_max);
    assert!(parts.len() <= parts_max as usize);
    for part in &parts {
        assert!(
            part.len() <= TEXT_PART_BYTES_MAX && !part.trim().is_empty(),
            "{}",
            part.len()
        );
    }
    parts
}

/// `piece` behind so much text that a part ends within it.
#[track_caller]
fn stays_whole(piece: &str) {
    for room in [1, piece.len() / 2, piece.len() - 1] {
        for filler in ["字", "词。字", "word "] {
            let before = filler.repeat((TEXT_PART_BYTES_MAX - room) / filler.len());
            let text = format!("{before}{piece}请点开。{}", "乙".repeat(200));
            let parts = check(&text, 5);
            assert!(
                parts.iter().any(|part| part.contains(piece)),
                "{piece}: {parts:?}"
            );
            assert_eq!(packed(&parts.concat()), packed(&text));
        }
    }
}

#[test]
fn a_short_text_is_one_part_and_nothing_is_none() {
    assert_eq!(plan_text(" 您好 ", 5), ["您好"]);
    assert!(plan_text(" \n ", 5).is_empty());
    assert!(plan_text("您好", 0).is_empty());
}

#[test]
fn cuts_at_a_line_break_before_the_limit() {
    let text = format!("{}\n{}", "甲".repeat(600), "乙".repeat(600));
    assert_eq!(plan_text(&text, 5), ["甲".repeat(600), "乙".repeat(600)]);
}

#[test]
fn the_last_part_says_that_it_was_cut() {
    let parts = check(&"字".repeat(5000), 2);
    assert_eq!(parts.len(), 2);
    assert!(parts[1].ends_with(ELLIPSIS));
    let parts = check(
        &format!("{}https://a.example/{}", "字".repeat(670), "x".repeat(50)),
        1,
    );
    assert_eq!(parts, [format!("{}…", "字".repeat(670))]);
}

#[test]
fn what_is_one_thing_stays_whole() {
    stays_whole(
        "https://shop.example.com/orders/2026/11/27/detail.html?id=1234567890&from=wechat.kefu&sign=abcdef",
    );
    stays_whole("http://127.0.0.1:8080/a_b/(c)?d=e.f!g");
    stays_whole("weixin://dl/business/?ticket=abc.def");
    stays_whole("www.shop.example/a/b.html?c=d");
    stays_whole("shop.example/path/to/file_v2.0.1.pdf");
    stays_whole("first.last+tag@mail.example.com");
    stays_whole("1,234,567.89");
    stays_whole("2026-11-27T12:30:00.000Z");
    stays_whole("110101********1234");
    stays_whole("c******l@g****.com");
    stays_whole("user__guide__v2.pdf");
    stays_whole("SF1234567890123");
    stays_whole("6222 **** **** 1234");
    stays_whole("138 1234 5678");
    stays_whole("张**先生");
    stays_whole("¥1234.50");
    stays_whole("👨‍👩‍👧‍👦");
    stays_whole("🇨🇳");
    stays_whole("e\u{301}\u{302}\u{303}");
    stays_whole("Привет");
}

#[test]
fn an_address_that_only_just_fits_into_a_part_stays_whole() {
    let address = format!("https://a.example/{}", "x".repeat(TEXT_PART_BYTES_MAX - 18));
    assert_eq!(address.len(), TEXT_PART_BYTES_MAX);
    let parts = check(&format!("请看{address}谢谢"), 5);
    assert_eq!(parts, ["请看".to_owned(), address, "谢谢".to_owned()]);
}

#[test]
fn what_is_longer_than_a_part_is_cut_and_not_lost() {
    for piece in [
        "x",
        "https://a.example/?x=",
        "12",
        "e\u{301}",
        "{\"key\":\"value\",\"n\":1.5},",
        "*",
        "\u{301}",
    ] {
        let text = format!("甲{}", piece.repeat(6000 / piece.len()));
        assert_eq!(packed(&check(&text, 9).concat()), text, "{piece}");
    }
    let family = format!("a{}b", "👨\u{200d}".repeat(1000));
    assert_eq!(packed(&check(&family, 9).concat()), family);
    let list = (0..200)
        .map(|at| format!("https://a.example/{at}?x=y"))
        .collect::<Vec<_>>();
    let parts = check(&list.join(","), 9);
    for address in list {
        assert!(parts.iter().any(|part| part.contains(&address)), "{address}");
    }
}

#[test]
fn sentences_stay_whole_while_the_parts_allow_it() {
    let sentence = |at: usize| {
        format!(
            "第{at}条：版本 v2.0.{at} 见 https://a.example/{at}.html，价格 {at}.50 元{}。",
            "字".repeat(at % 97)
        )
    };
    let text: String = (0..40).map(sentence).collect();
    let parts = check(&text, 5);
    assert!(parts.iter().all(|part| part.ends_with('。')), "{parts:?}");
    let english: String = (0..100)
        .map(|at| format!("Item {at} costs 3.{at} dollars, e.g. at shop.example today. "))
        .collect();
    let parts = check(&english, 5);
    assert!(parts.iter().all(|part| part.ends_with("today.")), "{parts:?}");
    let long = format!("{}。{}", "甲".repeat(150), "乙".repeat(600));
    assert_eq!(check(&long, 5)[0].chars().count(), 151);
}

#[test]
fn without_sentences_lines_clauses_and_blanks_are_next() {
    let ends = |piece: &str, end: &str| {
        let parts = check(piece.repeat(4000 / piece.len()).trim(), 5);
        assert!(parts.iter().all(|part| part.ends_with(end)), "{piece}: {parts:?}");
    };
    ends("- 第一项 v1.2，共 3.5 元\n", "元");
    ends("一二三四五六七，甲乙丙丁，", "，");
    let parts = check(&"some words without any end ".repeat(150), 5);
    let words = ["some", "words", "without", "any", "end"];
    assert!(
        parts
            .iter()
            .all(|part| words.iter().any(|word| part.ends_with(&format!(" {word}"))))
    );
}

#[test]
fn code_keeps_its_indentation_in_the_next_part() {
    let text = format!("{}\n\n    indented\n  less", "甲".repeat(680));
    assert_eq!(check(&text, 5)[1], "    indented\n  less");
}

#[test]
fn a_long_text_is_cut_in_linear_time() {
    let started = std::time::Instant::now();
    for piece in [
        "字", "x", "https://", "*", "\u{301}", "🇨🇳", " ", "\n ", "。", "www.a ",
    ] {
        check(&format!("a{}b", piece.repeat(1_000_000 / piece.len())), 5);
    }
    assert!(
        started.elapsed() < std::time::Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "https://a.example/x_y?z=1.5&sign=abc",
            "www.b.example/p",
            "138****5678",
            "c**l@g**.example",
            "张**先生",
            "👨‍👩‍👧‍👦",
            "🇨🇳",
            "e\u{301}",
            "1,234.56",
            "v2.0.1",
            "file_v2.pdf",
            "。",
            "！",
            "\n",
            "\n\n    ",
            " ",
            "e.g. ",
        ])
        .prop_map(str::to_owned),
        "[一-龥]{1,40}",
        "[a-z]{1,12} ?",
        "\\PC{1,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn parts_are_few_short_and_never_empty(text in "[\\PC\\n]{0,3000}", parts_max in 1u32..6) {
        check(&text, parts_max);
    }

    #[test]
    fn nothing_is_lost_while_the_budget_lasts(text in "[a-z \\n]{0,6000}") {
        prop_assert_eq!(packed(&plan_text(&text, 5).concat()), packed(&text));
    }

    #[test]
    fn no_address_and_no_sign_is_cut(pieces in prop::collection::vec(piece(), 0..400)) {
        let text = pieces.concat();
        let text = text.trim();
        let parts = check(text, 100);
        prop_assert_eq!(packed(&parts.concat()), packed(text));
        let signs: std::collections::HashSet<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
        let addresses = crate::address::addresses(text);
        let mut from = 0;
        for part in &parts {
            let start = from + text[from..].find(part.as_str()).unwrap();
            from = start + part.len();
            prop_assert!(from == text.len() || signs.contains(&from));
            prop_assert!(addresses.iter().all(|address| !(address.start < from && from < address.end)));
        }
    }
}
