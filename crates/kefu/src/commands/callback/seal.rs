//! Seals one callback as WeCom would, ready to be sent.

use std::net::SocketAddr;
use std::path::Path;

use kefu_process::{ExitError, clock, http};
use serde::Deserialize;
use serde_json::json;

use super::key::{App, DEFAULT_APP, Key};
use super::read_input;
use crate::cli::{SealArgs, SealForm};
use crate::output::{self, quoted};

/// Where an ingress listens that nothing is known of.
const URL_DEFAULT: &str = "http://127.0.0.1:3001/callback";

pub(super) fn seal(config: Option<&Path>, args: &SealArgs) -> anyhow::Result<()> {
    if args.url.is_some() && args.form != SealForm::Curl {
        return Err(ExitError::refused("--url", "goes with --form curl").into());
    }
    let key = Key::choose(config, &args.key)?;
    let receive_id = receive_id(args, &key)?;
    let url = match (args.form, &args.url) {
        (SealForm::Curl, Some(url)) => Some(url.clone()),
        (SealForm::Curl, None) => Some(url_of(key.app.as_ref())?),
        _ => None,
    };
    let plaintext = read_input()?;
    let timestamp = args
        .timestamp
        .clone()
        .unwrap_or_else(|| (clock::now_ms() / 1000).to_string());
    let nonce = args
        .nonce
        .clone()
        .unwrap_or_else(|| rand::random::<u32>().to_string());
    let current = key.current.current();
    let sealed = current.seal_signed(&plaintext, receive_id, rand::random(), &timestamp, &nonce);
    let (query, body) = match args.form {
        SealForm::Xml | SealForm::Curl => (sealed.query(), Some(sealed.request_xml(receive_id, None))),
        SealForm::Json => (sealed.query(), Some(sealed.request_json(receive_id, None))),
        SealForm::Echo => (sealed.echo_query(), None),
    };
    let command = match (&url, &body) {
        (Some(url), Some(body)) => Some(curl(url, &query, body)),
        _ => None,
    };
    if args.json {
        output::json(&json!({ "query": query, "body": body, "command": command }))?;
        return Ok(key.warn()?);
    }
    match (command, body) {
        (Some(command), _) => output::line(command)?,
        (None, Some(body)) => {
            output::note(&query)?;
            output::line(body)?;
        }
        (None, None) => output::line(query)?,
    }
    Ok(key.warn()?)
}

fn receive_id<'a>(args: &'a SealArgs, key: &'a Key) -> Result<&'a str, ExitError> {
    let known = args.receive_id.as_ref().or(key.receive_ids.first());
    known.map(String::as_str).ok_or_else(|| {
        ExitError::refused(
            "--receive-id",
            "is missing: with a token of your own nobody else knows it",
        )
    })
}

/// What is read of the ingress to reach it.
#[derive(Deserialize)]
struct Front {
    listen: SocketAddr,
    /// Of the callbacks.
    path: Option<String>,
}

/// The address of an app's callbacks on this machine.
fn url_of(app: Option<&App>) -> anyhow::Result<String> {
    let Some(App { name, settings }) = app else {
        return Ok(URL_DEFAULT.to_owned());
    };
    let Front { listen, path } = settings.section("ingress")?;
    let path = path.as_deref().unwrap_or("/callback");
    let name = match name.as_str() {
        DEFAULT_APP => String::new(),
        named => format!("/{named}"),
    };
    Ok(format!("http://{}{path}{name}", http::reachable(listen)))
}

/// One line for a shell.
fn curl(url: &str, query: &str, body: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!(
        "curl -sS {} -H 'content-type: text/xml' --data-binary {}",
        quoted(&format!("{url}{mark}{query}")),
        quoted(body)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_command_is_one_line_that_no_shell_takes_apart() {
        assert_eq!(
            curl("http://h/callback", "a=1&b=2", "<xml>it's $HOME `x`</xml>"),
            "curl -sS 'http://h/callback?a=1&b=2' -H 'content-type: text/xml' \
             --data-binary '<xml>it'\\''s $HOME `x`</xml>'"
        );
        assert!(curl("http://h/c?x=1", "a=1", "").contains("'http://h/c?x=1&a=1'"));
    }
}
