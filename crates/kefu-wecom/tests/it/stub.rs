//! A few lines of HTTP server, so that a test decides every byte that comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kefu_settings::SettingsError;
use kefu_wecom::client::{AppCredentials, SharedTokens};
use kefu_wecom::{Client, WecomSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) const SECRET: &str = "app-secret-7f3a";

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) query: String,
    /// Request line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn token(&self) -> &str {
        self.query
            .split('&')
            .find_map(|pair| pair.strip_prefix("access_token="))
            .unwrap()
    }
}

pub(crate) enum Reply {
    Json(Value),
    /// Status line and headers, then the body, as they are.
    Raw(&'static str, Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
    /// The connection closes without an answer.
    Cut,
    /// More and more of the same byte.
    Endless(&'static str),
}

pub(crate) struct Stub {
    pub(crate) base: String,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Aborted when the test ends.
    _server: JoinSet<()>,
}

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(Mutex::new(Vec::new()));
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&calls), Arc::new(answer)));
        Stub {
            base,
            calls,
            _server: server,
        }
    }

    /// A stub that grants numbered tokens (`T1`, `T2` …) and answers all else with `answer`.
    pub(crate) async fn granting(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Stub {
        let granted = Mutex::new(0);
        Stub::start(move |call| match call.path.as_str() {
            "/cgi-bin/gettoken" => {
                let mut granted = granted.lock().unwrap();
                *granted += 1;
                Reply::Json(json!({"errcode": 0, "errmsg": "ok", "access_token": format!("T{granted}"), "expires_in": 7200}))
            }
            _ => answer(call),
        })
        .await
    }

    pub(crate) fn calls(&self, api: &str) -> Vec<Call> {
        let path = format!("/cgi-bin/{api}");
        self.calls
            .lock()
            .unwrap()
            .iter()
            .filter(|call| call.path == path)
            .cloned()
            .collect()
    }

    pub(crate) fn client(&self) -> Client {
        client_of(&settings(&self.base)).unwrap()
    }

    pub(crate) fn sharing(&self, shared: Arc<dyn SharedTokens>) -> Client {
        Client::new(&settings(&self.base), [credentials()], tls(), Some(shared)).unwrap()
    }
}

pub(crate) fn settings(base: &str) -> WecomSettings {
    WecomSettings {
        api_base: base.into(),
        timeout: Duration::from_secs(10),
        proxy: None,
        msgid_repeated_codes: String::new(),
        calls_per_minute: 10_000,
    }
}

pub(crate) fn client_of(settings: &WecomSettings) -> Result<Client, SettingsError> {
    Client::new(settings, [credentials()], tls(), None)
}

fn credentials() -> AppCredentials {
    AppCredentials {
        name: "default".into(),
        corp_id: "ww1".into(),
        secret: SECRET.into(),
    }
}

fn tls() -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

type Answer = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

async fn accept(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>, answer: Answer) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve(stream, Arc::clone(&calls), Arc::clone(&answer)));
    }
}

/// One request a connection; a client that goes away early is no failure of the stub.
async fn serve(mut stream: TcpStream, calls: Arc<Mutex<Vec<Call>>>, answer: Answer) {
    let Some(call) = read(&mut stream).await else {
        return;
    };
    calls.lock().unwrap().push(call.clone());
    let (head, body) = match answer(&call) {
        Reply::Json(json) => (
            "200 OK\r\nContent-Type: application/json",
            json.to_string().into_bytes(),
        ),
        Reply::Raw(head, body) => (head, body),
        Reply::Silence => return std::future::pending().await,
        Reply::Cut => return,
        Reply::Endless(head) => {
            let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(&[b' '; 65536]).await;
            }
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Call> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    while bytes.len() < head_end + length.unwrap_or(0) {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let target = head.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Call {
        path: path.to_owned(),
        query: query.to_owned(),
        head: head.to_ascii_lowercase(),
        body: bytes[head_end..].to_vec(),
    })
}
