//! What happens to callbacks in flight when the process is told to stop.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::client::{Client, DEADLINE};
use crate::running::{CORP_ID, Running, seal, text_message};

/// Body timeout and the wait for the client to close, with room for a busy machine.
const STOP_MAX: Duration = Duration::from_secs(5);

/// A request of which the server has read the head, and no more.
async fn begin(running: &Running, headers: &str, query: &str) -> Client {
    let mut client = running.client().await;
    let head =
        format!("POST /callback?{query} HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\n{headers}\r\n\r\n");
    client.send(head).await;
    assert_eq!(client.answer().await.status, 100);
    client
}

async fn no_longer_listens(running: &Running) {
    let refused = async {
        while TcpStream::connect(running.address).await.is_ok() {
            yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_in_flight_is_still_queued_and_answered() {
    let mut running = Running::start().await;
    let sealed = seal(text_message("hello"));
    let body = sealed.request_xml(CORP_ID, None);
    let headers = format!("content-length: {}", body.len());
    let mut client = begin(&running, &headers, &sealed.query()).await;
    running.begin_stop();
    no_longer_listens(&running).await;
    client.send(body).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "success"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
    running.ended_within(STOP_MAX).await;
    assert_eq!(running.waiting().await, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_half_a_body_does_not_hold_up_the_stop() {
    let mut running = Running::start().await;
    let query = seal("x").query();
    let mut clients = Vec::new();
    for headers in ["content-length: 9", "transfer-encoding: chunked"] {
        let mut client = begin(&running, headers, &query).await;
        client.send("4\r\n").await;
        clients.push(client);
    }
    let idle = running.client().await;
    running.begin_stop();
    running.ended_within(STOP_MAX).await;
    for mut client in clients {
        assert_eq!(client.answer().await.status, 408);
    }
    drop(idle);
    running.stop().await;
}
