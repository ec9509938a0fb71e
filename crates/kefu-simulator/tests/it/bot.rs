//! The other side: something that receives callbacks, and a small bot that answers customers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use kefu_simulator::Report;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::running::Running;

const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) type Call = (Vec<(String, String)>, String);

/// An HTTP server that keeps what it is sent. Ends with its scope.
pub(crate) struct Receiver {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Receiver {
    /// Answers each call with the status that is given for its body.
    pub(crate) fn answering(status: impl Fn(&str) -> u16 + Send + Sync + 'static) -> Receiver {
        Receiver::start(Duration::ZERO, move |_, body| (status(body), String::new()))
    }

    /// Takes calls and answers none of them in time.
    pub(crate) fn silent() -> Receiver {
        Receiver::start(Duration::from_secs(60), |_, _| (200, String::new()))
    }

    /// Answers with what is made of the `echostr`.
    pub(crate) fn echoing(echo: impl Fn(&str) -> String + Send + Sync + 'static) -> Receiver {
        Receiver::start(Duration::ZERO, move |query, _| {
            let echostr = query.iter().find(|(name, _)| name == "echostr").unwrap();
            (200, echo(&echostr.1))
        })
    }

    fn start(
        delay: Duration,
        answer: impl Fn(&[(String, String)], &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Receiver {
        let (sender, calls) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let server = HttpServer::new(move || {
            let (sender, answer) = (sender.clone(), Arc::clone(&answer));
            let handler = move |query: web::Query<Vec<(String, String)>>, body: String| {
                let (status, text) = answer(&query, &body);
                // Fails only when the test has ended.
                let _ = sender.send((query.into_inner(), body));
                async move {
                    sleep(delay).await;
                    HttpResponse::build(StatusCode::from_u16(status).unwrap()).body(text)
                }
            };
            App::new().default_service(web::to(handler))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run());
        Receiver {
            address,
            calls,
            _server: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/callback", self.address)
    }

    pub(crate) async fn next(&mut self) -> Call {
        timeout(DEADLINE, self.calls.recv())
            .await
            .expect("no callback came in time")
            .unwrap()
    }

    /// Waits until the totals are as wanted.
    pub(crate) async fn settled(&self, simulator: &Running, wanted: impl Fn(&Report) -> bool) -> Report {
        let started = Instant::now();
        loop {
            let report = simulator.handle.report();
            if wanted(&report) {
                return report;
            }
            assert!(started.elapsed() < DEADLINE, "not settled: {report:?}");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// The text of an element, with or without CDATA.
pub(crate) fn element(xml: &str, name: &str) -> String {
    let (_, rest) = xml.split_once(&format!("<{name}>")).unwrap();
    let (text, _) = rest.split_once(&format!("</{name}>")).unwrap();
    let text = text
        .strip_prefix("<![CDATA[")
        .and_then(|text| text.strip_suffix("]]>"))
        .unwrap_or(text);
    text.to_owned()
}

/// Pulls after each callback and answers every customer once with all the words it read.
#[derive(Default)]
pub(crate) struct Bot {
    cursors: HashMap<String, String>,
    seen: HashSet<String>,
    sent: u64,
}

impl Bot {
    /// Answers until its callbacks end.
    pub(crate) async fn run(mut self, simulator: &Running, receiver: &mut Receiver) {
        let token = simulator.token().await;
        loop {
            receiver.next().await;
            // Further wake-ups are answered by the same pull.
            while receiver.calls.try_recv().is_ok() {}
            for account in [crate::running::ACCOUNT, crate::running::OTHER_ACCOUNT] {
                self.pull(simulator, &token, account).await;
            }
        }
    }

    async fn pull(&mut self, simulator: &Running, token: &str, account: &str) {
        let mut words: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            let mut request = json!({ "open_kfid": account, "limit": 1000 });
            if let Some(cursor) = self.cursors.get(account) {
                request["cursor"] = json!(cursor);
            }
            let page = call(simulator, "kf/sync_msg", token, request).await;
            assert_eq!(page["errcode"], 0, "{page}");
            let cursor = page["next_cursor"].as_str().unwrap().to_owned();
            self.cursors.insert(account.to_owned(), cursor);
            for message in page["msg_list"].as_array().unwrap() {
                if message["origin"] == 3 && self.seen.insert(message["msgid"].to_string()) {
                    let customer = message["external_userid"].as_str().unwrap().to_owned();
                    words
                        .entry(customer)
                        .or_default()
                        .push(message["text"]["content"].to_string());
                }
            }
            if page["has_more"] == 0 {
                break;
            }
        }
        for (customer, words) in words {
            self.sent += 1;
            let reply = json!({
                "touser": customer,
                "open_kfid": account,
                "msgid": format!("bot-{}", self.sent),
                "msgtype": "text",
                "text": { "content": words.join(" ") },
            });
            let sent = call(simulator, "kf/send_msg", token, reply).await;
            assert_eq!(sent["errcode"], 0, "{sent}");
        }
    }
}

async fn call(simulator: &Running, api: &str, token: &str, body: Value) -> Value {
    simulator
        .call_with(api, token, body.to_string())
        .await
        .json()
        .await
        .unwrap()
}
