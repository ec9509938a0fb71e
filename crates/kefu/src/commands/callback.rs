use std::io::Read;

use anyhow::Context;
use kefu_process::{ExitError, clock};
use kefu_wecom::{CallbackKey, Envelope, ReceiveIds, Signed};

use crate::cli::{CallbackCommand, OpenArgs, SealArgs, SealForm};
use crate::output;

/// Largest input; callbacks are about 1 KiB.
const INPUT_BYTES_MAX: u64 = 1024 * 1024;

pub(super) fn run(command: &CallbackCommand) -> anyhow::Result<()> {
    match command {
        CallbackCommand::Open(args) => open(args),
        CallbackCommand::Seal(args) => seal(args),
    }
}

fn open(args: &OpenArgs) -> anyhow::Result<()> {
    let key = key(&args.token, &args.encoding_aes_key)?;
    let input = read_input()?;
    let encrypt = encrypt_of(input.trim_ascii())?;
    let receive_ids = match args.receive_id.as_slice() {
        [] => ReceiveIds::Any,
        ids => ReceiveIds::OneOf(ids),
    };
    let signed = match (&args.msg_signature, &args.timestamp, &args.nonce) {
        (Some(msg_signature), Some(timestamp), Some(nonce)) => Some(Signed {
            msg_signature,
            timestamp,
            nonce,
        }),
        _ => None,
    };
    let opened = match &signed {
        Some(signed) => key.open(signed, &encrypt, receive_ids),
        None => key.open_unsigned(&encrypt, receive_ids),
    };
    let opened = opened.map_err(|error| ExitError::No(format!("does not open: {error}")))?;
    if signed.is_none() {
        output::note("kefu: opened without a signature: nothing is proven about who sealed it")?;
    }
    Ok(output::bytes(&opened.plaintext)?)
}

/// The ciphertext: of an XML or JSON envelope, else the input itself, as in an echostr.
fn encrypt_of(input: &[u8]) -> anyhow::Result<String> {
    if input.starts_with(b"<") || input.starts_with(b"{") {
        let envelope = Envelope::parse(input)
            .map_err(|error| ExitError::No(format!("input is no envelope: {error}")))?;
        return Ok(envelope.encrypt);
    }
    let text = str::from_utf8(input).map_err(|_| ExitError::No("input is not text".to_owned()))?;
    Ok(text.to_owned())
}

fn seal(args: &SealArgs) -> anyhow::Result<()> {
    let key = key(&args.token, &args.encoding_aes_key)?;
    let plaintext = read_input()?;
    let timestamp = args
        .timestamp
        .clone()
        .unwrap_or_else(|| (clock::now_ms() / 1000).to_string());
    let nonce = args
        .nonce
        .clone()
        .unwrap_or_else(|| rand::random::<u32>().to_string());
    let sealed = key.seal_signed(&plaintext, &args.receive_id, rand::random(), &timestamp, &nonce);
    let body = match args.form {
        SealForm::Xml => sealed.request_xml(&args.receive_id, None),
        SealForm::Json => sealed.request_json(&args.receive_id, None),
        SealForm::Echo => return Ok(output::line(sealed.echo_query())?),
    };
    output::note(sealed.query())?;
    Ok(output::line(body)?)
}

/// The error begins with the name of what is wrong, which is an option here.
fn key(token: &str, encoding_aes_key: &str) -> anyhow::Result<CallbackKey> {
    CallbackKey::new(&token.into(), &encoding_aes_key.into()).map_err(|error| {
        let text = error.to_string();
        let (name, what) = text.split_once(' ').unwrap_or(("callback", &text));
        ExitError::refused(&format!("--{}", name.replace('_', "-")), what).into()
    })
}

fn read_input() -> anyhow::Result<Vec<u8>> {
    let mut input = Vec::new();
    std::io::stdin()
        .lock()
        .take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut input)
        .context("stdin cannot be read")?;
    if INPUT_BYTES_MAX < input.len() as u64 {
        return Err(ExitError::No(format!("input is longer than {INPUT_BYTES_MAX} bytes")).into());
    }
    Ok(input)
}
