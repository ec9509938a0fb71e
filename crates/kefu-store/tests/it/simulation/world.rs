//! Everything outside the workers, and the one way in which they reach it: one step at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use kefu_domain::{PARTS_PER_MESSAGE_MAX, SessionState};
use kefu_store::{AccountLease, ConversationLease, Turn};

use super::broker::Broker;
use super::chance::Chance;
use super::check::Checks;
use super::mutation::Mutation;
use super::transitions::{Look, Transitions};
use super::wecom::{Answer, Call, Moved, Wecom};

/// Some moment of 2027, in Unix milliseconds.
pub(super) const BEGIN: i64 = 1_800_000_000_001;

pub(super) struct World<'s> {
    pub(super) now: i64,
    pub(super) step: u64,
    pub(super) chance: Chance,
    pub(super) store: &'s mut dyn Transitions,
    pub(super) broker: Broker,
    pub(super) wecom: Wecom,
    pub(super) mutation: Mutation,
    /// Calls fail and workers die; off while the simulation comes to its end.
    pub(super) faults: bool,
    /// No faults, no people, from the begin.
    pub(super) calm: bool,
    /// What each worker holds.
    pub(super) held: Vec<Option<Held>>,
    /// A wake-up is lost for good: only the slow poll finds what it told.
    pub(super) poll_needed: bool,
    pub(super) checks: Checks,
    pub(super) trace: Option<Vec<String>>,
    /// Answers the model has made up.
    pub(super) answers: u32,
}

#[derive(Clone)]
pub(super) enum Held {
    Account(AccountLease),
    Conversation(ConversationLease),
}

/// A worker's way to the world.
#[derive(Clone)]
pub(super) struct Hand<'s> {
    pub(super) world: Rc<RefCell<World<'s>>>,
    pub(super) worker: usize,
}

impl<'s> Hand<'s> {
    /// Waits for its turn, then does one thing. Between two of these a worker may die, or sleep for days.
    pub(super) async fn step<T>(&self, act: impl FnOnce(&mut World<'s>) -> T) -> T {
        let mut waited = false;
        poll_fn(|_| match std::mem::replace(&mut waited, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        act(&mut self.world.borrow_mut())
    }

    /// A step that is worth a line of the trace.
    pub(super) async fn told<T: std::fmt::Debug>(
        &self,
        what: impl FnOnce() -> String,
        act: impl FnOnce(&mut World<'s>) -> T,
    ) -> T {
        let worker = self.worker;
        self.step(|world| {
            let done = act(world);
            world.tell(|| format!("worker {worker}: {} -> {done:?}", what()));
            world.check();
            done
        })
        .await
    }
}

impl World<'_> {
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let after = (self.now - BEGIN) as f64 / 1000.0;
            trace.push(format!("{:5} {after:11.3}s {}", self.step, what()));
        }
    }

    /// Never to a whole second: WeCom's times are cut to seconds, so what happens in that very millisecond would seem
    /// to happen at the same time as what a customer wrote before.
    pub(super) fn pass(&mut self, milliseconds: i64) {
        self.now += milliseconds;
        self.now += i64::from(self.now % 1000 == 0);
        self.store.set_now(self.now);
    }

    pub(super) fn check(&mut self) {
        let look = self.store.look();
        self.checks.after_step(look, &self.wecom, self.now);
    }

    pub(super) fn look(&mut self) -> Look {
        self.store.look()
    }

    /// A write under a lease was accepted: its fence must be the newest.
    pub(super) fn accepted(&mut self, lease: &ConversationLease, what: &str) {
        let look = self.store.look();
        let fence = look
            .conversations
            .iter()
            .find(|row| row.name == lease.key.customer.as_str())
            .map_or(0, |row| row.fence);
        if fence != lease.fence {
            self.checks.violated(format!(
                "{what} under fence {} was accepted while the row's is {fence}",
                lease.fence
            ));
        }
    }

    /// `service_state/get`; `None`: no answer.
    pub(super) fn session(&mut self, who: &str) -> Option<SessionState> {
        if self.faults && self.chance.hits(50) {
            return None;
        }
        self.wecom.customers.get(who).map(|customer| customer.state)
    }

    /// `service_state/trans` to the pool.
    pub(super) fn transfer(&mut self, who: &str) -> Moved {
        let draw = if self.faults { self.chance.below(100) } else { 99 };
        let step = self.step;
        match draw {
            0..8 => Moved::Unclear,
            8..16 => {
                self.wecom.transfer(who, step);
                Moved::Unclear
            }
            16..30 => Moved::Refused,
            _ if self.wecom.transfer(who, step) => Moved::Done,
            _ => Moved::Refused,
        }
    }

    /// One call of `send_msg` by a worker whose round began with `turn`, in step `began`.
    pub(super) fn send(&mut self, turn: &Turn, began: u64, call: &Call, repeated: bool) -> Answer {
        self.judge_call(turn, began, call, repeated);
        let draw = if self.faults { self.chance.below(100) } else { 99 };
        let answer = match draw {
            0..4 => Answer::Unclear,
            4..10 => {
                self.wecom.accept(call, self.now);
                Answer::Unclear
            }
            10..14 => {
                self.wecom.under_way.push(call.clone());
                Answer::Unclear
            }
            14..18 => Answer::Busy,
            18..20 => Answer::RateLimited,
            20..21 => Answer::Refused,
            _ => self.wecom.accept(call, self.now),
        };
        if answer == Answer::BudgetSpent {
            self.checks.budget_refusals += 1;
            if self.calm {
                self.judge_budget(call);
            }
        }
        answer
    }

    /// What no worker may even try.
    fn judge_call(&mut self, turn: &Turn, began: u64, call: &Call, repeated: bool) {
        let closed = !turn.budget.window_open(turn.now);
        if closed {
            self.checks
                .violated(format!("{} was called after the window", call.msgid));
        }
        // A call that is repeated asks WeCom what became of the first one, whoever has the session by now.
        if let Some(customer) = self.wecom.customers.get(&call.customer)
            && !repeated
            && !customer.state.may_send()
            && customer.state_since < began
        {
            self.checks.violated(format!(
                "{} was called in session state {:?}, which it had before the turn looked",
                call.msgid, customer.state
            ));
        }
    }

    /// WeCom says that five messages have gone out: the row, on which this call counts already, must know. But for
    /// one, which was marked before the customer wrote and called after.
    fn judge_budget(&mut self, call: &Call) {
        let look = self.store.look();
        let row = look.conversations.iter().find(|row| row.name == call.customer);
        let used = row.map_or(0, |row| row.budget_used);
        if used < i64::from(PARTS_PER_MESSAGE_MAX) {
            let msgid = &call.msgid;
            self.checks
                .violated(format!("{msgid} was one too many, and the row counts {used}"));
        }
    }

    /// Something that was called long ago arrives at WeCom.
    pub(super) fn arrive(&mut self, nth: usize) {
        if nth < self.wecom.under_way.len() {
            let call = self.wecom.under_way.remove(nth);
            let answer = self.wecom.accept(&call, self.now);
            self.tell(|| {
                format!(
                    "WeCom: the late call of {} arrives -> {answer:?}",
                    short(&call.msgid)
                )
            });
            self.check();
        }
    }
}

/// Enough of a msgid to tell it apart.
pub(super) fn short(msgid: &str) -> &str {
    msgid.get(..6).unwrap_or(msgid)
}
