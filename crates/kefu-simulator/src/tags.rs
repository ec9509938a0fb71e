//! Tags: `#` and letters, digits, `-` or `_`. They tie an answer to the messages it answers.

/// Scripted messages carry tags with this beginning; only these are counted.
pub const COUNTED: &str = "#kf-";

/// Every tag of a text, in its order, repeats included.
pub fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('#').filter_map(|(start, _)| {
        let rest = &text[start + 1..];
        let length = rest
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
            .count();
        (0 < length).then(|| &text[start..=start + length])
    })
}

/// The counted tags of a text, each once.
pub(crate) fn counted(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = tags(text).filter(|tag| tag.starts_with(COUNTED)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_ends_where_its_alphabet_ends() {
        let found: Vec<&str> = tags("收到 #kf-a-1，#kf-a-12。# #b_2!").collect();
        assert_eq!(found, ["#kf-a-1", "#kf-a-12", "#b_2"]);
    }

    #[test]
    fn only_counted_tags_count_and_each_once() {
        assert_eq!(counted("#kf-1 #other #kf-1 #kf-2"), ["#kf-1", "#kf-2"]);
    }
}
