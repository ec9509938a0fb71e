//! Opens one callback, and says which key did it.

use std::path::Path;

use kefu_process::ExitError;
use kefu_wecom::envelope::encrypt_of;
use kefu_wecom::query::open_echo;
use kefu_wecom::{Keyring, Opened, ReceiveIds, SignedQuery};
use serde_json::json;

use super::key::Key;
use super::{query, read_input};
use crate::cli::OpenArgs;
use crate::output;

/// Which key it was.
#[derive(Clone, Copy)]
enum Which {
    /// From the command line.
    Given,
    Current,
    Previous,
}

impl Which {
    fn as_str(self) -> &'static str {
        match self {
            Which::Given => "given",
            Which::Current => "current",
            Which::Previous => "previous",
        }
    }
}

pub(super) fn open(config: Option<&Path>, args: &OpenArgs) -> anyhow::Result<()> {
    let key = Key::choose(config, &args.key)?;
    let query = signed_query(args)?;
    let receive_ids = match args.receive_id.is_empty() {
        true => &key.receive_ids,
        false => &args.receive_id,
    };
    let receive_ids = match receive_ids.as_slice() {
        [] => ReceiveIds::Any,
        ids => ReceiveIds::OneOf(ids),
    };
    let refused = |error: &dyn std::fmt::Display| ExitError::No(format!("does not open: {error}"));
    let (opened, which) = match &query {
        Some(query) if query.echostr.is_some() => {
            first(&key, |keyring| open_echo(keyring, query, receive_ids)).map_err(|error| refused(&error))?
        }
        _ => {
            let encrypt = encrypt_of(&read_input()?)
                .map_err(|error| ExitError::No(format!("does not open: input is no envelope: {error}")))?;
            let open = |keyring: &Keyring| match &query {
                Some(query) => keyring.open(&query.signed(), &encrypt, receive_ids),
                None => keyring.open_unsigned(&encrypt, receive_ids),
            };
            first(&key, open).map_err(|error| refused(&error))?
        }
    };
    if query.is_none() {
        output::note("kefu: opened without a signature: nothing is proven about who sealed it")?;
    }
    if let (Which::Previous, Some(app)) = (which, &key.app) {
        let app = &app.name;
        output::note(format_args!(
            "kefu: opened with apps.{app}.previous, the key that is being replaced"
        ))?;
    }
    key.warn()?;
    if args.json {
        return output::json(&json!({
            "plaintext": String::from_utf8_lossy(&opened.plaintext),
            "receive_id": opened.receive_id,
            "signed": query.is_some(),
            "key": which.as_str(),
            "app": key.app.map(|app| app.name),
        }));
    }
    Ok(output::bytes(&opened.plaintext)?)
}

/// The current key first, then with the one before; the error of the last try is that of the key that came furthest.
fn first<E>(key: &Key, open: impl Fn(&Keyring) -> Result<Opened, E>) -> Result<(Opened, Which), E> {
    let own = if key.app.is_some() {
        Which::Current
    } else {
        Which::Given
    };
    match (open(&key.current), &key.with_previous) {
        (Ok(opened), _) => Ok((opened, own)),
        (Err(_), Some(with_previous)) => Ok((open(with_previous)?, Which::Previous)),
        (Err(error), None) => Err(error),
    }
}

fn signed_query(args: &OpenArgs) -> anyhow::Result<Option<SignedQuery>> {
    if let Some(pasted) = &args.query {
        let query = query::read(pasted).map_err(|error| ExitError::refused("--query", error))?;
        return Ok(Some(query));
    }
    Ok(match (&args.msg_signature, &args.timestamp, &args.nonce) {
        (Some(msg_signature), Some(timestamp), Some(nonce)) => Some(SignedQuery {
            msg_signature: msg_signature.clone(),
            timestamp: timestamp.clone(),
            nonce: nonce.clone(),
            echostr: None,
        }),
        _ => None,
    })
}
