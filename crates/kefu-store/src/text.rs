use std::borrow::Cow;

/// Longest error text kept on a row, in bytes.
const ERROR_BYTES_MAX: usize = 2048;

/// PostgreSQL refuses NUL in text; nobody misses it.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}

pub(crate) fn clean_option(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(clean)
}

/// An error text as it is kept: without NUL, at most 2 KiB, cut between characters.
pub(crate) fn error_text(text: &str) -> Cow<'_, str> {
    let end = text.floor_char_boundary(ERROR_BYTES_MAX);
    clean(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_goes_and_long_errors_are_cut_between_characters() {
        assert_eq!(clean("a\0b"), "ab");
        assert_eq!(error_text("short"), "short");
        let long = "错".repeat(1000);
        assert_eq!(error_text(&long).len(), 2046);
    }
}
