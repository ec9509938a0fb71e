//! What happens around the workers: customers, people, WeCom, the broker and death.

use kefu_domain::SessionState;

use super::{CUSTOMERS, MESSAGES_MAX, Simulation, WORKERS};
use crate::simulation::broker::Kind;
use crate::simulation::world::short;

impl Simulation<'_> {
    pub(super) fn customer_writes(&mut self) {
        if MESSAGES_MAX <= self.written {
            return;
        }
        self.written += 1;
        let mut world = self.world.borrow_mut();
        let (now, step) = (world.now, world.step);
        let who = CUSTOMERS[world.chance.below(CUSTOMERS.len())];
        // Times have seconds and come in no order.
        let age = if world.chance.hits(150) {
            world.chance.within(0, 5_000)
        } else {
            0
        };
        let poison = self.poison && world.chance.hits(300);
        let asks = !self.calm && !poison && world.chance.hits(150);
        let text = match (poison, asks) {
            (true, _) => "poison",
            (_, true) => "person",
            _ => "hello",
        };
        let id = world.wecom.write(who, now - age, now, step, text);
        let called = world.chance.below(100);
        let lost = !self.calm && called < 5;
        world.tell(|| format!("{who} writes {id}, {text}, callback lost {lost}"));
        if lost {
            world.poll_needed = true;
            return;
        }
        world.broker.publish(Kind::Sync, 1, now, now);
        if 90 < called {
            world.broker.publish(Kind::Sync, 1, now, now);
        }
    }

    pub(super) fn recall(&mut self) {
        let mut world = self.world.borrow_mut();
        let who = CUSTOMERS[world.chance.below(CUSTOMERS.len())];
        let nth = world.chance.below(4);
        let now = world.now;
        if let Some(id) = world.wecom.recall(who, nth, now) {
            world.tell(|| format!("{who} takes {id} back"));
            world.broker.publish(Kind::Sync, 1, now, now);
        }
    }

    pub(super) fn person_acts(&mut self) {
        let mut world = self.world.borrow_mut();
        let who = CUSTOMERS[world.chance.below(CUSTOMERS.len())];
        let (now, step) = (world.now, world.step);
        let draw = world.chance.below(10);
        world.tell(|| format!("a person acts on {who}: {draw}"));
        match draw {
            0..4 => world.wecom.set_state(who, SessionState::Human, step),
            4..5 => world.wecom.set_state(who, SessionState::Pool, step),
            5..8 => world.wecom.set_state(who, SessionState::Assistant, step),
            8..9 => world.wecom.set_state(who, SessionState::Ended, step),
            _ => {
                world.wecom.set_state(who, SessionState::Human, step);
                world.wecom.servicer_writes(who, now);
                world.broker.publish(Kind::Sync, 1, now, now);
            }
        }
    }

    /// A worker dies between two steps; its job comes again.
    pub(super) fn kill_any(&mut self) {
        let mut world = self.world.borrow_mut();
        let worker = world.chance.below(WORKERS);
        if self.workers[worker].task.take().is_some() {
            let now = world.now;
            world.held[worker] = None;
            world.broker.give_back(self.workers[worker].tag, now);
            world.tell(|| format!("worker {worker} dies"));
        }
    }

    /// The job comes again while its worker, which does not know, goes on.
    pub(super) fn cut_line(&mut self) {
        let mut world = self.world.borrow_mut();
        let worker = world.chance.below(WORKERS);
        let now = world.now;
        if self.workers[worker].task.is_some() && world.broker.give_back(self.workers[worker].tag, now) {
            world.tell(|| format!("worker {worker} loses its line to the broker and goes on"));
        }
    }

    pub(super) fn double_any(&mut self) {
        let mut world = self.world.borrow_mut();
        let queued = world.broker.queued();
        let nth = world.chance.below(queued);
        if let Some(id) = world.broker.double(nth) {
            world.tell(|| format!("{id} is doubled"));
        }
    }

    pub(super) fn arrive_any(&mut self) {
        let mut world = self.world.borrow_mut();
        let count = world.wecom.under_way.len();
        let nth = world.chance.below(count);
        world.arrive(nth);
    }

    pub(super) fn report_failed(&mut self) {
        let mut world = self.world.borrow_mut();
        let (now, count) = (world.now, world.wecom.shown.len());
        let nth = world.chance.below(count);
        if let Some(msgid) = world.wecom.report_failed(nth, now) {
            world.tell(|| format!("WeCom: {} was not delivered", short(&msgid)));
            world.broker.publish(Kind::Sync, 1, now, now);
        }
    }

    pub(super) fn wipe(&mut self) {
        let mut world = self.world.borrow_mut();
        world.tell(|| "the broker forgets everything".to_owned());
        world.poll_needed |= world.broker.wipe();
    }
}
