//! Which starts end with one clear line, and which go on without Redis.

use std::net::SocketAddr;

use kefu_state::{State, StateError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Log, raw, redis_info, settings};

/// A server that gives every command the same answer.
struct Parrot {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Parrot {
    async fn start(answer: &'static str) -> Parrot {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(repeat(stream, answer));
            }
        });
        Parrot {
            address,
            _tasks: tasks,
        }
    }
}

async fn repeat(mut stream: TcpStream, answer: &'static str) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        // Every command on the wire is one array, which begins with an asterisk.
        for _ in buffer[..length].iter().filter(|byte| **byte == b'*') {
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

async fn open(url: &str) -> Result<State, StateError> {
    State::open(&settings(url)).await
}

async fn refused(url: &str) -> String {
    let error = open(url).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
    text
}

#[tokio::test]
async fn a_server_that_answers_and_refuses_ends_the_start() {
    for (answer, expected) in [
        (
            "-NOAUTH Authentication required.\r\n",
            "wants a password, and the URL has none",
        ),
        (
            "-DENIED Redis is running in protected mode\r\n",
            "is in protected mode",
        ),
        (
            "-NOPERM User kefu has no permissions to run this\r\n",
            "does not let this user do what is needed",
        ),
        (
            "-MOVED 3999 10.0.0.1:6381\r\n",
            "is a cluster, which is not supported",
        ),
    ] {
        let parrot = Parrot::start(answer).await;
        let text = refused(&format!("redis://{}", parrot.address)).await;
        assert!(
            text.starts_with(&format!("state.url: redis at {}/0 {expected}", parrot.address)),
            "{text}"
        );
    }
    let parrot = Parrot::start("-WRONGPASS invalid username-password pair or user is disabled.\r\n").await;
    let text = refused(&format!("redis://:hunter2@{}/3", parrot.address)).await;
    let expected = format!(
        "state.url: redis at {}/3 refuses the user name or password",
        parrot.address
    );
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_server_that_cannot_serve_now_does_not_end_the_start() {
    for answer in [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots, but it can't persist to disk\r\n",
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-ERR max number of clients reached\r\n",
    ] {
        let parrot = Parrot::start(answer).await;
        let state = open(&format!("redis://{}", parrot.address)).await.unwrap();
        let health = state.health();
        assert!(health.degraded, "{answer}: {health:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_one_line_without_it() {
    let (mut raw, info) = (raw().await, redis_info());
    let user = format!("kefu_test_{}", std::process::id());
    let _: () = redis::cmd("ACL")
        .arg(&["SETUSER", &user, "on", ">right", "~*", "+@all"])
        .query_async(&mut raw)
        .await
        .unwrap();
    let wrong = refused(&format!("redis://{user}:hunter2@{}/0", info.addr())).await;
    let right = open(&format!("redis://{user}:right@{}/0", info.addr())).await;
    let _: () = redis::cmd("ACL")
        .arg(&["DELUSER", &user])
        .query_async(&mut raw)
        .await
        .unwrap();
    assert_eq!(
        wrong,
        format!(
            "state.url: redis at {}/0 refuses the user name or password",
            info.addr()
        )
    );
    assert!(!right.unwrap().health().degraded);
}

#[tokio::test]
async fn a_database_index_that_does_not_exist_is_refused() {
    let address = redis_info().addr().to_string();
    let text = refused(&format!("redis://{address}/9999")).await;
    assert!(
        text.starts_with(&format!(
            "state.url: redis at {address}/9999 refuses the database index"
        )),
        "{text}"
    );
}

#[tokio::test]
async fn impossible_settings_are_refused_by_name() {
    for (url, expected) in [
        (
            "http://127.0.0.1",
            "state.url: must be `memory:`, or begin with `redis://` or `rediss://`",
        ),
        ("redis://", "state.url: is not a Redis URL: missing hostname"),
    ] {
        assert_eq!(refused(url).await, expected);
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_a_degraded_start_and_the_log_keeps_the_password() {
    let (log, _guard) = Log::capture();
    // Bound and dropped: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let state = open(&format!("redis://:hunter2@{address}/0")).await.unwrap();
    assert!(state.health().degraded);
    let error = state.ping().await.unwrap_err();
    assert!(!error.is_refusal(), "{error}");
    let texts = format!("{} {error} {:?} {:?}", log.text(), state, state.health());
    assert_eq!(log.count("WARN"), 1, "{texts}");
    assert!(
        texts.contains(&address.to_string()) && !texts.contains("hunter2"),
        "{texts}"
    );
}
