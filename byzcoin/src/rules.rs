//! The rules that decide what is safe, each at one place, as functions without state.
//!
//! Names: W is the roster's weight, f = ⌊(W − 1)/3⌋, q = W − f. PC(h,v,d) and CC(h,v,d) are
//! certificates of weight ≥ q on PREPARE and COMMIT. NV(h,v) is a new view: VIEW-CHANGE
//! statements for v of weight ≥ q, and the PC that the highest of them names.
//!
//! # Safety
//!
//! At most weight f breaks the rules. Two quorums share weight ≥ q + q − W = W − 2f > f, so they
//! share an honest member.
//!
//! 1. *One PC a view.* An honest member prepares at most one digest in (h,v) ([`may_prepare`],
//!    VotedPrepare is durable), so PC(h,v,d) and PC(h,v,d′) mean d = d′.
//! 2. *After CC(h,v,d), every PC of a later view is for d.* By induction over the later views w.
//!    Who prepares in w entered by an NV(h,w). Its quorum and CC's share an honest member. That
//!    member committed in v, and asked for w > v: it committed first, since it commits in no view
//!    below one it asked for ([`may_vote`], ViewChange is durable), and so its VIEW-CHANGE names
//!    a PC of a view ≥ v (HighPc is durable, and only grows). The highest lock of the NV is
//!    therefore of a view u with v ≤ u < w ([`lock_precedes`]), and it stands for a PC that is
//!    there to see ([`new_view_holds`]). By 1 (u = v) or the induction (u > v) that PC is for d.
//!    So the NV requires d ([`required`]), and honest members prepare nothing else in w.
//! 3. *Agreement.* CC(h,v,d) and CC(h,w,d′) with v ≤ w: members commit only on a PC, so by 1 or 2
//!    d = d′.
//!
//! A lock never vetoes a valid NV: a member prepares what the NV requires even when its own PC
//! is of a later view than the NV's, and 2 does not need it to refuse.
//!
//! # Liveness
//!
//! Once messages arrive within a bound that the members do not know: whoever asks for a view
//! says so again until it is answered; weight f + 1 beyond a member's view pulls it along; with
//! weight ≥ q together in the asking the timer of that view starts everywhere within one delay,
//! and doubles from view to view. So some view of an honest leader lasts long enough for what
//! follows. Every PC that an honest VIEW-CHANGE names is held by its sender and pulled from it,
//! so the leader completes an NV. If the NV requires a digest, weight ≥ q − f > f prepared it, so an
//! honest member has its whole body and serves it. Nobody vetoes it. If the NV is free, the
//! leader proposes. All honest members, weight ≥ q, prepare and commit, and the votes machine
//! certifies whatever a quorum votes for. Who misses a message asks the leader for it, then the
//! others in turn. More than weight f offline halts the chain until they are back.

use core::time::Duration;

use cosi::roster::Roster;

use crate::{
    message::{NewView, ascending_weight},
    statement::{Digest, Height, Kind, Lock, Scope, View},
    votes::Votes,
};

/// Which member leads: (s + v) mod n, a position in the order of leaders.
pub fn leader(members: usize, start: u16, view: View) -> u16 {
    let turn = u64::from(start).saturating_add(u64::from(view.get()));
    let members = u64::try_from(members).unwrap_or(u64::MAX);
    turn.checked_rem(members).and_then(|turn| u16::try_from(turn).ok()).unwrap_or_default()
}

/// s of the next height: on by the view in which the block was first proposed, so that a dead
/// leader costs one timeout and not one a height, and by one more every `rotation` heights, so
/// that no leader censors for ever.
pub fn next_start(
    members: usize,
    start: u16,
    height: Height,
    first_view: View,
    rotation: u64,
) -> u16 {
    let advance = height.get().checked_rem(rotation) == Some(0);
    leader(members, leader(members, start, first_view), View::new(advance.into()))
}

/// T_v = min(T_max, T_0 · 2^v), and at least a nanosecond, so that time goes on.
pub fn view_timeout(first: Duration, longest: Duration, view: View) -> Duration {
    let factor = 1_u32.checked_shl(view.get()).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(longest).max(Duration::from_nanos(1))
}

/// Whether a member that is in `view`, and has asked for no view beyond `asked`, still votes
/// there. Who has asked for a later view has told the later leader all that it committed.
pub fn may_vote(view: View, asked: Option<View>) -> bool {
    bug::is(bug::Bug::VoteAfterViewChange) || asked.is_none_or(|asked| asked <= view)
}

/// Whether a member votes in the view for this digest, having voted there for `voted` or for
/// nothing. To say the same again is no second vote.
pub fn is_first_vote(voted: Option<Lock>, vote: Lock) -> bool {
    voted.is_none_or(|voted| voted.view < vote.view || voted == vote)
}

/// Which digest alone may be prepared in a view that `new_view` opened. `None`: any block that
/// extends the decided chain and was first proposed in this view.
pub fn required<S, C>(new_view: Option<&NewView<S, C>>) -> Option<Digest> {
    new_view.and_then(NewView::highest).map(|lock| lock.digest)
}

/// Which digest a view is about: the one that `new_view` requires, or else what the leader
/// `proposed`.
pub fn target<S, C>(new_view: Option<&NewView<S, C>>, proposed: Option<Digest>) -> Option<Digest> {
    if bug::is(bug::Bug::NewViewBindsNobody) {
        return proposed;
    }
    required(new_view).or(proposed)
}

/// Whether a member prepares `vote`, the block's first proposal being of `first_view`, in the
/// view that `new_view` opened (`None`: view 0).
///
/// `asked` and `voted` are the member's durable marks: the highest view that it asked for, and
/// its last prepare vote. That the parent is decided, the body whole and the block valid is the
/// caller's to see.
pub fn may_prepare<S, C>(
    vote: Lock,
    first_view: View,
    new_view: Option<&NewView<S, C>>,
    asked: Option<View>,
    voted: Option<Lock>,
) -> bool {
    let allowed = match required(new_view) {
        Some(digest) => bug::is(bug::Bug::NewViewBindsNobody) || digest == vote.digest,
        None => first_view == vote.view,
    };
    allowed && may_vote(vote.view, asked) && is_first_vote(voted, vote)
}

/// Whether a member commits on PC `lock` in `view`.
pub fn may_commit(lock: Lock, view: View, asked: Option<View>, voted: Option<Lock>) -> bool {
    lock.view == view && may_vote(view, asked) && is_first_vote(voted, lock)
}

/// Whether a view change for `view` may name the lock: nobody holds a PC of a view that it only
/// asks for.
pub fn lock_precedes(lock: Option<Lock>, view: View) -> bool {
    view > View::ZERO && lock.is_none_or(|lock| lock.view < view)
}

/// Whether the new view holds: view changes of weight ≥ q for exactly this view, each signed and
/// counted once, and the PC that the highest lock among them names. Without that PC a leader
/// that hides it would open the view for another block.
pub fn new_view_holds<V: Votes>(
    scope: &Scope,
    roster: &Roster,
    new_view: &NewView<V::Signature, V::Certificate>,
) -> bool {
    let weight = ascending_weight(roster, new_view.changes.iter().map(|change| change.signer));
    let shown = match (new_view.highest(), &new_view.certificate) {
        (None, None) => true,
        (Some(lock), Some(certificate)) => {
            let (height, Lock { view, digest }) = (new_view.height, lock);
            let statement = scope.statement(Kind::Prepare, height, view, digest);
            V::verify_certificate(roster, &statement, certificate)
        }
        (Some(_), None) => bug::is(bug::Bug::NewViewWithoutItsPc),
        (None, Some(_)) => false,
    };
    let signed = new_view.changes.iter().filter_map(|change| {
        let statement = change.statement(scope, new_view.height, new_view.view);
        Some((roster.index(change.signer)?, statement, &change.signature))
    });
    shown
        && weight.is_some_and(|weight| weight >= roster.quorum())
        && new_view.changes.iter().all(|change| {
            lock_precedes(change.lock, new_view.view) && roster.index(change.signer).is_some()
        })
        && V::verify_signatures(roster, signed)
}

/// ⌈(N + f + k + 1) / 2⌉: the quorum that two neighbouring windows of N shares need to intersect
/// in an honest one, when k shares differ between them and f are faulty.
///
/// The paper's 2f + 2 of 3f + 2 is this for k = 1 at N = 3f + 2 alone. A roster that is pinned
/// for its height, and replaced by its own decision, needs q = W − f and no more.
pub const fn window_quorum(shares: u64, faulty: u64, replaced: u64) -> u64 {
    let sum = shares.saturating_add(faulty).saturating_add(replaced).saturating_add(1);
    sum.div_ceil(2)
}

/// Rules that a test leaves out to show what they are for. Outside tests there are none to leave.
pub(crate) mod bug {
    /// A rule that is left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Bug {
        /// Members prepare whatever the leader of a new view proposes.
        NewViewBindsNobody,
        /// A new view that names a PC holds without it.
        NewViewWithoutItsPc,
        /// Members vote in a view below one that they asked for.
        VoteAfterViewChange,
    }

    #[cfg(not(test))]
    pub(crate) const fn is(_: Bug) -> bool {
        false
    }

    #[cfg(test)]
    pub(crate) use planted::{is, plant};

    #[cfg(test)]
    mod planted {
        use core::cell::Cell;

        use super::Bug;

        std::thread_local! {
            static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        }

        pub(crate) fn is(bug: Bug) -> bool {
            PLANTED.get() == Some(bug)
        }

        /// Leaves one rule out, or none, on this thread.
        pub(crate) fn plant(bug: Option<Bug>) {
            PLANTED.set(bug);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_quorum_holds_at_one_size_alone() {
        // 3f + 2 shares, one replaced: 2f + 2.
        assert_eq!(window_quorum(146, 48, 1), 98);
        assert_eq!((window_quorum(144, 47, 1), window_quorum(1008, 335, 1)), (97, 673));
        // None replaced: no more than W - f.
        for weight in 1..2000 {
            let faulty = (weight - 1) / 3;
            assert!(window_quorum(weight, faulty, 0) <= weight - faulty, "{weight}");
            assert!(2 * (weight - faulty) - weight > faulty, "{weight}");
        }
    }

    #[test]
    fn timers_double_up_to_the_longest() {
        let timeout = |view| {
            let (first, longest) = (Duration::from_secs(3), Duration::from_secs(100));
            view_timeout(first, longest, View::new(view)).as_secs()
        };
        assert_eq!(
            [0, 1, 2, 5, 6, 31, 32, u32::MAX].map(timeout),
            [3, 6, 12, 96, 100, 100, 100, 100]
        );
    }

    #[test]
    fn the_turn_passes_a_dead_leader_once_and_everybody_in_time() {
        assert_eq!(leader(4, 3, View::new(2)), 1);
        assert_eq!(leader(65_536, u16::MAX, View::new(u32::MAX)), 65_534);
        let next = |height, view| next_start(4, 1, Height::new(height), View::new(view), 16);
        assert_eq!(
            [next(1, 0), next(1, 1), next(16, 0), next(16, 2), next(15, 3)],
            [1, 2, 2, 0, 0]
        );
    }
}
