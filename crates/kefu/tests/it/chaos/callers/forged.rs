//! Strangers who do not know the token.

mod timing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use kefu_wecom::crypto::Sealed;
use tokio::task::JoinSet;

use super::{Case, called_only, sealed};
use crate::stage::{eventually, http, metric};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s46_forged_signatures_are_refused_before_anything_is_decrypted() {
    const FORGED: u32 = 10_000;
    const CONNECTIONS: u32 = 16;
    let case = Case::begin("46", "10,000 forged signatures; 100,000 timed of each prefix");
    let play = called_only().await;
    let next = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (next, url) = (Arc::clone(&next), play.ingress.callback_url());
        clients.spawn(async move {
            let client = http();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if FORGED <= number {
                    return;
                }
                let forged = forged(number);
                let url = format!("{url}?{}", forged.query());
                let body = forged.request_xml("ww", None);
                let answer = client.post(url).body(body).send().await.unwrap();
                assert_eq!(answer.status(), 403);
                assert_eq!(answer.bytes().await.unwrap().len(), 0);
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let metrics = play.ingress.metrics().await;
    let all = metric(&metrics, "kefu_callbacks_total", &[]);
    assert_eq!(all, f64::from(FORGED));
    eventually("the signature was the reason each time", async || {
        let lines = play.ingress.running.stderr();
        let told = lines
            .iter()
            .filter(|line| line.contains("signature does not match"));
        (told.count() == FORGED as usize).then_some(())
    })
    .await;
    let spread = timing::spread();
    let t_max = spread.iter().fold(0.0_f64, |most, (_, t)| most.max(t.abs()));
    assert!(t_max < 4.5, "{spread:?}");
    let note = format!("all 403, none decrypted; by matching prefix |t| at most {t_max:.2}");
    case.end(&play.end().await, None, note);
}

/// All but the signature is right, and a part of that, too.
fn forged(number: u32) -> Sealed {
    let mut forged = sealed();
    forged.msg_signature = timing::wrong_after(&forged.msg_signature, number as usize % 40);
    forged
}
