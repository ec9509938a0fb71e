//! `docs/simulator.md` says what there is, and its examples work.

use kefu_simulator::faults::TARGETS;
use reqwest::{Method, Response};
use serde_json::Value;

use crate::bot::Receiver;
use crate::running::Running;

const DOCUMENT: &str = include_str!("../../../../docs/simulator.md");
const ROUTES: [&str; 2] = [
    include_str!("../../src/control.rs"),
    include_str!("../../src/control/acts.rs"),
];

/// One `curl` of the document.
struct Example {
    method: Method,
    path: String,
    body: String,
}

fn examples() -> impl Iterator<Item = Example> {
    DOCUMENT
        .lines()
        .filter(|line| line.starts_with("curl "))
        .map(|line| {
            let (_, address) = line.split_once("$SIM").unwrap();
            let body = line.split_once("-d '").map(|(_, rest)| {
                let (body, _) = rest.rsplit_once("' ").unwrap();
                body.to_owned()
            });
            let method = match (line.contains("-X DELETE"), line.contains("-X POST"), &body) {
                (true, ..) => Method::DELETE,
                (_, true, _) | (.., Some(_)) => Method::POST,
                _ => Method::GET,
            };
            Example {
                method,
                path: address.trim_end_matches('"').to_owned(),
                body: body.unwrap_or_default(),
            }
        })
}

async fn play(simulator: &Running, example: &Example, msgid: &str) -> Response {
    // As a shell would fill them in.
    let body = example
        .body
        .replace("'$MSGID'", msgid)
        .replace("'$REPLY'", "reply-1");
    let url = format!(
        "{}{}",
        simulator.url,
        example.path.replace("$CUSTOMER", "wmZhang")
    );
    let request = simulator.client.request(example.method.clone(), url);
    request.body(body).send().await.unwrap()
}

#[tokio::test]
async fn every_example_of_the_document_works() {
    let receiver = Receiver::answering(|_| 200);
    let simulator = Running::with(|settings| settings.callback_url = Some(receiver.url())).await;
    simulator.write("wmZhang", "first").await;
    simulator.send("wmZhang", "reply-1", "an answer").await;
    let (mut msgid, mut count) = (simulator.write("wmZhang", "second").await, 0);
    for example in examples() {
        let answer = play(&simulator, &example, &msgid).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        // Whether somebody proves himself at the address of the example is not ours to say.
        let is_proof = example.body.contains("prove");
        assert!(
            status.is_success() || is_proof,
            "{} {}: {text}",
            example.method,
            example.path
        );
        if let Ok(Value::Object(fields)) = serde_json::from_str(&text)
            && let Some(Value::String(newest)) = fields.get("msgid")
        {
            msgid.clone_from(newest);
        }
        count += 1;
    }
    assert!(25 < count, "{count} examples");
}

#[tokio::test]
async fn every_fault_of_the_document_can_be_set_and_every_kind_stands_there() {
    let simulator = Running::start().await;
    let mut kinds = Vec::new();
    for row in DOCUMENT
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("{\"api\""))
    {
        let example = row.split('`').find(|part| part.starts_with("{\"api\"")).unwrap();
        let fault: Value = serde_json::from_str(example).unwrap();
        let named = row.split('`').nth(1).unwrap();
        assert_eq!(fault["kind"], named, "{row}");
        kinds.push(named.to_owned());
        simulator.fault(fault).await;
    }
    // What the reader of faults knows, in its own words.
    let answer = simulator
        .control("faults", serde_json::json!({ "api": "model", "kind": "explode" }))
        .await;
    let refused = answer.text().await.unwrap();
    let (_, known) = refused.split_once("expected one of ").unwrap();
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    assert_eq!(kinds, known);
    for target in TARGETS {
        assert!(DOCUMENT.contains(&format!("`{target}`")), "{target}");
    }
}

#[test]
fn every_route_stands_in_the_document() {
    let mut count = 0;
    for rest in ROUTES.iter().flat_map(|source| source.split('"')) {
        if rest.starts_with("/simulator") {
            let route = rest.replace("/customers/{id}", "/customers/$CUSTOMER");
            let route = route.replace("{id}", "AgentWang");
            assert!(DOCUMENT.contains(&format!("$SIM{route}")), "{route}");
            count += 1;
        }
    }
    assert!(15 < count, "{count} routes");
}
