//! Ten thousand bodies that do not open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kefu_process::metrics::resident_bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::alone::{is_alone, run_alone};
use crate::client::{Client, post};
use crate::running::{CORP_ID, Running, key, seal, text_message};

const BODIES: u32 = 10_000;
const WARM_UP: u32 = 1_000;
const CONNECTIONS: u32 = 16;
const GROWTH_MAX: u64 = 10 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn s44_ten_thousand_bodies_that_do_not_open_are_4xx_and_leave_nothing_behind() {
    if !is_alone() {
        let stderr =
            run_alone("garbage::s44_ten_thousand_bodies_that_do_not_open_are_4xx_and_leave_nothing_behind")
                .await;
        assert!(!stderr.contains("panicked"), "{stderr}");
        return;
    }
    let running = Running::start().await;
    send_all(running.address, 0..WARM_UP).await;
    let before = resident_bytes().unwrap();
    send_all(running.address, WARM_UP..WARM_UP + BODIES).await;
    let growth = resident_bytes().unwrap().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "{growth} bytes");
    assert_eq!(running.waiting().await, 0);
    // It still works.
    assert_eq!(running.post(&seal(text_message("hello"))).await.status, 200);
    running.stop().await;
}

async fn send_all(address: SocketAddr, seeds: std::ops::Range<u32>) {
    let next = Arc::new(AtomicU32::new(seeds.start));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let next = Arc::clone(&next);
        clients.spawn(async move {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let (query, body) = generate(seed);
                let mut client = Client::connect(address).await;
                client.send(post(&format!("/callback?{query}"), body)).await;
                let status = client.answer().await.status;
                assert!((400..500).contains(&status), "seed {seed} got {status}");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

/// The query and the body; the seed says which.
fn generate(seed: u32) -> (String, Vec<u8>) {
    let mut random = StdRng::seed_from_u64(u64::from(seed));
    let good = seal(text_message("hello"));
    let query = good.query();
    let body = good.request_xml(CORP_ID, None).into_bytes();
    let body = match seed % 10 {
        0 => bytes(&mut random, 4096),
        1 => body[..random.random_range(0..body.len())].to_vec(),
        2 => flipped(&mut random, &good.encrypt, body),
        3 => format!("<xml><Encrypt>{}</Encrypt></xml>", "QUJD".repeat(16_000)).into_bytes(),
        4 => "<a>".repeat(random.random_range(1..20_000)).into_bytes(),
        5 => Vec::new(),
        6 => "[".repeat(random.random_range(1..60_000)).into_bytes(),
        7 => format!(
            "{{\"encrypt\":{}1{}}}",
            "{\"a\":".repeat(10_000),
            "}".repeat(10_000)
        )
        .into_bytes(),
        8 => [
            &b"<xml><Encrypt>"[..],
            &bytes(&mut random, 512),
            b"</Encrypt></xml>",
        ]
        .concat(),
        // Well signed, but the ciphertext is noise: it gets as far as the cipher and the frame.
        _ => return signed_noise(&mut random),
    };
    (query, body)
}

/// One bit of the ciphertext's text is another; outside of it a change may well be harmless.
fn flipped(random: &mut StdRng, encrypt: &str, mut body: Vec<u8>) -> Vec<u8> {
    let text = str::from_utf8(&body).unwrap();
    let at = text.find(encrypt).unwrap() + random.random_range(0..encrypt.len());
    body[at] ^= 1 << random.random_range(0..7);
    body
}

fn signed_noise(random: &mut StdRng) -> (String, Vec<u8>) {
    let blocks = random.random_range(1..40);
    let encrypt: String = (0..blocks * 64)
        .map(|_| char::from(b"ABCDEFGHabcdefgh0123+/"[random.random_range(0..22)]))
        .collect();
    let signature = key().signature("1", "n", &encrypt);
    let query = format!("msg_signature={signature}&timestamp=1&nonce=n");
    (query, format!("{{\"encrypt\":\"{encrypt}\"}}").into_bytes())
}

fn bytes(random: &mut StdRng, max: usize) -> Vec<u8> {
    (0..random.random_range(0..max))
        .map(|_| random.random())
        .collect()
}
