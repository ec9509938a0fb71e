//! Sends prepared callbacks over a number of connections and takes the times.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::stream::{self, StreamExt};
use kefu_wecom::CallbackKey;
use reqwest::Client;

use super::median;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// One callback, ready to be posted.
pub(super) struct Callback {
    pub(super) query: String,
    pub(super) body: String,
}

/// What one round took.
pub(super) struct Round {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Unique wake-ups, signed and encrypted as WeCom does it.
pub(super) fn callbacks(key: &CallbackKey, corp_id: &str, count: u32) -> Vec<Callback> {
    let run: u64 = rand::random();
    (0..count)
        .map(|number| {
            let plaintext = format!(
                "<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName><CreateTime>1700000000</CreateTime>\
                 <MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event>\
                 <Token><![CDATA[ENC{run:016x}{number:028}]]></Token>\
                 <OpenKfId><![CDATA[wkBenchAccount000000000000000001]]></OpenKfId></xml>"
            );
            let nonce = number.to_string();
            let sealed = key.seal_signed(
                plaintext.as_bytes(),
                corp_id,
                rand::random(),
                "1700000000",
                &nonce,
            );
            Callback {
                query: sealed.query(),
                body: sealed.request_xml(corp_id, Some("1000002")),
            }
        })
        .collect()
}

/// Posts all of them; every one must be answered with 200.
pub(super) async fn post_all(
    client: &Client,
    url: &str,
    callbacks: &[Callback],
    connections: u32,
) -> anyhow::Result<Round> {
    let started_at = Instant::now();
    let times: Vec<anyhow::Result<f64>> = stream::iter(callbacks)
        .map(|callback| async move {
            let sent_at = Instant::now();
            let response = client
                .post(format!("{url}?{}", callback.query))
                .body(callback.body.clone())
                .timeout(REQUEST_TIMEOUT)
                .send()
                .await
                .context("a callback was not answered")?;
            ensure!(
                response.status() == 200,
                "a callback was answered with {}",
                response.status()
            );
            // Read to the end, so that the connection is used again.
            response.bytes().await?;
            Ok(sent_at.elapsed().as_secs_f64() * 1000.0)
        })
        .buffer_unordered(connections as usize)
        .collect()
        .await;
    let seconds = started_at.elapsed().as_secs_f64();
    let mut times = times.into_iter().collect::<anyhow::Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    let p99 = times.len().saturating_sub(1) * 99 / 100;
    Ok(Round {
        per_second: callbacks.len() as f64 / seconds,
        p50_ms: median(&times),
        p99_ms: times.get(p99).copied().unwrap_or_default(),
    })
}
