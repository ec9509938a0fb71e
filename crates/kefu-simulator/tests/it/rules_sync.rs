//! `sync_msg` and access tokens against the bare rules.

use std::collections::HashSet;
use std::time::Duration;

use kefu_simulator::SimulatorSettings;
use kefu_simulator::world::{CALLBACK_TOKEN_MS, Incoming, Refusal, SyncPage, SyncRequest, Twist, World};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::running::{ACCOUNT, OTHER_ACCOUNT};

const NOW: i64 = 1_700_000_000_000;

fn world(change: impl FnOnce(&mut SimulatorSettings)) -> World {
    let mut settings = SimulatorSettings {
        sync_without_token_per_minute: 10_000,
        ..Default::default()
    };
    change(&mut settings);
    World::new(settings, "test")
}

fn write(world: &mut World, account: &str, count: usize) {
    for number in 0..count {
        world
            .customer_message(
                Some(account),
                "wm1",
                &Incoming::text(format!("message {number}")),
                NOW,
            )
            .unwrap();
    }
}

fn sync(world: &mut World, account: Option<&str>, cursor: Option<&str>) -> Result<SyncPage, Refusal> {
    sync_at(world, account, cursor, NOW)
}

fn sync_at(
    world: &mut World,
    account: Option<&str>,
    cursor: Option<&str>,
    now: i64,
) -> Result<SyncPage, Refusal> {
    let request = SyncRequest {
        cursor: cursor.map(str::to_owned),
        open_kfid: account.map(str::to_owned),
        ..Default::default()
    };
    world.sync(&request, Twist::default(), now)
}

/// Reads to the end; returns the texts and the sizes of the pages.
fn drain(world: &mut World, account: Option<&str>) -> (Vec<String>, Vec<usize>) {
    let (mut texts, mut sizes, mut cursor) = (Vec::new(), Vec::new(), None);
    for _ in 0..1_000 {
        let page = sync(world, account, cursor.as_deref()).unwrap();
        sizes.push(page.messages.len());
        for message in &page.messages {
            let message: Value = serde_json::from_str(message.json.get()).unwrap();
            texts.push(message["text"]["content"].as_str().unwrap_or_default().to_owned());
        }
        assert_ne!(cursor.as_ref(), Some(&page.next_cursor), "the cursor stood still");
        cursor = Some(page.next_cursor);
        if !page.has_more {
            return (texts, sizes);
        }
    }
    panic!("the stream has no end");
}

#[test]
fn pages_carry_everything_once_and_in_order() {
    let mut world = world(|settings| settings.page_size = 7);
    write(&mut world, ACCOUNT, 20);
    let (texts, sizes) = drain(&mut world, Some(ACCOUNT));
    assert_eq!(
        texts,
        (0..20)
            .map(|number| format!("message {number}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(sizes, [7, 7, 6]);
}

#[test]
fn empty_pages_come_with_more_behind_them() {
    let mut world = world(|settings| {
        settings.page_size = 5;
        settings.empty_page_every = Some(2);
    });
    write(&mut world, ACCOUNT, 20);
    let (texts, sizes) = drain(&mut world, Some(ACCOUNT));
    assert_eq!(texts.len(), 20);
    assert_eq!(sizes, [5, 0, 5, 0, 5, 0, 5]);
}

#[test]
fn an_account_has_its_own_stream_and_the_corp_has_both() {
    let mut world = world(|_| ());
    write(&mut world, ACCOUNT, 3);
    write(&mut world, OTHER_ACCOUNT, 2);
    assert_eq!(drain(&mut world, Some(ACCOUNT)).0.len(), 3);
    assert_eq!(drain(&mut world, Some(OTHER_ACCOUNT)).0.len(), 2);
    assert_eq!(drain(&mut world, None).0.len(), 5);
    let cursor = sync(&mut world, Some(ACCOUNT), None).unwrap().next_cursor;
    assert_eq!(sync(&mut world, None, Some(&cursor)).unwrap_err().code, 40_058);
    assert_eq!(sync(&mut world, Some("wkNobody"), None).unwrap_err().code, 95_000);
}

#[test]
fn history_ends_after_three_days() {
    let mut world = world(|_| ());
    write(&mut world, ACCOUNT, 3);
    let day = 24 * 3_600_000;
    assert_eq!(
        sync_at(&mut world, Some(ACCOUNT), None, NOW + 3 * day)
            .unwrap()
            .messages
            .len(),
        3
    );
    assert_eq!(
        sync_at(&mut world, Some(ACCOUNT), None, NOW + 3 * day + 1)
            .unwrap()
            .messages
            .len(),
        0
    );
}

#[test]
fn a_cursor_of_another_run_begins_at_the_earliest_message() {
    let mut before = World::new(SimulatorSettings::default(), "before");
    write(&mut before, ACCOUNT, 3);
    let cursor = sync(&mut before, Some(ACCOUNT), None).unwrap().next_cursor;
    let mut after = world(|_| ());
    write(&mut after, ACCOUNT, 2);
    assert_eq!(
        sync(&mut after, Some(ACCOUNT), Some(&cursor))
            .unwrap()
            .messages
            .len(),
        2
    );
}

#[track_caller]
fn check_request(request: SyncRequest, expected: i32) {
    let synced = world(|_| ()).sync(&request, Twist::default(), NOW);
    let code = synced.map_or_else(|refusal| refusal.code, |_| 0);
    assert_eq!(code, expected, "{request:?}");
}

#[test]
fn numbers_have_their_limits() {
    let limit = |limit| SyncRequest {
        limit: Some(limit),
        ..Default::default()
    };
    check_request(limit(1_000), 0);
    check_request(limit(1_001), 40_058);
    check_request(limit(0), 40_058);
    let voice = |format| SyncRequest {
        voice_format: Some(format),
        ..Default::default()
    };
    check_request(voice(1), 0);
    check_request(voice(2), 40_058);
}

#[test]
fn cursor_and_token_have_their_lengths_and_must_be_known() {
    let cursor = |text: &str| SyncRequest {
        cursor: Some(text.to_owned()),
        ..Default::default()
    };
    check_request(cursor(""), 0);
    check_request(cursor(&"x".repeat(65)), 40_058);
    check_request(cursor("4gw7MepFLfgF2VC5npb"), 40_058);
    let token = |text: &str| SyncRequest {
        token: Some(text.to_owned()),
        ..Default::default()
    };
    check_request(token(&"x".repeat(129)), 40_058);
    check_request(token("ENCinvented"), 95_007);
}

#[test]
fn a_callback_token_is_valid_for_ten_minutes() {
    let mut world = world(|settings| settings.sync_without_token_per_minute = 0);
    let arrival = world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    let request = SyncRequest {
        token: Some(arrival.notice.token),
        ..Default::default()
    };
    let mut code = |now| {
        world
            .sync(&request, Twist::default(), now)
            .map_or_else(|refusal| refusal.code, |_| 0)
    };
    assert_eq!(code(NOW + CALLBACK_TOKEN_MS - 1), 0);
    assert_eq!(code(NOW + CALLBACK_TOKEN_MS), 95_007);
}

#[test]
fn without_a_token_a_minute_has_few_calls() {
    let mut world = world(|settings| settings.sync_without_token_per_minute = 2);
    let mut code = |now| sync_at(&mut world, None, None, now).map_or_else(|refusal| refusal.code, |_| 0);
    assert_eq!(
        [code(NOW), code(NOW), code(NOW), code(NOW + 59_999)],
        [0, 0, 45_009, 45_009]
    );
    assert_eq!(code(NOW + 60_000), 0);
}

#[test]
fn what_the_api_sends_is_not_in_the_stream() {
    let mut world = world(|_| ());
    write(&mut world, ACCOUNT, 1);
    let message = crate::running::text_message("wm1", Some("m1"), "our answer");
    world.send(&message, None, NOW).unwrap();
    assert_eq!(drain(&mut world, Some(ACCOUNT)).0, ["message 0"]);
}

#[test]
fn faults_bend_one_page() {
    let mut world = world(|settings| settings.page_size = 2);
    write(&mut world, ACCOUNT, 6);
    let first = sync(&mut world, Some(ACCOUNT), None).unwrap();
    let request = SyncRequest {
        cursor: Some(first.next_cursor.clone()),
        open_kfid: Some(ACCOUNT.to_owned()),
        ..Default::default()
    };
    let ids = |page: &SyncPage| {
        page.messages
            .iter()
            .map(|entry| entry.json.get().to_owned())
            .collect::<Vec<_>>()
    };
    let repeated = world
        .sync(
            &request,
            Twist {
                repeat_page: true,
                ..Default::default()
            },
            NOW,
        )
        .unwrap();
    assert_eq!(ids(&repeated), ids(&first));
    assert!(repeated.has_more);
    assert_ne!(repeated.next_cursor, first.next_cursor);
    let stuck = world
        .sync(
            &request,
            Twist {
                repeat_cursor: true,
                ..Default::default()
            },
            NOW,
        )
        .unwrap();
    assert_eq!((stuck.next_cursor, stuck.has_more), (first.next_cursor, true));
    let plain = world.sync(&request, Twist::default(), NOW).unwrap();
    let swapped = world
        .sync(
            &request,
            Twist {
                swap_order: true,
                ..Default::default()
            },
            NOW,
        )
        .unwrap();
    assert_eq!(ids(&swapped), ids(&plain).into_iter().rev().collect::<Vec<_>>());
    // After the repeated page the stream goes on where it was.
    let next = sync(&mut world, Some(ACCOUNT), Some(&repeated.next_cursor)).unwrap();
    assert_eq!(ids(&next), ids(&plain));
}

#[test]
fn an_access_token_is_the_same_until_it_expires() {
    let mut world = world(|settings| settings.token_life = Duration::from_secs(10));
    let credentials = world.settings().credentials.clone();
    let (corp, secret) = (credentials.corp_id.as_str(), credentials.secret.expose_secret());
    let (first, expires_in) = world.get_token(corp, secret, NOW).unwrap();
    assert_eq!(expires_in, 10);
    assert_eq!(
        world.get_token(corp, secret, NOW + 4_000).unwrap(),
        (first.clone(), 6)
    );
    let (second, _) = world.get_token(corp, secret, NOW + 10_000).unwrap();
    assert_ne!(first, second);
    let code = |checked: Result<(), Refusal>| checked.map_or_else(|refusal| refusal.code, |()| 0);
    assert_eq!(code(world.check_access(Some(&second), NOW + 10_000)), 0);
    assert_eq!(code(world.check_access(Some(&first), NOW + 10_000)), 42_001);
    assert_eq!(code(world.check_access(Some("invented"), NOW + 10_000)), 40_014);
    assert_eq!(code(world.check_access(Some(""), NOW + 10_000)), 41_001);
    assert_eq!(code(world.check_access(None, NOW + 10_000)), 41_001);
    world.revoke_access();
    assert_eq!(code(world.check_access(Some(&second), NOW + 10_000)), 40_014);
}

#[test]
fn tokens_are_distinct_and_long_enough_to_look_real() {
    let mut world = world(|_| ());
    let tokens: HashSet<String> = (0..100)
        .map(|_| {
            let arrival = world
                .customer_message(None, "wm1", &Incoming::text("hi"), NOW)
                .unwrap();
            assert!((41..=44).contains(&arrival.msgid.len()));
            arrival.notice.token
        })
        .collect();
    assert_eq!(tokens.len(), 100);
    assert!(tokens.iter().all(|token| token.len() == 47));
}
