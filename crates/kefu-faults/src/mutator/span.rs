//! Where the numbers, texts and members of a JSON or XML text stand. A guess: the text may be damaged already.

use std::ops::Range;

/// So many members, elements and fields are looked for, each so far: long texts of small ones would cost too much.
const PIECES_MAX: usize = 32;
const PIECE_BYTES_MAX: usize = 1_024;

/// Runs of digits.
pub(super) fn numbers(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut from = None;
    for (at, byte) in bytes.iter().chain([&b' ']).enumerate() {
        match (byte.is_ascii_digit(), from) {
            (true, None) => from = Some(at),
            (false, Some(start)) => {
                spans.push(start..at);
                from = None;
            }
            _ => {}
        }
    }
    spans
}

/// What stands between two quotes, between two tags, or between `=` and `&`.
pub(super) fn texts(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut open: Option<(usize, u8)> = None;
    for (at, byte) in bytes.iter().copied().enumerate() {
        match (open, byte) {
            (Some((from, end)), _) if byte == end => {
                spans.push(from..at);
                open = (end != b'"')
                    .then(|| opening(byte).map(|end| (at + 1, end)))
                    .flatten();
            }
            // A text of XML or of a query that holds a quote after all is JSON's.
            (Some((_, b'<' | b'&')) | None, b'"') => open = Some((at + 1, b'"')),
            (Some((_, b'<')) | None, _) => open = opening(byte).map(|end| (at + 1, end)).or(open),
            _ => {}
        }
    }
    if let Some((from, b'&')) = open {
        spans.push(from..bytes.len());
    }
    spans
}

fn opening(byte: u8) -> Option<u8> {
    match byte {
        b'>' => Some(b'<'),
        b'=' => Some(b'&'),
        _ => None,
    }
}

/// Scalars and whole brackets of JSON behind a colon, each with its name: `"a":1` and `1`.
pub(super) fn members(bytes: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
    let colons = bytes.windows(2).enumerate().filter(|(_, pair)| *pair == b"\":");
    let mut members = Vec::new();
    for (colon, _) in colons.take(PIECES_MAX) {
        let Some(name) = bytes[..colon].iter().rposition(|byte| *byte == b'"') else {
            continue;
        };
        let value = colon + 2;
        let end = end_of_value(bytes, value);
        members.push((name..end, value..end));
    }
    members
}

fn end_of_value(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate().skip(from).take(PIECE_BYTES_MAX) {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    bytes.len().min(from + PIECE_BYTES_MAX)
}

/// Elements of XML with their tags, as far as the first end of that name, and fields of a query.
pub(super) fn elements(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut elements = Vec::new();
    let tags = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'<');
    for (from, _) in tags.take(PIECES_MAX) {
        let rest = &bytes[from..bytes.len().min(from + PIECE_BYTES_MAX)];
        let letters = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let name = letters.count();
        if name == 0 {
            continue;
        }
        let end = [b"</", &rest[1..=name], b">"].concat();
        let mut tags = rest.iter().enumerate().filter(|(_, byte)| **byte == b'<');
        if let Some((at, _)) = tags.find(|(at, _)| rest[*at..].starts_with(&end)) {
            elements.push(from..from + at + end.len());
        }
    }
    let mut from = 0;
    for part in bytes.split(|byte| *byte == b'&').take(PIECES_MAX) {
        if part.contains(&b'=') {
            elements.push(from..from + part.len());
        }
        from += part.len() + 1;
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, spans: Vec<Range<usize>>, expected: &[&str]) {
        let found: Vec<&str> = spans.into_iter().map(|span| &text[span]).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn finds_the_pieces_of_both_languages() {
        let json = r#"{"a":"b c","d":{"e":[12,"x"]}}"#;
        check(json, numbers(json.as_bytes()), &["12"]);
        check(json, texts(json.as_bytes()), &["a", "b c", "d", "e", "x"]);
        let (with_names, values) = members(json.as_bytes())
            .into_iter()
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let e = r#"[12,"x"]"#;
        check(json, values, &["\"b c\"", r#"{"e":[12,"x"]}"#, e]);
        check(json, with_names[..1].to_vec(), &[r#""a":"b c""#]);
        let xml = "<xml><A>1</A><B>2</B></xml>";
        check(
            xml,
            elements(xml.as_bytes())[1..].to_vec(),
            &["<A>1</A>", "<B>2</B>"],
        );
        check(xml, texts(xml.as_bytes()), &["", "1", "", "2", ""]);
        let query = "a=1&b=x";
        check(query, texts(query.as_bytes()), &["1", "x"]);
        check(query, elements(query.as_bytes()), &["a=1", "b=x"]);
    }
}
