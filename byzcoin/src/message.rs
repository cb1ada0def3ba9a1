//! What replicas say to each other, and what of it holds.

use alloc::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    machine::{FaultKind, Index, Machine},
    mask::Mask,
    roster::Roster,
    wire::BoundedVec,
};

use crate::{
    block::{BATCH, Chunk, Proposal},
    rules,
    statement::{Digest, Height, Kind, Lock, Scope, Statement, View},
    votes::Votes,
};

/// The messages of a [`Replica`](crate::Replica) whose votes are `V`.
pub type MessageOf<V> =
    Message<<V as Votes>::Signature, <V as Votes>::Certificate, <V as Machine>::Message>;

/// What replicas say: `S` signs, `C` certifies, `M` is said by the votes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message<S, C, M> {
    /// A leader's proposal.
    Propose(Propose<S>),
    /// A header that was asked for by its digest.
    Content(Proposal),
    /// A part of a body.
    Chunk {
        /// The block's height.
        height: Height,
        /// The block.
        digest: Digest,
        /// The part.
        chunk: Chunk,
    },
    /// What the votes say.
    Votes(M),
    /// A prepare certificate.
    Prepared(Prepared<C>),
    /// A decided header and its commit certificate.
    Decided(Decided<C>),
    /// A member asks for a view.
    ViewChange(ViewChange<S>),
    /// A quorum asks for a view.
    NewView(NewView<S, C>),
    /// A member lacks something.
    Pull(Wanted),
}

/// A leader's signed proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Propose<S> {
    /// The view.
    pub view: View,
    /// What is proposed, at its header's height.
    pub proposal: Proposal,
    /// Who signed, which must be the view's leader.
    pub signer: u16,
    /// The signature on the PROPOSAL statement.
    pub signature: S,
}

/// A prepare certificate, and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Prepared<C> {
    /// The height.
    pub height: Height,
    /// The view and the block.
    pub lock: Lock,
    /// The proof.
    pub certificate: C,
}

/// A decision without its body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Decided<C> {
    /// What was decided, at its header's height.
    pub proposal: Proposal,
    /// The certificate's view.
    pub view: View,
    /// The commit certificate.
    pub certificate: C,
}

/// A member's wish for a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ViewChange<S> {
    /// The height.
    pub height: Height,
    /// The view that the member asks for.
    pub view: View,
    /// Who asks, and with what.
    pub change: Change<S>,
}

/// One member's part in a view change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Change<S> {
    /// Who signed.
    pub signer: u16,
    /// Its highest prepare certificate.
    pub lock: Option<Lock>,
    /// The signature on the VIEW-CHANGE statement.
    pub signature: S,
}

/// The view changes of weight ≥ q that open a view. Convinces whoever knows the roster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct NewView<S, C> {
    /// The height.
    pub height: Height,
    /// The view that opens.
    pub view: View,
    /// The view changes for exactly this view, by ascending signers.
    pub changes: BoundedVec<Change<S>, 65_536>,
    /// The certificate on the highest lock among them. `None` when no change has one.
    pub certificate: Option<C>,
}

/// What a member lacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Wanted {
    /// The decisions from this height on, and what goes on above them.
    Decisions(Height),
    /// How this view, or a later one, was opened.
    NewView(Height, View),
    /// The leader's proposal.
    Proposal(Height, View),
    /// The header of a block.
    Content(Height, Digest),
    /// The prepare certificate of a view.
    Certificate(Height, View),
    /// Parts of a body.
    Chunks(Height, Digest, BoundedVec<u32, BATCH>),
}

impl<S> Propose<S> {
    /// What the leader signed.
    pub fn statement(&self, scope: &Scope) -> Statement {
        let height = self.proposal.header.height;
        scope.statement(Kind::Proposal, height, self.view, self.proposal.digest())
    }
}

impl<C> Prepared<C> {
    /// What the members signed.
    pub const fn statement(&self, scope: &Scope) -> Statement {
        scope.statement(Kind::Prepare, self.height, self.lock.view, self.lock.digest)
    }
}

impl<C> Decided<C> {
    /// What the members signed.
    pub fn statement(&self, scope: &Scope) -> Statement {
        let height = self.proposal.header.height;
        scope.statement(Kind::Commit, height, self.view, self.proposal.digest())
    }
}

impl<S> ViewChange<S> {
    /// What the member signed.
    pub fn statement(&self, scope: &Scope) -> Statement {
        self.change.statement(scope, self.height, self.view)
    }
}

impl<S> Change<S> {
    /// What the member signed, in a change to `view`.
    pub fn statement(&self, scope: &Scope, height: Height, view: View) -> Statement {
        scope.statement(Kind::ViewChange, height, view, Lock::digest(self.lock))
    }
}

impl<S, C> NewView<S, C> {
    /// The highest lock among the view changes.
    pub fn highest(&self) -> Option<Lock> {
        self.changes.iter().filter_map(|change| change.lock).max()
    }
}

/// A message whose signatures and certificates hold, under one scope.
///
/// What the votes say is checked by the votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<M> {
    pub(crate) message: M,
    pub(crate) scope: Scope,
}

impl<S, C, M> Message<S, C, M> {
    /// Checks every signature and certificate in the message, without a replica at hand.
    pub fn verify<V>(self, scope: &Scope, roster: &Roster) -> Result<Verified<Self>, FaultKind>
    where
        V: Votes<Signature = S, Certificate = C, Message = M>,
    {
        let holds = match &self {
            Self::Propose(propose) => {
                let signer = roster.index(propose.signer);
                let statement = propose.statement(scope);
                signed::<V>(roster, signer, &statement, &propose.signature)
            }
            Self::Prepared(prepared) => {
                V::verify_certificate(roster, &prepared.statement(scope), &prepared.certificate)
            }
            Self::Decided(decided) => {
                V::verify_certificate(roster, &decided.statement(scope), &decided.certificate)
            }
            Self::ViewChange(ViewChange { height, view, change }) => {
                let signer = roster.index(change.signer);
                rules::lock_precedes(change.lock, *view)
                    && signed::<V>(
                        roster,
                        signer,
                        &change.statement(scope, *height, *view),
                        &change.signature,
                    )
            }
            Self::NewView(new_view) => rules::new_view_holds::<V>(scope, roster, new_view),
            Self::Content(_) | Self::Chunk { .. } | Self::Votes(_) | Self::Pull(_) => true,
        };
        if holds {
            Ok(Verified { message: self, scope: *scope })
        } else {
            Err(FaultKind::BadSignature)
        }
    }
}

fn signed<V: Votes>(
    roster: &Roster,
    signer: Option<Index>,
    statement: &Statement,
    signature: &V::Signature,
) -> bool {
    signer.is_some_and(|signer| V::verify_signature(roster, signer, statement, signature))
}

/// The weight of these members, or `None` when one stands twice, or not in ascending order.
pub(crate) fn ascending_weight(
    roster: &Roster,
    signers: impl Iterator<Item = u16> + Clone,
) -> Option<u64> {
    let distinct: BTreeSet<u16> = signers.clone().collect();
    if !signers.eq(distinct.iter().copied()) {
        return None;
    }
    Some(roster.weight_of(&Mask::of(roster.size(), distinct)))
}
