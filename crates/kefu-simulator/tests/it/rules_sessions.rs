//! Session states against the bare rules.

use kefu_simulator::SimulatorSettings;
use kefu_simulator::world::{Incoming, Servicer, ServicerAct, State, SyncRequest, Twist, World};
use serde_json::Value;

use crate::running::{ACCOUNT, text_message};

const NOW: i64 = 1_700_000_000_000;

fn world() -> World {
    let mut world = World::new(SimulatorSettings::default(), "test");
    world
        .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("hi"), NOW)
        .unwrap();
    world
}

fn go(world: &mut World, target: i64, servicer: Option<&str>) -> i32 {
    world
        .transfer(ACCOUNT, "wm1", target, servicer, NOW)
        .map_or_else(|refusal| refusal.code, |_| 0)
}

/// A world whose session came into this state by the way of the table.
fn world_in(state: State) -> World {
    let mut world = world();
    let way: &[i64] = match state {
        State::Unhandled => &[],
        State::Assistant => &[1],
        State::Pool => &[2],
        State::Human => &[2, 3],
        State::Ended => &[2, 3, 4],
    };
    for target in way {
        assert_eq!(go(&mut world, *target, (*target == 3).then_some("AgentLi")), 0);
    }
    assert_eq!(world.service_state(ACCOUNT, "wm1").unwrap().0, state);
    world
}

fn events(world: &mut World) -> Vec<Value> {
    let page = world
        .sync(&SyncRequest::default(), Twist::default(), NOW)
        .unwrap();
    let messages = page
        .messages
        .iter()
        .map(|entry| serde_json::from_str(entry.json.get()).unwrap());
    messages.collect()
}

#[test]
fn only_the_moves_of_the_table_are_allowed() {
    let table = [
        (State::Unhandled, [95_016, 0, 0, 0, 95_016]),
        (State::Assistant, [95_016, 95_016, 0, 0, 0]),
        (State::Pool, [95_016, 95_016, 95_016, 0, 95_016]),
        (State::Human, [95_016, 95_016, 95_016, 0, 0]),
        (State::Ended, [95_016, 95_016, 95_016, 95_016, 95_016]),
    ];
    for (from, row) in table {
        for (target, expected) in (0..).zip(row) {
            let mut world = world_in(from);
            let servicer = (target == 3).then_some("AgentWang");
            assert_eq!(go(&mut world, target, servicer), expected, "{from:?} to {target}");
        }
    }
}

#[test]
fn an_agent_must_be_known_receiving_and_another_one() {
    let mut world = world_in(State::Human);
    assert_eq!(go(&mut world, 3, None), 40_058);
    assert_eq!(go(&mut world, 3, Some("Nobody")), 95_014);
    assert_eq!(go(&mut world, 3, Some("AgentLi")), 95_016);
    world.set_servicer("AgentWang", Servicer::Stopped, NOW).unwrap();
    assert_eq!(go(&mut world, 3, Some("AgentWang")), 95_019);
    world.set_servicer("AgentWang", Servicer::Receiving, NOW).unwrap();
    assert_eq!(go(&mut world, 3, Some("AgentWang")), 0);
    assert_eq!(go(&mut world, 9, None), 40_058);
}

#[test]
fn the_api_may_send_in_states_0_and_1_only() {
    for (state, expected) in [
        (State::Unhandled, 0),
        (State::Assistant, 0),
        (State::Pool, 95_018),
        (State::Human, 95_018),
        (State::Ended, 95_018),
    ] {
        let sent = world_in(state).send(&text_message("wm1", None, "x"), None, NOW);
        assert_eq!(
            sent.map_or_else(|refusal| refusal.code, |_| 0),
            expected,
            "{state:?}"
        );
    }
}

#[test]
fn a_new_message_begins_a_new_session_only_after_the_end() {
    for (state, expected) in [
        (State::Assistant, State::Assistant),
        (State::Pool, State::Pool),
        (State::Human, State::Human),
        (State::Ended, State::Unhandled),
    ] {
        let mut world = world_in(state);
        world
            .customer_message(Some(ACCOUNT), "wm1", &Incoming::text("again"), NOW)
            .unwrap();
        assert_eq!(world.service_state(ACCOUNT, "wm1").unwrap().0, expected);
    }
}

#[test]
fn what_an_agent_types_is_in_the_stream_with_origin_5() {
    let mut world = world_in(State::Human);
    let act = ServicerAct::Reply {
        text: "my answer".to_owned(),
    };
    world
        .servicer_act(Some(ACCOUNT), "wm1", "AgentLi", &act, NOW)
        .unwrap();
    let last = events(&mut world).pop().unwrap();
    assert_eq!(
        (&last["origin"], &last["servicer_userid"]),
        (&Value::from(5), &Value::from("AgentLi"))
    );
    assert_eq!(last["external_userid"], "wm1");
}

#[test]
fn what_agents_do_shows_as_events_with_the_ids_inside() {
    let mut world = world_in(State::Pool);
    let act = |world: &mut World, servicer: &str, act| {
        world
            .servicer_act(Some(ACCOUNT), "wm1", servicer, &act, NOW)
            .unwrap();
        let message = events(world).pop().unwrap();
        assert_eq!(message["origin"], 4);
        assert_eq!(message["msgtype"], "event");
        assert!(message.get("open_kfid").is_none());
        assert_eq!(message["event"]["open_kfid"], ACCOUNT);
        assert_eq!(message["event"]["external_userid"], "wm1");
        message["event"].clone()
    };
    let taken = act(&mut world, "AgentLi", ServicerAct::Take);
    assert_eq!(
        (&taken["change_type"], taken["msg_code"].is_string()),
        (&Value::from(1), true)
    );
    let passed_on = act(&mut world, "AgentWang", ServicerAct::Take);
    assert_eq!(passed_on["change_type"], 2);
    assert_eq!(passed_on["old_servicer_userid"], "AgentLi");
    let ended = act(&mut world, "AgentWang", ServicerAct::End);
    assert_eq!(
        (&ended["change_type"], ended["msg_code"].is_string()),
        (&Value::from(3), true)
    );
    let again = act(&mut world, "AgentLi", ServicerAct::Take);
    assert_eq!(again["change_type"], 4);
}
