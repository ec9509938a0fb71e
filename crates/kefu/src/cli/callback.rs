//! `kefu callback`: one callback by hand.

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum CallbackCommand {
    /// Open an envelope or a bare echostr from stdin; writes exactly the plaintext bytes
    Open(OpenArgs),
    /// Seal plaintext from stdin into a signed envelope, as WeCom would send it
    Seal(SealArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// Token of the callback, as entered in WeCom's console
    #[arg(long)]
    pub(crate) token: String,
    /// EncodingAESKey, 43 characters
    #[arg(long, value_name = "KEY")]
    pub(crate) encoding_aes_key: String,
    /// Accepted receive id, repeatable; none: it is not checked
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: Vec<String>,
    /// Signature of the query; without it nothing is proven about the sender
    #[arg(long, requires_all = ["timestamp", "nonce"])]
    pub(crate) msg_signature: Option<String>,
    #[arg(long, requires = "msg_signature")]
    pub(crate) timestamp: Option<String>,
    #[arg(long, requires = "msg_signature")]
    pub(crate) nonce: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// Token of the callback, as entered in WeCom's console
    #[arg(long)]
    pub(crate) token: String,
    /// EncodingAESKey, 43 characters
    #[arg(long, value_name = "KEY")]
    pub(crate) encoding_aes_key: String,
    /// Receive id inside the frame: the corp id
    #[arg(long, value_name = "ID")]
    pub(crate) receive_id: String,
    /// Unix seconds; default: now
    #[arg(long)]
    pub(crate) timestamp: Option<String>,
    /// Default: random
    #[arg(long)]
    pub(crate) nonce: Option<String>,
    /// What to write: the body with the query on stderr, or a ready curl command's arguments
    #[arg(long, value_enum, default_value_t = SealForm::Xml)]
    pub(crate) form: SealForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SealForm {
    /// XML body on stdout, query on stderr
    Xml,
    /// JSON body on stdout, query on stderr
    Json,
    /// Query with echostr on stdout, for the check of an address
    Echo,
}
