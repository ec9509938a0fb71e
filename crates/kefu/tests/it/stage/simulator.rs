//! The simulated WeCom, played over HTTP.

use serde_json::{Value, json};

use super::{Ended, Running, eventually, http, kefu};

pub(crate) struct Simulator {
    running: Running,
    /// `http://host:port`.
    pub(crate) url: String,
}

impl Simulator {
    /// With no script: only who is told to writes. It calls nobody until `call_back`.
    pub(crate) async fn start() -> Simulator {
        Simulator::run(&["--messages", "0", "--callback", "http://127.0.0.1:9/callback"]).await
    }

    /// Plays a script against the ingress at this address; to its end with `ended`.
    pub(crate) async fn play(customers: u32, messages: u32, callback_url: &str) -> Simulator {
        Simulator::script(customers, messages, callback_url, &["--once"]).await
    }

    /// The same, but WeCom stays there after the script, as it does.
    pub(crate) async fn play_and_stay(customers: u32, messages: u32, callback_url: &str) -> Simulator {
        Simulator::script(customers, messages, callback_url, &[]).await
    }

    /// With a pause between two bursts of each customer.
    pub(crate) async fn play_slowly(
        customers: u32,
        messages: u32,
        pause: &str,
        page_size: &str,
        callback_url: &str,
    ) -> Simulator {
        let more = ["--pause", pause, "--page-size", page_size];
        Simulator::script(customers, messages, callback_url, &more).await
    }

    async fn script(customers: u32, messages: u32, callback_url: &str, more: &[&str]) -> Simulator {
        let (customers, messages) = (customers.to_string(), messages.to_string());
        let script = [
            "--customers",
            &customers,
            "--messages",
            &messages,
            "--json",
            "--callback",
            callback_url,
        ];
        Simulator::run(&[&script, more].concat()).await
    }

    /// The totals on stdout once the script is over.
    pub(crate) async fn totals(&self) -> Value {
        eventually("the script ends", async || {
            serde_json::from_slice(&self.running.stdout()).ok()
        })
        .await
    }

    async fn run(arguments: &[&str]) -> Simulator {
        let arguments = [&["simulate", "--listen", "127.0.0.1:0"], arguments].concat();
        let running = kefu(&arguments).start().await;
        let url = running.notes("Simulated WeCom at ").await;
        Simulator { running, url }
    }

    pub(crate) async fn ended(self) -> Ended {
        self.running.ended().await
    }

    /// Where callbacks go from now on.
    pub(crate) async fn call_back(&self, url: &str) {
        self.post("callback-url", json!({ "url": url })).await;
    }

    pub(crate) async fn fault(&self, fault: Value) {
        self.post("faults", fault).await;
    }

    pub(crate) async fn clear_faults(&self) {
        let url = format!("{}/simulator/faults", self.url);
        let answer = http().delete(url).send().await.unwrap();
        answer.error_for_status().unwrap();
    }

    /// From now on the model thinks for so long before each answer.
    pub(crate) async fn think(&self, delay: &str) {
        self.fault(json!({ "api": "model", "kind": "delay", "delay": delay }))
            .await;
    }

    pub(crate) async fn advance(&self, by: &str) {
        self.post("clock", json!({ "advance": by })).await;
    }

    /// The `msgid` of what the customer said.
    pub(crate) async fn says(&self, customer: &str, message: Value) -> String {
        let answer = self
            .post(&format!("customers/{customer}/messages"), message)
            .await;
        answer["msgid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn enters(&self, customer: &str) {
        self.post(&format!("customers/{customer}/enter_session"), json!({}))
            .await;
    }

    /// A callback about something else than messages; the text is its plaintext.
    pub(crate) async fn app_event(&self, text: &str) {
        let url = format!("{}/simulator/app-event", self.url);
        let answer = http().post(url).body(text.to_owned()).send().await.unwrap();
        answer.error_for_status().unwrap();
    }

    pub(crate) async fn recalls(&self, customer: &str, msgid: &str) {
        self.post(&format!("customers/{customer}/recall"), json!({ "msgid": msgid }))
            .await;
    }

    pub(crate) async fn report(&self) -> Value {
        self.get("report").await
    }

    /// What the customer's screen shows.
    pub(crate) async fn chat(&self, customer: &str) -> Value {
        self.get(&format!("customers/{customer}")).await
    }

    /// What was said to the customer through the API so far.
    pub(crate) async fn replies(&self, customer: &str) -> Vec<String> {
        let chat = self.chat(customer).await;
        let lines = chat["lines"].as_array().unwrap().iter();
        let replies = lines.filter(|line| line["speaker"] == "reply");
        replies
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The replies once there are so many.
    pub(crate) async fn answers(&self, customer: &str, count: usize) -> Vec<String> {
        eventually(&format!("{count} replies to {customer}"), async || {
            Some(self.replies(customer).await).filter(|replies| count <= replies.len())
        })
        .await
    }

    async fn get(&self, path: &str) -> Value {
        let answer = http()
            .get(format!("{}/simulator/{path}", self.url))
            .send()
            .await
            .unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = http()
            .post(format!("{}/simulator/{path}", self.url))
            .json(&body)
            .send()
            .await
            .unwrap();
        answer
            .error_for_status()
            .unwrap()
            .json()
            .await
            .unwrap_or_default()
    }
}
