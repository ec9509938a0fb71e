//! The totals count what customers saw.

use kefu_simulator::SimulatorSettings;
use kefu_simulator::world::{Incoming, World};

use crate::running::{ACCOUNT, text_message};

const NOW: i64 = 1_700_000_000_000;

fn asked(tags: &[(&str, &str)]) -> World {
    let mut world = World::new(SimulatorSettings::default(), "test");
    for (customer, tag) in tags {
        let text = Incoming::text(format!("question {tag}"));
        world
            .customer_message(Some(ACCOUNT), customer, &text, NOW)
            .unwrap();
    }
    world
}

fn totals(world: &World) -> (u64, u64, u64, u64) {
    let report = world.report();
    (report.messages, report.answered, report.lost, report.duplicated)
}

#[test]
fn a_message_without_a_visible_reply_is_lost() {
    let world = asked(&[("wm1", "#kf-t-1"), ("wm2", "#kf-t-2")]);
    assert_eq!(totals(&world), (2, 0, 2, 0));
    assert_eq!(world.unanswered(10), ["#kf-t-1", "#kf-t-2"]);
}

#[test]
fn one_reply_may_answer_several_messages() {
    let mut world = asked(&[("wm1", "#kf-t-1"), ("wm1", "#kf-t-2")]);
    world
        .send(
            &text_message("wm1", Some("a"), "#kf-t-1 #kf-t-2 #kf-t-1"),
            None,
            NOW + 250,
        )
        .unwrap();
    assert_eq!(totals(&world), (2, 2, 0, 0));
    assert_eq!(world.report().reply_p99_ms, Some(250.0));
}

#[test]
fn the_same_tag_under_two_msgids_is_a_double_and_a_refused_repeat_is_not() {
    let mut world = asked(&[("wm1", "#kf-t-1")]);
    world
        .send(&text_message("wm1", Some("a"), "answer #kf-t-1"), None, NOW)
        .unwrap();
    world
        .send(&text_message("wm1", Some("a"), "answer #kf-t-1"), None, NOW)
        .unwrap_err();
    assert_eq!(totals(&world), (1, 1, 0, 0));
    world
        .send(&text_message("wm1", Some("b"), "answer #kf-t-1"), None, NOW)
        .unwrap();
    assert_eq!(totals(&world), (1, 1, 0, 1));
    world
        .send(&text_message("wm1", Some("c"), "answer #kf-t-1"), None, NOW)
        .unwrap();
    assert_eq!(
        totals(&world),
        (1, 1, 0, 1),
        "a message is duplicated once, however often"
    );
    assert_eq!(world.report().sends_refused, [(95_033, 1)].into());
}

#[test]
fn an_answer_to_somebody_else_is_misdirected_and_answers_nothing() {
    let mut world = asked(&[("wm1", "#kf-t-1"), ("wm2", "#kf-t-2")]);
    world
        .send(&text_message("wm2", None, "answer #kf-t-1"), None, NOW)
        .unwrap();
    assert_eq!(totals(&world), (2, 0, 2, 0));
    assert_eq!(world.report().misdirected, 1);
}

#[test]
fn a_reply_that_was_not_delivered_is_not_visible() {
    let mut world = asked(&[("wm1", "#kf-t-1")]);
    let accepted = world
        .send(&text_message("wm1", Some("a"), "answer #kf-t-1"), Some(10), NOW)
        .unwrap();
    assert!(accepted.notice.is_some());
    assert_eq!(totals(&world), (1, 0, 1, 0));
    world
        .send(&text_message("wm1", Some("b"), "answer #kf-t-1"), None, NOW)
        .unwrap();
    assert_eq!(totals(&world), (1, 1, 0, 0));
    world.fail_delivery(Some(ACCOUNT), "wm1", "b", 0, NOW).unwrap();
    assert_eq!(totals(&world), (1, 0, 1, 0));
}
