//! A simulator of one test, and what is needed to talk to it.

use std::time::Duration;

use kefu_simulator::{Handle, SimulatorSettings, start};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const ACCOUNT: &str = "wkKefuSimulatorAccount0000000001";
pub(crate) const OTHER_ACCOUNT: &str = "wkKefuSimulatorAccount0000000002";

/// Stops when it goes out of scope.
pub(crate) struct Running {
    pub(crate) handle: Handle,
    pub(crate) url: String,
    pub(crate) client: Client,
    tasks: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) async fn start() -> Running {
        Running::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut SimulatorSettings)) -> Running {
        let mut settings = SimulatorSettings {
            callback_retry_spacing: Duration::from_millis(5),
            ..Default::default()
        };
        change(&mut settings);
        let stop = CancellationToken::new();
        let simulator = start(settings, stop.clone()).await.unwrap();
        let (handle, url) = (simulator.handle(), simulator.url());
        let mut tasks = JoinSet::new();
        tasks.spawn(simulator.run());
        Running {
            handle,
            url,
            client: client(),
            tasks,
            stop,
        }
    }

    pub(crate) async fn token(&self) -> String {
        let answer = self.get_token().await;
        answer["access_token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token: {answer}"))
            .to_owned()
    }

    pub(crate) async fn get_token(&self) -> Value {
        let credentials = self.handle.credentials();
        let query = format!(
            "corpid={}&corpsecret={}",
            credentials.corp_id,
            credentials.secret.expose_secret()
        );
        let url = format!("{}/cgi-bin/gettoken?{query}", self.url);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// One API call with a fresh access token.
    pub(crate) async fn call(&self, api: &str, body: Value) -> Value {
        let token = self.token().await;
        self.call_with(api, &token, body.to_string())
            .await
            .json()
            .await
            .unwrap()
    }

    pub(crate) async fn call_with(&self, api: &str, token: &str, body: String) -> Response {
        self.try_call(api, token, body).await.unwrap()
    }

    pub(crate) async fn try_call(&self, api: &str, token: &str, body: String) -> reqwest::Result<Response> {
        let url = format!("{}/cgi-bin/{api}?access_token={token}", self.url);
        self.client.post(url).body(body).send().await
    }

    /// One request to the simulator's own routes.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Response {
        self.client
            .post(format!("{}/simulator/{path}", self.url))
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// What one of these routes says: `/report`.
    pub(crate) async fn look(&self, path: &str) -> Value {
        let url = format!("{}/simulator{path}", self.url);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn fault(&self, fault: Value) {
        let answer = self.control("faults", fault).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn write(&self, customer: &str, text: &str) -> String {
        let body = json!({ "text": text });
        let answer: Value = self
            .control(&format!("customers/{customer}/messages"), body)
            .await
            .json()
            .await
            .unwrap();
        answer["msgid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, customer: &str, msgid: &str, text: &str) -> Value {
        self.call("kf/send_msg", text_message(customer, Some(msgid), text))
            .await
    }

    /// Stops and returns how it ended.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn client() -> Client {
    let tls = kefu_process::tls::client_config_if(false).unwrap();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .unwrap()
}

pub(crate) fn text_message(customer: &str, msgid: Option<&str>, text: &str) -> Value {
    let mut message = json!({
        "touser": customer,
        "open_kfid": ACCOUNT,
        "msgtype": "text",
        "text": { "content": text },
    });
    if let Some(msgid) = msgid {
        message["msgid"] = json!(msgid);
    }
    message
}
