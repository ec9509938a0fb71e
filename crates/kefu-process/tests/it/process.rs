//! Start and stop of a process.

use std::net::SocketAddr;
use std::time::Duration;

use kefu_process::{LogFormat, LogSettings, run_process, stop_on_signal, telemetry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

#[test]
fn starting_telemetry_again_is_harmless() {
    let settings = LogSettings {
        format: LogFormat::Json,
        level: "warn".to_owned(),
    };
    let first = telemetry::start("kefu-test", &settings).unwrap();
    drop(telemetry::start("kefu-demo", &settings).unwrap());
    tracing::info!("unseen");
    drop(first);
    drop(telemetry::start("kefu-test", &settings).unwrap());
    let wrong = LogSettings {
        level: "loud".to_owned(),
        ..settings
    };
    assert_eq!(
        telemetry::start("kefu-test", &wrong).unwrap_err().key(),
        "log.level"
    );
}

#[tokio::test]
async fn a_signal_cancels_the_token() {
    let stop = stop_on_signal().unwrap();
    assert!(!stop.is_cancelled());
    let own_id = std::process::id().to_string();
    let sent = tokio::process::Command::new("sh")
        .args(["-c", "kill -TERM \"$0\"", &own_id])
        .status()
        .await;
    assert!(sent.unwrap().success());
    timeout(DEADLINE, stop.cancelled()).await.unwrap();
}

#[test]
fn a_process_that_ends_well_is_a_success() {
    let code = run_process("kefu-test", || async {
        tokio::time::timeout(DEADLINE, async { Ok(()) }).await?
    });
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
}

/// The endpoint comes from the environment, which a test can set only for a process of its own: itself again.
#[tokio::test]
async fn spans_are_exported_where_an_endpoint_is_set_even_without_ca_certificates() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::exports_a_span_when_told_to"])
        .env("KEFU_TEST_EXPORTS", "1")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nowhere")
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let receive = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        while !received.windows(9).any(|bytes| bytes == b"a_span_of") {
            assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8_lossy(&received).into_owned()
    };
    let received = timeout(DEADLINE, receive).await.unwrap();
    assert!(received.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{received}");
    assert!(
        received.contains("kefu-exporting") && !received.contains("a_span_of_a_library"),
        "{received}"
    );
    assert!(timeout(DEADLINE, child.wait()).await.unwrap().unwrap().success());
}

#[test]
fn exports_a_span_when_told_to() {
    if std::env::var_os("KEFU_TEST_EXPORTS").is_none() {
        return;
    }
    let code = run_process("kefu-exporting", || async {
        let settings = LogSettings {
            format: LogFormat::Json,
            level: "warn".to_owned(),
        };
        let _telemetry = telemetry::start("kefu-exporting", &settings)?;
        tracing::info_span!(target: "library", "a_span_of_a_library").in_scope(|| ());
        tracing::info_span!(target: "kefu_worker", "a_span_of_kefu").in_scope(|| ());
        Ok(())
    });
    assert_eq!(
        format!("{code:?}"),
        format!("{:?}", std::process::ExitCode::SUCCESS)
    );
}
