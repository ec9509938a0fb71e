//! The query of a callback, as people copy it: bare, with its address, or with a whole line of a log around it.

use kefu_wecom::SignedQuery;
use kefu_wecom::query::QueryError;

/// Where a query may begin when no `?` says it.
const FIELDS: [&str; 4] = ["msg_signature=", "timestamp=", "nonce=", "echostr="];

/// Finds and reads the query in what was pasted.
pub(super) fn read(pasted: &str) -> Result<SignedQuery, QueryError> {
    SignedQuery::parse(&find(pasted))
}

fn find(pasted: &str) -> String {
    // As HTML and some writers of JSON put an ampersand.
    let text = pasted.replace("&amp;", "&").replace("\\u0026", "&");
    let is_around =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '#' | '“' | '”');
    let mut words = text.split(is_around);
    let word = words.find(|word| word.contains(FIELDS[0])).unwrap_or(text.trim());
    if let Some((_, query)) = word.split_once('?') {
        return query.to_owned();
    }
    let starts = FIELDS.iter().filter_map(|field| word.find(field));
    word[starts.min().unwrap_or(0)..]
        .trim_end_matches([',', ';', ')', ']', '}'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &str = "msg_signature=aa&timestamp=17&nonce=b%2Bc";

    #[test]
    fn a_query_is_found_in_what_people_copy() {
        for pasted in [
            QUERY.to_owned(),
            format!("?{QUERY}"),
            format!("  {QUERY}\n"),
            format!("'{QUERY}'"),
            format!("/callback?{QUERY}"),
            format!("https://kefu.example.com/callback/sales?{QUERY}"),
            format!("https://kefu.example.com/callback?{QUERY}#top"),
            format!(
                r#"10.0.0.1 - - [20/Nov/2026:09:00:08 +0800] "POST /callback?{QUERY} HTTP/1.1" 200 7 "-""#
            ),
            format!(r#"{{"uri":"/callback","args":"{QUERY}"}}"#),
            format!(r#"{{"uri":"/callback?{}"}}"#, QUERY.replace('&', "\\u0026")),
            QUERY.replace('&', "&amp;"),
            format!("query={QUERY},"),
            format!("curl 'http://127.0.0.1:3001/callback?{QUERY}' --data-binary @body.xml"),
        ] {
            let query = read(&pasted).unwrap();
            assert_eq!(
                (
                    query.msg_signature.as_str(),
                    query.timestamp.as_str(),
                    query.nonce.as_str()
                ),
                ("aa", "17", "b+c"),
                "{pasted}"
            );
            assert_eq!(query.echostr, None);
        }
    }

    #[test]
    fn other_fields_and_orders_do_not_matter() {
        let query = read("/callback?nonce=n&echostr=x%2By%3D&timestamp=1&from=wx&msg_signature=s").unwrap();
        assert_eq!(query.echostr.as_deref(), Some("x+y="));
        assert_eq!(
            find("nonce=n&timestamp=1&msg_signature=s"),
            "nonce=n&timestamp=1&msg_signature=s"
        );
    }

    #[test]
    fn what_is_no_query_says_what_is_missing() {
        for (pasted, missing) in [
            ("", "msg_signature"),
            ("https://kefu.example.com/callback", "msg_signature"),
            ("msg_signature=a&nonce=b", "timestamp"),
            ("?timestamp=1&nonce=2", "msg_signature"),
            ("msg_signature=&timestamp=1&nonce=2", "msg_signature"),
        ] {
            assert_eq!(read(pasted), Err(QueryError::Missing(missing)), "{pasted}");
        }
    }
}
