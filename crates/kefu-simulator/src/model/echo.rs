//! The simulated model's answer to texts without a tag: each line that was written, in its order, so that a
//! person sees that nothing was passed over. It fits into one message of WeCom, and says what it leaves out.

use unicode_segmentation::UnicodeSegmentation as _;

/// What one text message of WeCom may hold, in bytes (doc 90236).
const TEXT_BYTES_MAX: usize = 2_048;
/// How much of a line comes back, in characters as people count them: the first of these with which all fits.
const LINE_MAX: [usize; 5] = [200, 80, 40, 20, 8];
/// One such character may be a long pile of marks; more of a line is cut off at once.
const LINE_BYTES_MAX: usize = 600;
/// Room for what says how many lines are left out.
const REST_BYTES: usize = 64;
const SPEAKER: &str = "（演示模型）";

pub(super) fn echo(texts: &[String]) -> String {
    let lines: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines[..] {
        [] => format!("{SPEAKER}您好"),
        [only] => format!("{SPEAKER}您说：{}", shortened(only, LINE_MAX[0])),
        _ => several(&lines),
    }
}

fn several(lines: &[&str]) -> String {
    let with = |characters_max: usize| {
        let shown = lines
            .iter()
            .map(|line| format!("\n{}", shortened(line, characters_max)));
        format!("{SPEAKER}您说：{}", shown.collect::<String>())
    };
    let whole = LINE_MAX
        .into_iter()
        .map(with)
        .find(|text| text.len() <= TEXT_BYTES_MAX);
    whole.unwrap_or_else(|| {
        let mut text = format!("{SPEAKER}您说：");
        for (number, line) in lines.iter().enumerate() {
            let line = shortened(line, LINE_MAX[LINE_MAX.len() - 1]);
            if TEXT_BYTES_MAX - REST_BYTES < text.len() + 1 + line.len() {
                text.push_str(&format!("\n……还有 {} 行", lines.len() - number));
                break;
            }
            text.push('\n');
            text.push_str(&line);
        }
        text
    })
}

/// The beginning of a line, never cut inside a character, with a sign where something is missing.
fn shortened(line: &str, characters_max: usize) -> String {
    let end = line
        .grapheme_indices(true)
        .map(|(start, character)| start + character.len())
        .take(characters_max)
        .take_while(|end| *end <= LINE_BYTES_MAX)
        .last()
        .unwrap_or(0);
    match line.len() == end {
        true => line.to_owned(),
        false => format!("{}…", &line[..end]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(texts: &[&str], expected: &str) {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(echo(&texts), expected);
    }

    #[test]
    fn one_line_stands_beside_the_speaker_and_several_below() {
        check(&["你好"], "（演示模型）您说：你好");
        check(&["  \n你好\n "], "（演示模型）您说：你好");
        check(&["一", "二", "三"], "（演示模型）您说：\n一\n二\n三");
        check(&["一\r\n二", "三"], "（演示模型）您说：\n一\n二\n三");
        check(&["是", "是"], "（演示模型）您说：\n是\n是");
        check(&["", "\n"], "（演示模型）您好");
        check(&[], "（演示模型）您好");
    }

    #[test]
    fn a_long_line_is_shortened_where_it_can_be_seen_and_never_inside_a_character() {
        let family = "👨‍👩‍👧‍👦";
        check(
            &[&family.repeat(201)],
            &format!(
                "（演示模型）您说：{}…",
                family.repeat(LINE_BYTES_MAX / family.len())
            ),
        );
        check(
            &[&"好".repeat(200)],
            &format!("（演示模型）您说：{}", "好".repeat(200)),
        );
        check(
            &[&"好".repeat(201)],
            &format!("（演示模型）您说：{}…", "好".repeat(200)),
        );
    }

    #[test]
    fn many_lines_are_shortened_before_any_is_left_out_and_the_rest_is_counted() {
        let long = "我想问一下这个订单什么时候可以发货呢谢谢";
        let texts = vec![long.repeat(4); 12];
        assert_eq!(echo(&texts).lines().count(), 13);
        let texts: Vec<String> = (1..=500).map(|number| format!("第{number}句话")).collect();
        let text = echo(&texts);
        assert!(
            text.starts_with("（演示模型）您说：\n第1句话\n第2句话\n"),
            "{text}"
        );
        let shown = text.lines().count() - 2;
        assert!(text.ends_with(&format!("\n……还有 {} 行", 500 - shown)), "{text}");
    }

    proptest! {
        #[test]
        fn an_echo_fits_into_one_message(texts in proptest::collection::vec(any::<String>(), 0..60)) {
            prop_assert!(echo(&texts).len() <= TEXT_BYTES_MAX);
        }

        #[test]
        fn short_lines_all_come_back(texts in proptest::collection::vec("[a-z一-龥]{1,8}", 2..40)) {
            let text = echo(&texts);
            prop_assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), texts);
        }
    }
}
