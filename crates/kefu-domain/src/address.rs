//! Addresses in a text: where an URL begins and ends, also beside Chinese without a blank.
//!
//! An address is what has a scheme (`https://…`, `weixin://…`) or begins with `www.`; it is ASCII behind its host, so
//! it ends where Chinese begins. Mail addresses and bare domains are runs of ASCII and need no reading of their own.

use std::ops::Range;

/// Longest scheme that is looked for, in bytes; real ones are shorter.
const SCHEME_BYTES_MAX: usize = 32;

/// The addresses of `text` in their order; they do not overlap. Linear in the text.
pub(crate) fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    while let Some((start, rest)) = next_start(text, from) {
        let end = end_of(text, rest);
        if rest < end {
            found.push(start..end);
        }
        from = end.max(rest);
    }
    found
}

/// Where the next address starts, and where its host does.
fn next_start(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let (offset, mark) = find_first(&text[at..])?;
        let place = at + offset;
        match mark {
            "://" => {
                let scheme = scheme_before(text, place, from);
                if scheme < place {
                    return Some((scheme, place + mark.len()));
                }
            }
            _ if !text[..place].ends_with(|before: char| before.is_ascii_alphanumeric() || before == '.') => {
                return Some((place, place + mark.len()));
            }
            _ => {}
        }
        at = place + mark.len();
    }
}

/// The first `://` or `www.`, whatever its case.
fn find_first(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find_map(|at| match bytes[at] {
        b':' if bytes[at..].starts_with(b"://") => Some((at, "://")),
        b'w' | b'W' if bytes[at..].len() > 4 && bytes[at..at + 4].eq_ignore_ascii_case(b"www.") => {
            Some((at, "www."))
        }
        _ => None,
    })
}

fn scheme_before(text: &str, colon: usize, from: usize) -> usize {
    let bytes = &text.as_bytes()[from..colon];
    let length = bytes
        .iter()
        .rev()
        .take(SCHEME_BYTES_MAX)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        .count();
    let start = bytes.len() - length;
    let letters = bytes[start..]
        .iter()
        .take_while(|byte| !byte.is_ascii_alphabetic())
        .count();
    from + start + letters
}

fn end_of(text: &str, host: usize) -> usize {
    let mut end = host + host_outside_ascii(&text[host..]);
    let tail = &text.as_bytes()[end..];
    end += tail
        .iter()
        .enumerate()
        .take_while(|(at, byte)| is_address_byte(**byte) && !begins_another(&tail[*at..]))
        .count();
    trimmed(text, host, end)
}

/// A host such as `例子.中国`, up to its port or path; 0 when it is no such host.
fn host_outside_ascii(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii()) {
        return 0;
    }
    let length = text
        .find(|sign: char| !(sign.is_alphanumeric() || matches!(sign, '.' | '-')))
        .unwrap_or(text.len());
    let host = &text[..length];
    if host.contains('.') && !host.ends_with('.') {
        length
    } else {
        0
    }
}

fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'<' | b'>' | b'"' | b'`' | b'^' | b'{' | b'}' | b'|' | b'\\'
        )
}

/// `https://a.example,https://b.example` and `[https://a.example](https://b.example)`: two addresses, not one.
fn begins_another(tail: &[u8]) -> bool {
    tail.starts_with(b"](")
        || matches!(tail.first(), Some(b',' | b';'))
            && (tail[1..].starts_with(b"http://") || tail[1..].starts_with(b"https://"))
}

/// Without the punctuation and the brackets of the sentence around it, and without the stars of bold.
fn trimmed(text: &str, host: usize, mut end: usize) -> usize {
    let count = |range: Range<usize>, bracket: u8| {
        text.as_bytes()[range]
            .iter()
            .filter(|byte| **byte == bracket)
            .count()
    };
    let mut surplus = [(b'(', b')'), (b'[', b']')].map(|(open, close)| {
        (
            close,
            count(host..end, close).saturating_sub(count(host..end, open)),
        )
    });
    while host < end {
        let last = text.as_bytes()[end - 1];
        let closes = surplus
            .iter_mut()
            .find(|(close, left)| *close == last && 0 < *left);
        match (closes, last) {
            (Some((_, left)), _) => *left -= 1,
            (None, b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'*' | b'(' | b'[') => {}
            (None, b'~') if text[..end].ends_with("~~") => {}
            _ => break,
        }
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = addresses(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn an_address_ends_where_chinese_begins() {
        check(
            "请看https://x.example/a?id=1&sign=abc请点开。",
            &["https://x.example/a?id=1&sign=abc"],
        );
        check(
            "见http://127.0.0.1:8080/a_b_，谢谢",
            &["http://127.0.0.1:8080/a_b_"],
        );
        check("打开weixin://dl/x_y_即可", &["weixin://dl/x_y_"]);
        check("官网www.shop.example/a-b。", &["www.shop.example/a-b"]);
        check("网址 https://例子.中国/a?b=c 可用", &["https://例子.中国/a?b=c"]);
    }

    #[test]
    fn the_sentence_around_is_no_part_of_it() {
        check("(https://en.example/Link_(X)).", &["https://en.example/Link_(X)"]);
        check(
            "“https://a.example/x”，https://b.example/?",
            &["https://a.example/x", "https://b.example/"],
        );
        check("**https://a.example/x**", &["https://a.example/x"]);
        check("[t](https://a.example/b_(c)) ", &["https://a.example/b_(c)"]);
        check(
            "https://a.example/1,https://a.example/2;x",
            &["https://a.example/1", "https://a.example/2;x"],
        );
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        check("a:// ://b https:// www. 9://", &[]);
        check("xwww.example", &[]);
    }
}
