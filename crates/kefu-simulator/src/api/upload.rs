//! The one multipart form WeCom takes: a single field `media` with a file name.

/// The file of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Upload<'a> {
    pub(super) file_name: String,
    pub(super) content_type: String,
    pub(super) bytes: &'a [u8],
}

/// `None` when the form has no field `media` with a file name.
pub(super) fn read<'a>(content_type: &str, body: &'a [u8]) -> Option<Upload<'a>> {
    let boundary = content_type
        .split(';')
        .map(str::trim)
        .find_map(|part| part.strip_prefix("boundary="))?;
    let boundary = boundary.trim_matches('"');
    let opening = format!("--{boundary}\r\n");
    let closing = format!("\r\n--{boundary}");
    let mut rest = body;
    loop {
        let start = find(rest, opening.as_bytes())? + opening.len();
        let part = &rest[start..];
        let head_end = find(part, b"\r\n\r\n")?;
        let content = &part[head_end + 4..];
        let end = find(content, closing.as_bytes())?;
        let head = String::from_utf8_lossy(&part[..head_end]).into_owned();
        if let Some(upload) = named_media(&head, &content[..end]) {
            return Some(upload);
        }
        // The next opening begins inside this part's closing, two bytes after its line break.
        rest = &content[end + 2..];
    }
}

fn named_media<'a>(head: &str, bytes: &'a [u8]) -> Option<Upload<'a>> {
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let disposition = header("content-disposition")?;
    let attribute = |name: &str| {
        disposition.split(';').map(str::trim).find_map(|part| {
            let value = part.strip_prefix(name)?.strip_prefix('=')?;
            Some(value.trim_matches('"').to_owned())
        })
    };
    if attribute("name")? != "media" {
        return None;
    }
    let content_type = header("content-type").unwrap_or_else(|| "application/octet-stream".to_owned());
    Some(Upload {
        file_name: attribute("filename")?,
        content_type,
        bytes,
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(offset) = haystack[from..].iter().position(|byte| *byte == first) {
        let at = from + offset;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\n\
        Content-Disposition: form-data; name=\"media\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\
        \x89PNG\r\n--\r\n--b--\r\n";

    #[test]
    fn the_file_is_found_behind_other_fields() {
        let upload = read("multipart/form-data; boundary=b", FORM).unwrap();
        assert_eq!(upload.file_name, "a.png");
        assert_eq!(upload.content_type, "image/png");
        assert_eq!(upload.bytes, b"\x89PNG\r\n--");
    }

    #[test]
    fn nothing_is_found_in_something_else() {
        assert_eq!(read("multipart/form-data; boundary=c", FORM), None);
        assert_eq!(read("text/plain", FORM), None);
        assert_eq!(read("multipart/form-data; boundary=b", &FORM[..60]), None);
    }
}
