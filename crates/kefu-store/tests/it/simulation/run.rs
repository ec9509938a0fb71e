//! One seed: who acts next is drawn, one step at a time, until the faults stop and everything is quiet.

mod events;

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use kefu_store::Due;

use super::broker::{Broker, Kind};
use super::chance::Chance;
use super::check::Checks;
use super::mutation::Mutation;
use super::transitions::{Look, Transitions};
use super::wecom::Wecom;
use super::worker::{SWEPT_ATTEMPT, execute};
use super::world::{BEGIN, Hand, Held, World};

const WORKERS: usize = 3;
const CUSTOMERS: [&str; 3] = ["anna", "bert", "cleo"];
/// What customers write at most.
const MESSAGES_MAX: u32 = 9;
/// Steps with faults.
const STEPS: u64 = 260;
/// Steps until everything must be quiet after the last fault.
const STEPS_TO_QUIET: u64 = 8_000;

/// A rule was broken.
pub(super) struct Violation {
    pub(super) seed: u64,
    pub(super) what: String,
    pub(super) trace: Vec<String>,
}

/// What is left when everything is quiet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) look: Look,
    /// Customer, msgid and part of all that was seen, in its order.
    pub(super) shown: Vec<(String, String, u32)>,
    pub(super) trace: Vec<String>,
    pub(super) steps: u64,
    /// Calls that WeCom refused because five messages had gone out.
    pub(super) budget_refusals: u32,
}

struct Simulation<'s> {
    world: Rc<RefCell<World<'s>>>,
    workers: Vec<Worker<'s>>,
    written: u32,
    /// No faults, no people: everything must be answered to its last part.
    calm: bool,
    /// Whether a message may be one that nobody can answer.
    poison: bool,
}

#[derive(Default)]
struct Worker<'s> {
    task: Option<Pin<Box<dyn Future<Output = ()> + 's>>>,
    tag: u64,
}

pub(super) fn run(
    seed: u64,
    store: &mut dyn Transitions,
    mutation: Mutation,
    traced: bool,
) -> Result<Outcome, Violation> {
    let calm = seed.is_multiple_of(8);
    store.set_now(BEGIN);
    let world = World {
        now: BEGIN,
        step: 0,
        chance: Chance::new(seed),
        store,
        broker: Broker::default(),
        wecom: Wecom::default(),
        mutation,
        faults: !calm,
        calm,
        held: vec![None; WORKERS],
        poll_needed: false,
        checks: Checks::default(),
        trace: traced.then(Vec::new),
        answers: 0,
    };
    let mut simulation = Simulation {
        world: Rc::new(RefCell::new(world)),
        workers: (0..WORKERS).map(|_| Worker::default()).collect(),
        written: 0,
        calm,
        poison: seed % 8 == 3,
    };
    simulation.history();
    let quiet = simulation.with_faults() && simulation.come_to_rest();
    simulation.workers.clear();
    let mut world = simulation.world.borrow_mut();
    let look = world.look();
    let World { checks, wecom, .. } = &mut *world;
    if quiet {
        checks.at_the_end(&look, wecom);
        if calm {
            checks.at_a_calm_end(&look, wecom);
        }
    }
    let trace = world.trace.take().unwrap_or_default();
    if let Some(what) = world.checks.violation.take() {
        return Err(Violation { seed, what, trace });
    }
    let shown = world.wecom.shown.iter();
    Ok(Outcome {
        look,
        shown: shown
            .map(|shown| (shown.customer.clone(), shown.msgid.clone(), shown.part))
            .collect(),
        trace,
        steps: world.step,
        budget_refusals: world.checks.budget_refusals,
    })
}

impl<'s> Simulation<'s> {
    /// What was written long before the first callback.
    fn history(&mut self) {
        let mut world = self.world.borrow_mut();
        for _ in 0..world.chance.below(3) {
            let who = CUSTOMERS[world.chance.below(CUSTOMERS.len())];
            let age = world.chance.within(1_000_000, 9_000_000);
            let (now, step) = (world.now, world.step);
            let id = world.wecom.write(who, now - age, now, step, "hello");
            world.tell(|| format!("{who} wrote {id}, {age} ms ago"));
        }
    }

    /// False: a rule was broken.
    fn with_faults(&mut self) -> bool {
        for _ in 0..STEPS {
            self.world.borrow_mut().step += 1;
            let draw = self.world.borrow_mut().chance.below(1000);
            self.act(draw);
            if self.world.borrow().checks.violation.is_some() {
                return false;
            }
        }
        true
    }

    fn act(&mut self, draw: usize) {
        match draw {
            0..560 => self.poll_any(),
            560..760 => self.deliver(),
            760..830 => self.customer_writes(),
            830..870 => self.sweep(),
            870..910 => self.extend_any(),
            910..940 => self.pass_time(),
            _ if self.calm => self.poll_any(),
            940..955 => self.person_acts(),
            955..963 => self.recall(),
            963..980 => self.kill_any(),
            980..985 => self.cut_line(),
            985..990 => self.double_any(),
            990..996 => self.arrive_any(),
            996..999 => self.report_failed(),
            _ => self.wipe(),
        }
    }

    fn poll_any(&mut self) {
        let busy: Vec<usize> = (0..WORKERS)
            .filter(|worker| self.workers[*worker].task.is_some())
            .collect();
        if busy.is_empty() {
            return self.deliver();
        }
        let worker = busy[self.world.borrow_mut().chance.below(busy.len())];
        self.poll(worker);
    }

    /// Lets a worker do one thing.
    fn poll(&mut self, worker: usize) {
        let slot = &mut self.workers[worker];
        let Some(task) = &mut slot.task else { return };
        if task
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
        {
            slot.task = None;
        }
    }

    /// Gives a job to a worker that has none.
    fn deliver(&mut self) {
        let Some(worker) = (0..WORKERS).find(|worker| self.workers[*worker].task.is_none()) else {
            return;
        };
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let visible = world.broker.visible(now);
        let nth = world.chance.below(visible);
        let Some(delivery) = world.broker.take(now, nth) else {
            return;
        };
        world.tell(|| format!("worker {worker} gets {:?}", delivery.job));
        drop(world);
        let hand = Hand {
            world: Rc::clone(&self.world),
            worker,
        };
        self.workers[worker] = Worker {
            tag: delivery.tag,
            task: Some(Box::pin(execute(hand, delivery))),
        };
    }

    fn pass_time(&mut self) {
        let mut world = self.world.borrow_mut();
        let by = match world.chance.below(100) {
            0..50 => world.chance.within(1, 1_500),
            _ if self.calm => world.chance.within(1, 5_000),
            50..75 => world.chance.within(5_000, 30_000),
            75..96 => world.chance.within(60_000, 130_000),
            96..98 => world.chance.within(600_000, 7_200_000),
            _ => world.chance.within(46 * 3_600_000, 50 * 3_600_000),
        };
        world.pass(by);
        world.tell(|| format!("{by} ms pass"));
    }

    /// The lease of a worker is extended, or it learns that it has none and drops its work.
    fn extend_any(&mut self) {
        let mut world = self.world.borrow_mut();
        let worker = world.chance.below(WORKERS);
        let held = match world.held[worker].clone() {
            None => return,
            Some(Held::Account(lease)) => world.store.extend_account(&lease),
            Some(Held::Conversation(lease)) => world.store.extend_conversation(&lease),
        };
        world.tell(|| format!("worker {worker} extends its lease -> {held}"));
        world.check();
        if !held && self.workers[worker].task.is_some() {
            world.held[worker] = None;
            world.broker.ack(self.workers[worker].tag);
            self.workers[worker].task = None;
        }
    }

    fn sweep(&mut self) {
        let mut world = self.world.borrow_mut();
        let due = world.store.due();
        if due.is_empty() {
            return;
        }
        world.tell(|| format!("the sweeper wakes {} rows", due.len()));
        world.check();
        let now = world.now;
        // A sweeper that dies between the rows and the queue costs them one backoff.
        if world.faults && world.chance.hits(100) {
            return;
        }
        for due in due {
            let kind = match due {
                Due::Conversation { key, .. } => Kind::Turn(key.customer.as_str().to_owned()),
                Due::Account { .. } | Due::Welcome { .. } | Due::Notice { .. } => Kind::Sync,
            };
            world.broker.publish(kind, SWEPT_ATTEMPT, now, now);
        }
    }

    /// Faults have stopped: everything that is begun ends, and what is owed wakes by itself. False: a rule was
    /// broken.
    fn come_to_rest(&mut self) -> bool {
        self.world.borrow_mut().faults = false;
        self.world
            .borrow_mut()
            .tell(|| "from here on nothing fails".to_owned());
        for _ in 0..STEPS_TO_QUIET {
            self.world.borrow_mut().step += 1;
            if !self.act_towards_quiet() {
                return true;
            }
            if self.world.borrow().checks.violation.is_some() {
                return false;
            }
        }
        self.world
            .borrow_mut()
            .checks
            .violated("it never comes to rest".to_owned());
        false
    }

    /// False when there is nothing left to do.
    fn act_towards_quiet(&mut self) -> bool {
        if self.workers.iter().any(|worker| worker.task.is_some()) {
            self.poll_any();
            return true;
        }
        let mut world = self.world.borrow_mut();
        let now = world.now;
        if !world.wecom.under_way.is_empty() {
            world.arrive(0);
        } else if world.broker.visible(now) > 0 {
            drop(world);
            self.deliver();
        } else if let Some(at) = next_event(&mut world) {
            world.pass((at - now).max(1));
            world.tell(|| "time passes".to_owned());
            drop(world);
            self.sweep();
        } else if std::mem::take(&mut world.poll_needed) {
            world.tell(|| "the slow poll asks for the account".to_owned());
            world.broker.publish(Kind::Sync, 1, now, now);
        } else {
            return false;
        }
        true
    }
}

/// When the next job shows or the next row wakes.
fn next_event(world: &mut World<'_>) -> Option<i64> {
    let look = world.look();
    let wakes = look
        .account
        .iter()
        .chain(&look.conversations)
        .filter_map(|row| row.wake_at);
    wakes.chain(world.broker.next_visible_at()).min()
}
