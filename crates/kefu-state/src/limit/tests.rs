use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(10);
const STEP: Duration = Duration::from_millis(1);

/// A limit and its time.
struct Clocked {
    limit: Limit,
    now: Instant,
}

impl Clocked {
    fn start() -> Clocked {
        Clocked {
            limit: Limit::default(),
            // An hour of the past is there to be looked at.
            now: Instant::now() + PAUSE_MAX,
        }
    }

    fn pass(&mut self, time: Duration) -> &mut Clocked {
        self.now += time;
        self
    }

    fn call(&mut self) -> Call {
        self.limit.call(INTERVAL, self.now)
    }

    fn refused(&mut self, asked: Option<u64>) -> Pause {
        self.limit.refused(asked, MINUTE, self.now)
    }

    /// Waits for the end of the pause and asks.
    fn ask(&mut self) -> u64 {
        match self.call() {
            Call::Ask(asked) => asked,
            Call::Paused(left) => self.pass(left).ask(),
            other => panic!("{other:?}"),
        }
    }

    fn told(&mut self, asked: u64, told: Told) {
        self.limit.told(asked, told, self.now);
    }

    /// A limit that was real and is over.
    fn paced() -> Clocked {
        let mut it = Clocked::start();
        it.refused(None);
        let asked = it.ask();
        it.refused(Some(asked));
        let asked = it.ask();
        it.told(asked, Told::Passed);
        it
    }
}

fn pause(left: Duration, length: Duration, begun: bool) -> Pause {
    Pause { left, length, begun }
}

#[test]
fn a_single_refusal_costs_a_moment() {
    let mut it = Clocked::start();
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
    assert_eq!(it.refused(None), pause(MOMENT, MOMENT, true));
    assert_eq!(it.pass(MOMENT / 4).call(), Call::Paused(MOMENT * 3 / 4));
    let asked = it.ask();
    it.told(asked, Told::Passed);
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
    assert!(it.limit.is_free());
}

#[test]
fn a_limit_that_is_refused_again_lasts_its_minute_and_doubles_only_after_that() {
    let mut it = Clocked::start();
    it.refused(None);
    let asked = it.ask();
    // From the first refusal on, not from this one.
    assert_eq!(it.refused(Some(asked)), pause(MINUTE - MOMENT, MINUTE, true));
    let mut lengths = Vec::new();
    for _ in 0..7 {
        let asked = it.ask();
        lengths.push(it.refused(Some(asked)).left.as_secs());
    }
    assert_eq!(lengths, [120, 240, 480, 960, 1920, 3600, 3600]);
}

#[test]
fn one_asks_and_the_others_wait_for_it() {
    let mut it = Clocked::start();
    it.refused(None);
    let asked = it.ask();
    assert_eq!(it.call(), Call::Asked(ASKED_MAX));
    assert_eq!(it.pass(STEP).call(), Call::Asked(ASKED_MAX - STEP));
    it.told(asked, Told::Nothing);
    assert_eq!(it.call(), Call::Ask(asked + 1));
}

#[test]
fn whoever_asks_and_dies_is_followed_by_the_next() {
    let mut it = Clocked::start();
    it.refused(None);
    let dead = it.ask();
    it.pass(ASKED_MAX);
    let next = it.ask();
    // It was only slow: nobody asks it any more.
    it.told(dead, Told::Passed);
    assert_eq!(it.call(), Call::Asked(ASKED_MAX));
    assert!(!it.refused(Some(dead)).begun);
    assert_eq!(it.call(), Call::Asked(ASKED_MAX));
    it.told(next, Told::Passed);
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
}

#[test]
fn calls_that_were_on_their_way_join_the_pause() {
    let mut it = Clocked::start();
    it.refused(None);
    it.pass(MOMENT / 2);
    assert_eq!(it.refused(None), pause(MOMENT / 2, MOMENT, false));
    let asked = it.ask();
    assert_eq!(it.refused(None), pause(MOMENT, MOMENT, false));
    it.refused(Some(asked));
    assert_eq!(it.refused(None), pause(MINUTE - MOMENT, MINUTE, false));
    assert!(!it.refused(Some(asked)).begun);
}

#[test]
fn a_pause_that_nobody_came_after_is_forgotten() {
    let mut it = Clocked::start();
    it.refused(None);
    it.pass(MOMENT + ASKED_MAX);
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
    assert_eq!(it.refused(None), pause(MOMENT, MOMENT, true));
    let asked = it.ask();
    it.refused(Some(asked));
    // It ends with its minute, and stays known for as long again.
    it.pass(MINUTE - MOMENT + MINUTE - STEP);
    assert!(matches!(it.call(), Call::Ask(_)));
}

#[test]
fn after_a_real_limit_the_calls_have_places_for_an_hour() {
    let mut it = Clocked::paced();
    // A burst of what was left free, then one after the other.
    it.pass(MINUTE);
    let kept = 1 + u32::try_from(PLACE_KEPT.as_millis() / INTERVAL.as_millis()).unwrap();
    for _ in 0..kept {
        assert_eq!(it.call(), Call::Go(Duration::ZERO));
    }
    for number in 1..=10 {
        assert_eq!(it.call(), Call::Go(INTERVAL * number));
    }
    it.pass(INTERVAL * 10);
    assert_eq!(it.call(), Call::Go(INTERVAL));
    it.pass(PACED_FOR);
    for _ in 0..2 * kept {
        assert_eq!(it.call(), Call::Go(Duration::ZERO));
    }
}

#[test]
fn nobody_gets_a_place_that_is_far_away() {
    let mut it = Clocked::paced();
    let last = loop {
        match it.call() {
            Call::Go(wait) => assert!(wait <= PLACE_WAIT_MAX),
            other => break other,
        }
    };
    assert_eq!(last, Call::Full(PLACE_WAIT_MAX + INTERVAL));
    // All come again at the pace at which there are places.
    assert_eq!(it.call(), Call::Full(PLACE_WAIT_MAX + INTERVAL * 2));
    it.pass(PLACE_WAIT_MAX + INTERVAL);
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
}

#[test]
fn a_paced_api_has_the_same_moment_and_the_same_question() {
    let mut it = Clocked::paced();
    assert_eq!(it.refused(None), pause(MOMENT, MOMENT, true));
    let asked = it.ask();
    it.told(asked, Told::Passed);
    assert_eq!(it.call(), Call::Go(Duration::ZERO));
    assert!(!it.limit.is_free());
}

#[test]
fn a_pause_shorter_than_a_moment_is_its_own_moment() {
    let first = Duration::from_millis(100);
    let mut it = Clocked::start();
    let begun = it.limit.refused(None, first, it.now);
    assert_eq!(begun, pause(first, first, true));
    let asked = it.ask();
    assert_eq!(
        it.limit.refused(Some(asked), first, it.now),
        pause(first, first, true)
    );
}
