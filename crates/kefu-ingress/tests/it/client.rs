//! HTTP by hand, so that a test can send what a well-behaved client would not.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for an answer; also what the slowest answer of a test may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Client {
        let stream = timeout(DEADLINE, TcpStream::connect(address))
            .await
            .unwrap()
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            unread: Vec::new(),
        }
    }

    /// A server that has answered already may have closed its side, so a failing write is no failure.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        timeout(DEADLINE, self.read_answer()).await.unwrap().unwrap()
    }

    /// Waits until the server closes; an answer before that is fine.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = timeout(DEADLINE, self.stream.read_to_end(&mut rest))
            .await
            .unwrap();
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let head_length = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read_more().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.unread[..head_length]).to_lowercase();
        let mut answer = Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head,
            body: Vec::new(),
        };
        let length: usize = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.unread.len() < head_length + length {
            self.read_more().await?;
        }
        answer.body = self.unread[head_length..head_length + length].to_vec();
        self.unread.drain(..head_length + length);
        Ok(answer)
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.unread).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: t\r\n\r\n")
}

pub(crate) fn post(target: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with(target, "", body)
}

/// `headers` are whole lines, each with its end.
pub(crate) fn post_with(target: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: t\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
