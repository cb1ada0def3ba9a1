//! Members that do not sign a statement. They are at no fault, and nobody waits for them.

use alloc::vec::Vec;

use super::{
    Leader, Step,
    desk::Desk,
    open::{Open, Phase},
};
use crate::{
    machine::{Cx, Index},
    mask::Mask,
    message::Decline,
};

impl Leader {
    /// A member declines a statement, in the session that this leader asked it in.
    pub(super) fn declined(&mut self, cx: &mut Cx<'_>, member: Index, said: &Decline) -> Step {
        if said.leader != self.desk.config.me.get() {
            return Step::none();
        }
        let open = self.sessions.get_mut(&said.statement);
        let Some(open) = open.filter(|open| open.session.entropy == said.entropy) else {
            return Step::none();
        };
        let step = open.decline(&mut self.desk, cx, member);
        self.swept(step)
    }
}

impl Open {
    /// Goes on without the member, or gives up if the others are too few.
    fn decline(&mut self, desk: &mut Desk, cx: &mut Cx<'_>, member: Index) -> Step {
        if !self.declined.insert(member) {
            return Step::none();
        }
        if !self.is_in_reach(desk) {
            self.trees = None; // which is no fault of theirs
            return self.fail(desk, cx.now(), Vec::new());
        }
        let attempts = self.attempts.iter_mut().filter_map(|a| a.decline(member).then_some(a.id));
        let attempts: Vec<_> = attempts.collect();
        let answered = |step: Step, id| step.and(self.answered(desk, cx, &id));
        let step = attempts.into_iter().fold(Step::none(), answered);
        if let Phase::Called(branches) = &mut self.phase
            && branches.waive(member)
            && branches.is_full()
        {
            return step.and(self.ask_the_missing(desk, cx));
        }
        step.and(self.gather(desk, cx))
    }

    /// Whether the policy accepts all who have not declined.
    fn is_in_reach(&self, desk: &Desk) -> bool {
        let roster = &desk.config.roster;
        let others = roster.indices().filter(|i| !self.declined.contains(i)).map(Index::get);
        let others = Mask::of(roster.size(), others);
        self.policy.accepts(roster, &others) == Ok(true)
    }
}
