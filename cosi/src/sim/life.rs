//! A node's life, from start to crash.

use alloc::string::ToString;
use core::time::Duration;

use super::{
    Application, Boundary, Crash, Flaw, Simulation, Subject, What,
    counters::increase,
    events::Planned,
    node::{Work, life},
    processor::timed,
};
use crate::machine::{Cx, Machine, Time};

impl<M: Subject, A: Application<M>> Simulation<M, A> {
    /// Brings a node up from its journal.
    pub(super) fn start(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let peer = node.peer;
        node.lives = node.lives.saturating_add(1);
        node.rng = life(self.network.seed, number, node.lives);
        let (config, mut cx) = (node.config.clone(), Cx::new(self.now, &mut node.rng));
        let (restored, took) = timed(|| {
            node.journal.records().ok().map(|records| M::restore(config, records, &mut cx))
        });
        self.measured.entry("restore").or_default().add(took);
        match restored {
            Some(Ok((machine, step))) => {
                let records = node.journal.len();
                node.machine = Some(machine);
                node.work = Some(Work::Step { step, is_timeout: false });
                self.note(number, What::Started { records });
                let cost = self.charge(number, took);
                self.plan_finish(number, cost);
            }
            Some(Err(why)) => self.report(Flaw::Restore { peer, why: why.to_string() }),
            None => self.report(Flaw::Record { peer }),
        }
    }

    pub(super) fn crash_now(
        &mut self,
        number: usize,
        boundary: Boundary,
        down_for: Option<Duration>,
    ) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let peer = node.peer;
        node.crash();
        increase(&mut node.counters.crashes, 1);
        if let Some(down_for) = down_for {
            self.events.plan(self.now.after(down_for), Planned::Restart(number));
        }
        self.note(number, What::Crashed { boundary });
        self.application.on_crash(peer, self.now);
    }

    /// Crashes the node if a plan says so. Whether it did.
    pub(super) fn crashes_at(&mut self, number: usize, boundary: Boundary) -> bool {
        let now = self.now;
        let plan = self.nodes.get_mut(number).and_then(|node| node.crash_due(now, boundary));
        if let Some(Crash { down_for, .. }) = plan {
            self.crash_now(number, boundary, down_for);
        }
        plan.is_some()
    }

    /// Plans the end of what the node works on.
    pub(super) fn plan_finish(&mut self, number: usize, cost: Duration) {
        let Some(node) = self.nodes.get(number) else { return };
        self.events.plan(self.now.after(cost), Planned::Finish(number, node.lives));
    }

    /// Plans the node's next wake-up, unless there is one early enough.
    pub(super) fn plan_wake(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.work.is_none()) else {
            return;
        };
        let Some(at) = node.machine.as_ref().and_then(Machine::next_timeout) else { return };
        let at = at.max(self.now);
        if node.wake.is_none_or(|wake| at < wake) {
            node.wake = Some(at);
            self.events.plan(at, Planned::Wake(number));
        }
    }

    pub(super) fn adversary_is_due(&self, now: Time) -> bool {
        let at = self.adversary.as_ref().and_then(|adversary| adversary.next_timeout());
        at.is_some_and(|at| at <= now)
    }

    /// Plans the adversary's next deadline, unless there is one early enough.
    pub(super) fn plan_act(&mut self) {
        let at = self.adversary.as_ref().and_then(|adversary| adversary.next_timeout());
        let Some(at) = at.map(|at| at.max(self.now)) else { return };
        if self.adversary_wake.is_none_or(|wake| at < wake) {
            self.adversary_wake = Some(at);
            self.events.plan(at, Planned::Act);
        }
    }
}
