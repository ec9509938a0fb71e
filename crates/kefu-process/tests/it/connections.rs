//! Which connections are kept after an answer.

use std::time::Duration;

use actix_web::web;
use futures::future::join_all;
use kefu_process::http::{HttpLimits, KeepAlive, bind, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_secs(10);

/// `GET` and `POST` of `/`, which read no body; true when the server closes the connection after its answer.
async fn closes(keep_alive: KeepAlive, request: &str) -> bool {
    let listener = bind("127.0.0.1:0".parse().unwrap(), "test.listen").unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let limits = HttpLimits {
        keep_alive,
        ..HttpLimits::default()
    };
    let server = serve(
        listener,
        limits,
        stop.clone(),
        |config: &mut web::ServiceConfig| {
            config.route("/", web::get().to(|| async { "read nothing" }));
            config.route("/", web::post().to(|| async { "read nothing" }));
        },
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(server.unwrap());

    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
        let says_so = String::from_utf8_lossy(&answer)
            .to_lowercase()
            .contains("connection: close");
        if says_so {
            // Not only said, it ends, too; a reset is an end.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        says_so
    };
    let closes = timeout(DEADLINE, exchange).await.unwrap();
    stop.cancel();
    timeout(DEADLINE, tasks.join_next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
        .unwrap();
    closes
}

#[tokio::test]
async fn a_public_port_keeps_only_connections_that_posted_something_accepted() {
    for (request, is_accepted_post) in [
        ("POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n", true),
        (
            "POST /nothing HTTP/1.1\r\nhost: t\r\ncontent-length: 0\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.1\r\nhost: t\r\n\r\n", false),
        ("GET /nothing HTTP/1.1\r\nhost: t\r\n\r\n", false),
    ] {
        assert_eq!(
            closes(KeepAlive::AcceptedPost, request).await,
            !is_accepted_post,
            "{request}"
        );
        assert!(!closes(KeepAlive::EveryAnswer, request).await, "{request}");
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_waited_for() {
    let bodies = [
        "transfer-encoding: chunked\r\n\r\n5\r\nab",
        "content-length: 5\r\n\r\nab",
    ];
    let targets = ["GET /", "POST /", "POST /nothing"];
    let requests = targets
        .iter()
        .flat_map(|target| bodies.map(|body| format!("{target} HTTP/1.1\r\nhost: t\r\n{body}")));
    let checks = requests.map(async |request| {
        assert!(closes(KeepAlive::EveryAnswer, &request).await, "{request}");
    });
    join_all(checks).await;
}
