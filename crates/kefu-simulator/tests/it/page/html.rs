//! Elements of our own page: no reader of HTML in general.

#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    /// What stands directly behind the tag.
    pub(super) text: String,
    /// Names of the elements around it.
    pub(super) within: Vec<String>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// All elements in their order.
pub(super) fn elements(html: &str) -> Vec<Element> {
    const EMPTY: &[&str] = &["meta", "link", "input"];
    let (mut found, mut open): (Vec<Element>, Vec<String>) = (Vec::new(), Vec::new());
    for part in html.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name),
                "</{name}> closes something else"
            );
            continue;
        }
        if tag.starts_with('!') {
            continue;
        }
        let (name, rest) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        let element = Element {
            name: name.to_owned(),
            attributes: attributes(rest),
            text: text.to_owned(),
            within: open.clone(),
        };
        if !EMPTY.contains(&name) {
            open.push(name.to_owned());
        }
        found.push(element);
    }
    assert_eq!(open, Vec::<String>::new(), "left open");
    found
}

fn attributes(mut rest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        let end = rest.find([' ', '\n', '=']).unwrap_or(rest.len());
        if end == 0 {
            return found;
        }
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let value = match rest.strip_prefix("=\"") {
            Some(quoted) => {
                let (value, after) = quoted.split_once('"').unwrap();
                rest = after;
                value.to_owned()
            }
            None => String::new(),
        };
        found.push((name, value));
    }
}
