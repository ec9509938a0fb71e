use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};

use super::*;
use crate::{SessionState, Silence, WINDOW, plan_text};

/// Every run draws the same cases: a failure here is a failure everywhere.
fn fixed() -> Config {
    Config {
        cases: 2000,
        rng_seed: RngSeed::Fixed(60),
        rng_algorithm: RngAlgorithm::ChaCha,
        failure_persistence: None,
        ..Config::default()
    }
}

const WROTE_AT: Millis = Millis(1_000_000);

fn open_part() -> impl Strategy<Value = OpenPart> {
    let status = prop_oneof![Just(PartStatus::Planned), Just(PartStatus::Sending)];
    (status, any::<bool>()).prop_map(|(status, started)| OpenPart {
        status,
        // A part on its way has left, so its reply has begun.
        reply_started: started || status == PartStatus::Sending,
    })
}

#[derive(Clone, Debug)]
struct Drawn {
    open_parts: Vec<OpenPart>,
    owes: bool,
    transfer_owed: bool,
    budget: Budget,
    now: Millis,
}

impl Drawn {
    fn step(&self) -> Step {
        next_step(&TurnView {
            open_parts: &self.open_parts,
            owes: self.owes,
            transfer_owed: self.transfer_owed,
            budget: self.budget,
            now: self.now,
        })
    }

    fn window_open(&self) -> bool {
        self.budget.window_open(self.now)
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let around_the_end = (WROTE_AT + WINDOW).0 - 3..(WROTE_AT + WINDOW).0 + 3;
    let now = prop_oneof![around_the_end, 0i64..i64::MAX].prop_map(Millis);
    let wrote_at = prop_oneof![Just(None), Just(Some(WROTE_AT))];
    let parts = prop::collection::vec(open_part(), 0..7);
    (parts, any::<bool>(), any::<bool>(), wrote_at, 0u32..8, now).prop_map(
        |(open_parts, owes, transfer_owed, customer_wrote_at, used, now)| Drawn {
            open_parts,
            owes,
            transfer_owed,
            budget: Budget {
                customer_wrote_at,
                used,
            },
            now,
        },
    )
}

/// Whether doing `step` is allowed by the rules, each said without the others.
fn allowed(drawn: &Drawn, step: Step) -> bool {
    let status = |place: usize| drawn.open_parts.get(place).map(|part| part.status);
    let unclear = drawn
        .open_parts
        .iter()
        .position(|part| part.status == PartStatus::Sending);
    let unsaid = drawn.open_parts.first().is_some_and(|part| !part.reply_started);
    let overtaken = drawn.owes && unsaid && !drawn.transfer_owed;
    let planned = |place| place == 0 && unclear.is_none() && status(0) == Some(PartStatus::Planned);
    let nothing_open = drawn.open_parts.is_empty();
    match step {
        Step::Repeat(place) => unclear == Some(place) && drawn.window_open(),
        Step::GiveUp(place) => unclear == Some(place) && !drawn.window_open(),
        Step::DropExpired(place) => planned(place) && !drawn.window_open(),
        Step::DropOvertaken(place) => planned(place) && drawn.window_open() && overtaken,
        Step::Say(place) => planned(place) && drawn.window_open() && !overtaken,
        Step::Transfer => nothing_open && drawn.transfer_owed && drawn.window_open(),
        Step::DropTransfer => nothing_open && drawn.transfer_owed && !drawn.window_open(),
        Step::Expire => nothing_open && drawn.owes && !drawn.transfer_owed && !drawn.window_open(),
        Step::Answer => nothing_open && drawn.owes && !drawn.transfer_owed && drawn.window_open(),
        Step::Release => nothing_open && !drawn.owes && !drawn.transfer_owed,
    }
}

/// Every step there is, for as many open parts.
fn all_steps(parts: usize) -> Vec<Step> {
    let mut steps = vec![
        Step::Transfer,
        Step::DropTransfer,
        Step::Expire,
        Step::Answer,
        Step::Release,
    ];
    for place in 0..parts {
        steps.extend([
            Step::Repeat(place),
            Step::GiveUp(place),
            Step::DropExpired(place),
            Step::DropOvertaken(place),
            Step::Say(place),
        ]);
    }
    steps
}

/// What the world makes of a conversation after a step, drawn by `chance`; the shortest word for a store.
fn after(mut drawn: Drawn, step: Step, chance: u8) -> Drawn {
    let drop_reply = |drawn: &mut Drawn| drawn.open_parts.retain(|part| part.status == PartStatus::Sending);
    match step {
        Step::Repeat(place) => match chance % 3 {
            // Still unclear.
            0 => (),
            _ => drop(drawn.open_parts.remove(place)),
        },
        Step::GiveUp(place) => drop(drawn.open_parts.remove(place)),
        Step::DropExpired(_) => {
            drop_reply(&mut drawn);
        }
        Step::DropOvertaken(_) => {
            drop_reply(&mut drawn);
            drawn.owes = true;
        }
        Step::Say(place) => match chance % 3 {
            0 => drawn.open_parts[place].status = PartStatus::Sending,
            _ => drop(drawn.open_parts.remove(place)),
        },
        Step::DropTransfer => drawn.transfer_owed = false,
        Step::Transfer => {
            drawn.transfer_owed = false;
            // Refused, its messages are owed again.
            drawn.owes |= chance == 2;
        }
        Step::Expire => drawn.owes = false,
        Step::Answer => {
            drawn.owes = false;
            let parts = plan_text("您好", drawn.budget.parts_left().max(1)).len();
            let part = OpenPart {
                status: PartStatus::Planned,
                reply_started: false,
            };
            drawn.open_parts.extend(vec![part; parts]);
        }
        Step::Release => (),
    }
    drawn
}

proptest! {
    #![proptest_config(fixed())]

    #[test]
    fn every_view_has_exactly_one_step(drawn in drawn()) {
        let step = drawn.step();
        let all = all_steps(drawn.open_parts.len());
        let fitting: Vec<_> = all.into_iter().filter(|step| allowed(&drawn, *step)).collect();
        prop_assert_eq!(fitting, vec![step]);
    }

    #[test]
    fn nothing_new_is_said_while_a_part_is_open(drawn in drawn()) {
        if matches!(drawn.step(), Step::Answer | Step::Release | Step::Expire | Step::Transfer) {
            prop_assert!(drawn.open_parts.is_empty());
        }
    }

    #[test]
    fn nothing_is_called_after_the_window(drawn in drawn()) {
        if !drawn.window_open() {
            prop_assert!(!matches!(drawn.step(), Step::Repeat(_) | Step::Say(_) | Step::Answer | Step::Transfer));
        }
    }

    /// The lease is given back after finitely many rounds, unless calls stay unclear for ever while time stands still.
    #[test]
    fn a_turn_comes_to_its_end(first in drawn(), chances in prop::collection::vec(1u8..3, 64)) {
        let mut drawn = first;
        for chance in chances {
            let step = drawn.step();
            if step == Step::Release {
                return Ok(());
            }
            drawn = after(drawn, step, chance);
        }
        prop_assert!(false, "still at work after 64 rounds");
    }

    /// A part of which an earlier call may have gone through never gets a new msgid, and never counts as failed.
    #[test]
    fn what_may_have_gone_out_is_only_repeated_or_unknown(
        end in prop_oneof![
            Just(CallEnd::Accepted), Just(CallEnd::MsgidUsed), Just(CallEnd::Later), Just(CallEnd::Never)
        ],
    ) {
        let note = end.note(true);
        prop_assert!(!matches!(note, PartNote::PlanAgain | PartNote::Failed | PartNote::SaidBefore));
        let clear = end.note(false);
        prop_assert!(!matches!(clear, PartNote::Ambiguous | PartNote::Unknown));
    }

    /// A walk through the states of a part: it never returns to one it left, and ends.
    #[test]
    fn a_part_never_returns_to_a_status_it_left(choices in prop::collection::vec(0usize..6, 0..12)) {
        let mut status = PartStatus::Planned;
        let mut left = Vec::new();
        for choice in choices {
            let next = PartStatus::ALL[choice];
            if next != status && status.may_become(next) {
                left.push(status);
                status = next;
                prop_assert!(!left.contains(&status), "{left:?} then {status:?}");
            }
        }
    }

    /// Customers, people and WeCom move the session (doc 94698); whatever they do, either we may speak or what is
    /// owed has an end, and the two never hold at once.
    #[test]
    fn in_every_session_state_there_is_a_voice_or_an_end(moves in prop::collection::vec(0i64..7, 0..20)) {
        for code in moves {
            let Some(state) = SessionState::from_code(code) else {
                prop_assert!(4 < code);
                continue;
            };
            prop_assert_eq!(state.may_send(), state.silence().is_none());
            if let Some(Silence { handled, reason }) = state.silence() {
                prop_assert_eq!(handled.as_str(), reason.as_str());
            }
        }
    }

    #[test]
    fn no_more_parts_are_planned_than_the_budget_leaves(used in 0u32..9, length in 0usize..20_000) {
        let budget = Budget { customer_wrote_at: Some(WROTE_AT), used };
        let parts = plan_text(&"字".repeat(length / 3), budget.parts_left());
        prop_assert!(parts.len() + used.min(5) as usize <= 5);
    }
}

#[test]
fn the_window_is_open_to_the_last_millisecond() {
    let drawn = |now| Drawn {
        open_parts: Vec::new(),
        owes: true,
        transfer_owed: false,
        budget: Budget {
            customer_wrote_at: Some(WROTE_AT),
            used: 0,
        },
        now,
    };
    let end = WROTE_AT + WINDOW;
    assert_eq!(drawn(end - Duration::from_millis(1)).step(), Step::Answer);
    assert_eq!(drawn(end).step(), Step::Expire);
}

#[test]
fn statuses_that_end_stay_ended() {
    for next in PartStatus::ALL {
        assert!(!PartStatus::Failed.may_become(*next));
        assert!(!PartStatus::Cancelled.may_become(*next));
        assert!(!next.may_become(PartStatus::Planned));
    }
}
