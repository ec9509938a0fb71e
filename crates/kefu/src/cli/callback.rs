//! `kefu callback`: one callback by hand, and whose token and key it takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum CallbackCommand {
    /// Open an envelope or a bare echostr from stdin; writes exactly the plaintext bytes
    ///
    /// Token and key are those of an app in the settings, else of files. With an echostr in --query nothing is read
    /// from stdin.
    Open(OpenArgs),
    /// Seal plaintext from stdin into a signed envelope, as WeCom would send it
    ///
    /// Token and key are those of an app in the settings, else of files.
    Seal(SealArgs),
}

/// Which token and key. With none of these: those of the app `default` in the settings.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// App of the settings whose token, key and receive ids are taken [default: default]
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["token", "token_file", "encoding_aes_key", "encoding_aes_key_file"]
    )]
    pub(crate) app: Option<String>,
    /// Token of the callback, as entered in WeCom's console; others on this machine can read it here
    #[arg(long, conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// The token, from a file
    #[arg(long, value_name = "PATH")]
    pub(crate) token_file: Option<PathBuf>,
    /// EncodingAESKey, 43 characters; others on this machine can read it here
    #[arg(long, value_name = "KEY", conflicts_with = "encoding_aes_key_file")]
    pub(crate) encoding_aes_key: Option<String>,
    /// The EncodingAESKey, from a file
    #[arg(long, value_name = "PATH")]
    pub(crate) encoding_aes_key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Accepted receive id, repeatable; none: those of the app, and with a token of your own it is not checked
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: Vec<String>,
    /// The whole query, or the URL or log line it stands in: signature, timestamp, nonce, perhaps echostr
    #[arg(long, conflicts_with_all = ["msg_signature", "timestamp", "nonce"])]
    pub(crate) query: Option<String>,
    /// Signature of the query; without it nothing is proven about the sender
    #[arg(long, requires_all = ["timestamp", "nonce"])]
    pub(crate) msg_signature: Option<String>,
    /// Of the query, as it stands there
    #[arg(long, requires = "msg_signature")]
    pub(crate) timestamp: Option<String>,
    /// Of the query, after one decoding
    #[arg(long, requires = "msg_signature")]
    pub(crate) nonce: Option<String>,
    /// One JSON object with the plaintext, the receive id, and which key opened it
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Receive id inside the frame; none: that of the app
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: Option<String>,
    /// Unix seconds; default: now
    #[arg(long)]
    pub(crate) timestamp: Option<String>,
    /// Default: random
    #[arg(long)]
    pub(crate) nonce: Option<String>,
    /// What to write: the body with the query on stderr, or a whole curl command
    #[arg(long, value_enum, default_value_t = SealForm::Xml)]
    pub(crate) form: SealForm,
    /// Callback address of the curl command; default: the app's at `ingress.listen`
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// One JSON object with query, body and, for curl, the command
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SealForm {
    /// XML body on stdout, query on stderr
    Xml,
    /// JSON body on stdout, query on stderr
    Json,
    /// Query with echostr on stdout, for the check of an address
    Echo,
    /// A curl command on stdout that sends the XML body
    Curl,
}
