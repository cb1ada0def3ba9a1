//! The event loop.

use super::{
    Application, Boundary, Bug, Outcome, Simulation, Subject, counters::increase, events::Planned,
    node::Input,
};
use crate::machine::Time;

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Runs until `done`, which is asked at first and after every event, or nothing is left to
    /// happen, or all that happens by `limit` has. A later call goes on from there.
    ///
    /// Fails at the first [`Bug`], and from then on.
    pub fn run_until(
        &mut self,
        limit: Time,
        mut done: impl FnMut(&Self) -> bool,
    ) -> Result<Outcome, Bug<M::Peer>> {
        loop {
            if let Some(bug) = &self.bug {
                return Err(bug.clone());
            }
            if done(self) {
                return Ok(Outcome::Done);
            }
            match self.next_time() {
                None => return Ok(Outcome::Quiet),
                Some(next) if next > limit => {
                    self.now = self.now.max(limit);
                    return Ok(Outcome::Limit);
                }
                Some(_) => self.advance(),
            }
        }
    }

    /// Lets the next event happen, whenever it is. `false`: there is none.
    ///
    /// Fails at the first [`Bug`], and from then on.
    pub fn step(&mut self) -> Result<bool, Bug<M::Peer>> {
        let more = self.bug.is_none() && self.next_time().is_some();
        if more {
            self.advance();
        }
        self.bug.clone().map_or(Ok(more), Err)
    }

    /// When something happens next. Clears away what has become void.
    fn next_time(&mut self) -> Option<Time> {
        if let Some(number) = self.current {
            if self.nodes.get(number).is_some_and(|node| node.has_input(self.now)) {
                return Some(self.now);
            }
            self.current = None;
            self.plan_wake(number);
        }
        loop {
            let first = self.events.first()?;
            let at = first.at;
            let (number, void) = match first.what {
                Planned::Wake(number) => {
                    let node = self.nodes.get_mut(number)?;
                    if node.wake == Some(at) && !node.has_input(at) {
                        node.wake = None;
                    }
                    (number, node.wake != Some(at))
                }
                Planned::Finish(number, of) => {
                    let node = self.nodes.get(number)?;
                    (number, node.lives != of || node.work.is_none())
                }
                Planned::Crash(number, _) => (number, self.nodes.get(number)?.machine.is_none()),
                Planned::Act => {
                    if self.adversary_wake == Some(at) && self.adversary_is_due(at) {
                        return Some(at);
                    }
                    self.adversary_wake.take_if(|wake| *wake == at);
                    self.events.take();
                    self.plan_act();
                    continue;
                }
                Planned::Arrive(number, ..)
                | Planned::Deliver(number, _)
                | Planned::Command(number, _)
                | Planned::Restart(number) => (number, false),
            };
            if !void {
                return Some(at);
            }
            self.events.take();
            self.plan_wake(number);
        }
    }

    /// One event: the current node's next input, or else the first that was planned.
    fn advance(&mut self) {
        if let Some(number) = self.current {
            self.turn_to_next(number);
        } else if let Some(event) = self.events.take() {
            self.now = event.at;
            self.happen(event.what);
        }
        self.plan_act();
        self.check_invariants();
    }

    fn happen(&mut self, what: Planned<M::Command>) {
        match what {
            Planned::Arrive(number, packet, departed) => self.arrive(number, packet, departed),
            Planned::Deliver(number, packet) => self.deliver(number, packet),
            Planned::Command(number, command) => {
                self.hand_over(number, Input::Command(*command));
            }
            Planned::Finish(number, _) => {
                self.complete(number);
                self.current = Some(number);
            }
            Planned::Wake(number) => {
                if let Some(node) = self.nodes.get_mut(number) {
                    node.wake = None;
                }
                self.turn_to_next(number);
            }
            Planned::Crash(number, down_for) => self.crash_now(number, Boundary::Idle, down_for),
            Planned::Restart(number) => {
                if let Some(node) = self.nodes.get_mut(number) {
                    increase(&mut node.counters.restarts, 1);
                }
                self.start(number);
            }
            Planned::Act => {
                self.adversary_wake = None;
                self.act();
            }
        }
    }
}
