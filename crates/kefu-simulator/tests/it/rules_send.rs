//! `send_msg` against the bare rules.

use kefu_simulator::world::{Incoming, WINDOW_MS, World};
use kefu_simulator::{RepeatCheck, SimulatorSettings};
use serde_json::{Value, json};

use crate::running::{ACCOUNT, text_message};

const NOW: i64 = 1_700_000_000_000;

fn world() -> World {
    world_with(|_| ())
}

fn world_with(change: impl FnOnce(&mut SimulatorSettings)) -> World {
    let mut settings = SimulatorSettings::default();
    change(&mut settings);
    let mut world = World::new(settings, "test");
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    world
}

fn code(world: &mut World, request: &Value, now: i64) -> i32 {
    world
        .send(request, None, now)
        .map_or_else(|refusal| refusal.code, |_| 0)
}

#[track_caller]
fn check(change: Value, expected: i32) {
    let mut request = text_message("wm1", Some("m1"), "hello");
    for (name, value) in change.as_object().unwrap() {
        request[name] = value.clone();
    }
    assert_eq!(code(&mut world(), &request, NOW), expected, "{request}");
}

#[test]
fn a_plain_text_is_accepted() {
    check(json!({}), 0);
}

#[test]
fn parameters_are_refused_with_the_documented_codes() {
    check(json!({ "msgtype": "hologram" }), 40_008);
    check(json!({ "msgtype": null }), 40_008);
    check(json!({ "text": null }), 40_058);
    check(json!({ "text": { "content": "" } }), 40_058);
    check(json!({ "text": { "content": 5 } }), 40_058);
    check(json!({ "open_kfid": "wkNobody" }), 95_000);
    check(json!({ "touser": "wmNobody" }), 40_096);
    check(json!({ "touser": 7 }), 40_096);
    check(
        json!({ "msgtype": "image", "image": { "media_id": "gone" } }),
        40_007,
    );
    check(
        json!({ "msgtype": "location", "location": { "latitude": 91, "longitude": 0 } }),
        40_058,
    );
}

#[test]
fn a_text_ends_at_2048_bytes_whatever_the_characters() {
    check(json!({ "text": { "content": "a".repeat(2_048) } }), 0);
    check(json!({ "text": { "content": "a".repeat(2_049) } }), 40_058);
    check(json!({ "text": { "content": "客".repeat(682) } }), 0);
    check(json!({ "text": { "content": "客".repeat(683) } }), 40_058);
}

#[test]
fn a_msgid_has_1_to_32_bytes_of_its_alphabet() {
    check(json!({ "msgid": "a-b_C".repeat(6) }), 0);
    check(json!({ "msgid": "x".repeat(32) }), 0);
    check(json!({ "msgid": "x".repeat(33) }), 40_058);
    check(json!({ "msgid": "" }), 40_058);
    check(json!({ "msgid": "a b" }), 40_058);
    check(json!({ "msgid": "消息" }), 40_058);
    check(json!({ "msgid": 12 }), 40_058);
}

#[test]
fn a_menu_has_ten_items_of_known_types() {
    let click = json!({ "type": "click", "click": { "id": "1", "content": "yes" } });
    let menu = |items: Vec<Value>| json!({ "msgtype": "msgmenu", "msgmenu": { "list": items } });
    check(menu(vec![click.clone(); 10]), 0);
    check(menu(vec![click; 11]), 95_008);
    check(menu(vec![json!({ "type": "dance" })]), 95_009);
    check(menu(vec![json!({ "type": "click" })]), 40_058);
    check(
        menu(vec![
            json!({ "type": "click", "click": { "id": "x".repeat(65), "content": "a" } }),
        ]),
        40_058,
    );
}

#[test]
fn five_messages_may_follow_one_of_the_customer() {
    let mut world = world();
    for number in 0..5 {
        assert_eq!(
            code(
                &mut world,
                &text_message("wm1", Some(&format!("m{number}")), "x"),
                NOW
            ),
            0
        );
    }
    assert_eq!(
        code(&mut world, &text_message("wm1", Some("m5"), "x"), NOW),
        95_001
    );
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("more"), NOW)
        .unwrap();
    assert_eq!(code(&mut world, &text_message("wm1", Some("m5"), "x"), NOW), 0);
}

#[test]
fn the_window_closes_after_48_hours() {
    let mut world = world();
    assert_eq!(
        code(
            &mut world,
            &text_message("wm1", Some("m1"), "x"),
            NOW + WINDOW_MS - 1
        ),
        0
    );
    assert_eq!(
        code(&mut world, &text_message("wm1", Some("m2"), "x"), NOW + WINDOW_MS),
        95_002
    );
}

#[test]
fn a_repeated_msgid_is_refused_on_its_account_only() {
    let mut world = world();
    world
        .customer_message(None, "wm2", &Incoming::text("hi"), NOW)
        .unwrap();
    assert_eq!(code(&mut world, &text_message("wm1", Some("m1"), "x"), NOW), 0);
    assert_eq!(
        code(&mut world, &text_message("wm1", Some("m1"), "x"), NOW),
        95_033
    );
    assert_eq!(
        code(&mut world, &text_message("wm2", Some("m1"), "x"), NOW),
        95_033
    );
    let mut elsewhere = text_message("wm1", Some("m1"), "x");
    elsewhere["open_kfid"] = json!(crate::running::OTHER_ACCOUNT);
    world
        .customer_message(
            Some(crate::running::OTHER_ACCOUNT),
            "wm1",
            &Incoming::text("hi"),
            NOW,
        )
        .unwrap();
    assert_eq!(code(&mut world, &elsewhere, NOW), 0);
}

#[test]
fn the_text_of_a_repeat_names_the_msgid() {
    let mut world = world();
    world
        .send(&text_message("wm1", Some("m1"), "x"), None, NOW)
        .unwrap();
    let refusal = world
        .send(&text_message("wm1", Some("m1"), "x"), None, NOW)
        .unwrap_err();
    assert!(refusal.message.contains("msgid"), "{}", refusal.message);
}

#[test]
fn a_repeat_is_noticed_before_the_budget_or_after_it_as_set() {
    let spend = |world: &mut World| {
        for number in 0..5 {
            world
                .send(&text_message("wm1", Some(&format!("m{number}")), "x"), None, NOW)
                .unwrap();
        }
    };
    let mut strict = world();
    spend(&mut strict);
    assert_eq!(
        code(&mut strict, &text_message("wm1", Some("m0"), "x"), NOW),
        95_033
    );
    let mut late = world_with(|settings| settings.send_repeat_check = RepeatCheck::AfterState);
    spend(&mut late);
    assert_eq!(
        code(&mut late, &text_message("wm1", Some("m0"), "x"), NOW),
        95_001
    );
}

#[test]
fn a_refused_send_uses_its_msgid_up_only_when_told_so() {
    let refused_then_repeated = |world: &mut World| {
        let message = text_message("wm1", Some("m1"), "x");
        assert_eq!(code(world, &message, NOW + WINDOW_MS), 95_002);
        world
            .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("again"), NOW + WINDOW_MS)
            .unwrap();
        code(world, &message, NOW + WINDOW_MS)
    };
    assert_eq!(refused_then_repeated(&mut world()), 0);
    assert_eq!(
        refused_then_repeated(&mut world_with(|settings| settings.refused_msgid_used = true)),
        95_033
    );
}

#[test]
fn a_send_without_msgid_gets_one() {
    let mut world = world();
    let first = world.send(&text_message("wm1", None, "x"), None, NOW).unwrap();
    let second = world.send(&text_message("wm1", None, "x"), None, NOW).unwrap();
    assert_ne!(first.msgid, second.msgid);
    assert_eq!(first.msgid.len(), 32);
}
