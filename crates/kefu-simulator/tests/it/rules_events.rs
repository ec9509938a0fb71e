//! Event codes, recalls, media and customers against the bare rules.

use kefu_simulator::SimulatorSettings;
use kefu_simulator::world::{Incoming, MEDIA_LIFE_MS, PICKED_CODE_MS, WELCOME_CODE_MS, WINDOW_MS, World};
use serde_json::{Value, json};

use crate::running::{ACCOUNT, text_message};

const NOW: i64 = 1_700_000_000_000;

fn world() -> World {
    World::new(SimulatorSettings::default(), "test")
}

fn welcome(world: &mut World, now: i64) -> Option<String> {
    world
        .enter_session(Some(ACCOUNT), "wm1", "scene", "", now)
        .unwrap()
        .1
}

fn on_event(world: &mut World, code: &str, msgtype: &str, now: i64) -> i32 {
    let body = match msgtype {
        "msgmenu" => json!({ "head_content": "choose" }),
        _ => json!({ "content": "welcome" }),
    };
    let mut request = json!({ "code": code, "msgtype": msgtype });
    request[msgtype] = body;
    world
        .send_on_event(&request, now)
        .map_or_else(|refusal| refusal.code, |_| 0)
}

#[test]
fn a_welcome_code_works_once_and_for_20_seconds() {
    for (late_ms, expected) in [(0, 0), (WELCOME_CODE_MS - 1, 0), (WELCOME_CODE_MS, 40_029)] {
        let mut world = world();
        let code = welcome(&mut world, NOW).unwrap();
        assert_eq!(on_event(&mut world, &code, "text", NOW + late_ms), expected);
        assert_eq!(on_event(&mut world, &code, "text", NOW + late_ms), 40_029);
    }
    let mut world = world();
    let code = welcome(&mut world, NOW).unwrap();
    assert_eq!(on_event(&mut world, &code, "image", NOW), 40_008);
    assert_eq!(on_event(&mut world, &code, "msgmenu", NOW), 0);
    assert_eq!(world.report().welcomes, 1);
}

#[test]
fn no_welcome_code_for_somebody_who_was_welcomed_or_wrote_within_48_hours() {
    let mut welcomed = world();
    let code = welcome(&mut welcomed, NOW).unwrap();
    assert!(
        welcome(&mut welcomed, NOW).is_some(),
        "an unused code is no welcome"
    );
    assert_eq!(on_event(&mut welcomed, &code, "text", NOW), 0);
    assert!(welcome(&mut welcomed, NOW + WINDOW_MS - 1).is_none());
    assert!(welcome(&mut welcomed, NOW + WINDOW_MS).is_some());
    let mut wrote = world();
    wrote
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    assert!(welcome(&mut wrote, NOW + 1).is_none());
}

#[test]
fn the_code_of_the_pool_works_only_while_the_session_is_there() {
    let mut world = world();
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    let code = world.transfer(ACCOUNT, "wm1", 2, None, NOW).unwrap().unwrap();
    assert_eq!(on_event(&mut world, &code, "msgmenu", NOW), 40_008);
    let taken = world
        .transfer(ACCOUNT, "wm1", 3, Some("AgentLi"), NOW)
        .unwrap()
        .unwrap();
    assert_eq!(on_event(&mut world, &code, "text", NOW), 95_018);
    assert_eq!(on_event(&mut world, &taken, "text", NOW + PICKED_CODE_MS - 1), 0);
}

#[test]
fn a_recall_is_an_event_and_marks_the_line() {
    let mut world = world();
    let arrival = world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("oops"), NOW)
        .unwrap();
    world.recall(Some(ACCOUNT), "wm1", &arrival.msgid, NOW).unwrap();
    assert!(
        world
            .recall(Some(ACCOUNT), "wm1", "no-such-message", NOW)
            .is_err()
    );
    let chat = world.chat(Some(ACCOUNT), "wm1", 0, NOW).unwrap();
    assert!(chat.lines[0].recalled);
}

#[test]
fn the_screen_shows_budget_and_window() {
    let mut world = world();
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    world
        .send(&text_message("wm1", None, "hello"), None, NOW)
        .unwrap();
    let chat = world.chat(Some(ACCOUNT), "wm1", 1, NOW + 1_000).unwrap();
    assert_eq!(
        (chat.state, chat.budget_left, chat.window_left_ms),
        (0, 4, WINDOW_MS - 1_000)
    );
    assert_eq!(
        chat.lines
            .iter()
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>(),
        ["hello"]
    );
    assert_eq!(
        world
            .chat(Some(ACCOUNT), "wm1", 0, NOW + WINDOW_MS)
            .unwrap()
            .budget_left,
        0
    );
}

#[test]
fn media_has_sizes_kinds_and_three_days() {
    let mut world = world();
    let mut upload = |kind: &str, bytes: &[u8]| {
        let stored = world.upload(kind, "f", "x/y", bytes, NOW);
        stored.map_or_else(|refusal| refusal.code, |_| 0)
    };
    let png = |length: usize| [b"\x89PNG".to_vec(), vec![0; length - 4]].concat();
    assert_eq!(upload("image", &png(100)), 0);
    assert_eq!(upload("image", &png(2 * 1024 * 1024)), 0);
    assert_eq!(upload("image", &png(2 * 1024 * 1024 + 1)), 40_006);
    assert_eq!(upload("image", b"no image"), 40_004);
    assert_eq!(upload("file", b"12345"), 40_006);
    assert_eq!(upload("file", b"123456"), 0);
    assert_eq!(upload("sculpture", b"123456"), 40_005);
    let id = world.upload("file", "f", "x/y", b"123456", NOW).unwrap();
    assert!(world.media(&id, NOW + MEDIA_LIFE_MS - 1).is_ok());
    assert_eq!(world.media(&id, NOW + MEDIA_LIFE_MS).unwrap_err().code, 40_007);
}

#[test]
fn only_customers_of_the_last_48_hours_are_told_about() {
    let mut world = world();
    world.meet("wm1", Some("小明")).unwrap();
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    world.meet("wm2", None).unwrap();
    let ids = ["wm1", "wm2", "wm3"].map(str::to_owned);
    let batch = world.customer_batch(&ids, NOW).unwrap();
    assert_eq!(batch.customers[0]["nickname"], Value::from("小明"));
    assert_eq!(batch.invalid, ["wm2", "wm3"]);
    assert_eq!(
        world.customer_batch(&ids[..1], NOW + WINDOW_MS).unwrap().invalid,
        ["wm1"]
    );
    assert_eq!(world.customer_batch(&[], NOW).unwrap_err().code, 40_058);
}
