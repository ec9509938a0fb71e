//! Why a call of the callback address was not taken, in a word for programs and a sentence for people.

use std::io;

use reqwest::StatusCode;
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotTaken {
    /// There is nobody: the port is closed, the name is unknown, the network ends before it.
    #[error("{0}")]
    Nobody(String),
    /// The connection stands or is being made, and no answer comes.
    #[error("no answer within {seconds} s")]
    Late { seconds: u64 },
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Only 200 counts (doc 91116).
    #[error("answered {0}")]
    Status(u16),
    /// The check of the address only: the decrypted echo has to come back alone.
    #[error("answered something else than the decrypted echo")]
    Echo,
}

impl NotTaken {
    /// The same word in the control API and on the page.
    pub fn code(&self) -> &'static str {
        match self {
            NotTaken::Nobody(_) => "nobody",
            NotTaken::Late { .. } => "late",
            NotTaken::Broken(_) => "broken",
            NotTaken::Status(_) => "status",
            NotTaken::Echo => "echo",
        }
    }

    /// One line for the log: what was called, what it did, and what helps.
    pub(crate) fn line(&self, address: &str) -> String {
        match self {
            NotTaken::Nobody(why) => {
                format!("nothing answers at {address} ({why}); is `kefu run` there?")
            }
            NotTaken::Late { .. } => {
                format!("{address} gives {self}; WeCom hangs up then and calls again")
            }
            NotTaken::Broken(_) => format!("{address} was called and {self}"),
            NotTaken::Status(403) => format!(
                "{address} {self}, and WeCom takes only 200; do token and encoding_aes_key agree on both sides?"
            ),
            NotTaken::Status(404) => {
                format!("{address} {self}, and WeCom takes only 200; is the path right?")
            }
            NotTaken::Status(_) => format!("{address} {self}, and WeCom takes only 200"),
            NotTaken::Echo => format!("{address} {self}"),
        }
    }

    pub(super) fn status(status: StatusCode) -> NotTaken {
        NotTaken::Status(status.as_u16())
    }
}

impl From<reqwest::Error> for NotTaken {
    fn from(error: reqwest::Error) -> NotTaken {
        let is_connect = error.is_connect();
        let error = error.without_url();
        let mut deepest: &dyn std::error::Error = &error;
        let mut refused = false;
        while let Some(source) = deepest.source() {
            deepest = source;
            refused |= deepest
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        }
        let why = if refused {
            "connection refused".to_owned()
        } else {
            deepest.to_string()
        };
        match is_connect {
            true => NotTaken::Nobody(why),
            false => NotTaken::Broken(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_names_the_address_and_each_code_has_a_sentence_on_the_page() {
        let nobody = NotTaken::Nobody("connection refused".to_owned());
        assert_eq!(
            nobody.line("http://127.0.0.1:3001/callback"),
            "nothing answers at http://127.0.0.1:3001/callback (connection refused); is `kefu run` there?"
        );
        for not_taken in [
            nobody,
            NotTaken::Late { seconds: 5 },
            NotTaken::Broken("reset".to_owned()),
            NotTaken::Status(403),
            NotTaken::Status(404),
            NotTaken::Status(503),
            NotTaken::Echo,
        ] {
            assert!(not_taken.line("http://a/b").contains("http://a/b"), "{not_taken}");
            let key = format!("\"{}\": ", not_taken.code());
            assert_eq!(include_str!("../page/words.js").matches(&key).count(), 2, "{key}");
        }
    }
}
