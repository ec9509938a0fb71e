//! A model server that answers byte for byte what a test says, and keeps what it was asked.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// As `Name: value`.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Reply {
        Reply::new(status, "application/json", body.to_string())
    }

    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status,
            headers: vec![format!("Content-Type: {content_type}")],
            body: body.into(),
        }
    }

    pub(crate) fn header(mut self, line: &str) -> Reply {
        self.headers.push(line.to_owned());
        self
    }
}

/// One question: what was asked, and the head of the request in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Asked {
    /// Role and text of each line.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let lines = self.body["messages"].as_array().unwrap();
        lines
            .iter()
            .map(|line| (text(line, "role"), text(line, "content")))
            .collect()
    }
}

pub(crate) struct ModelStub {
    pub(crate) base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _server: JoinSet<()>,
}

type Answer = Arc<dyn Fn(usize, &Asked) -> Reply + Send + Sync>;

impl ModelStub {
    /// `answer` is given the number of the question, from 0.
    pub(crate) async fn start(
        path: &str,
        answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static,
    ) -> ModelStub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}{path}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&asked), Arc::new(answer)));
        ModelStub {
            base_url,
            asked,
            _server: server,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, asked: Arc<Mutex<Vec<Asked>>>, answer: Answer) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve(stream, Arc::clone(&asked), Arc::clone(&answer)));
    }
}

/// One question a connection; a client that goes away early is no failure of the stub.
async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<Asked>>>, answer: Answer) {
    let Some(question) = read(&mut stream).await else {
        return;
    };
    let number = {
        let mut asked = asked.lock().unwrap();
        asked.push(question.clone());
        asked.len() - 1
    };
    let reply = answer(number, &question);
    let headers: String = reply.headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {} Status\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
        reply.status,
        reply.body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &reply.body].concat()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.unwrap_or("0").trim().parse().unwrap();
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Asked {
        head: head.to_ascii_lowercase(),
        body: serde_json::from_slice(&bytes[end..]).unwrap(),
    })
}
