//! What everybody knows of a session before it begins.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use cosi::{
    domain::{GROUP_SHARING, GROUPING},
    keys::{KeyError, PublicKey, PublicKeyBytes},
    machine::Index,
    roster::{MAX_MEMBERS, Roster},
    transcript::{Hash, HashRng},
};
use pvss::{KeysError, Scheme, ShareKeys, Sharing, SharingError};

use crate::{
    candidate::{Candidate, CandidatesError},
    coded,
    groups::{Groups, MAX_GROUP_SIZE, threshold},
    message::{Config, SessionId},
};

/// The servers, with the keys that shares are encrypted to. Cheap to clone.
///
/// The roster's id names the share keys too where the committee is [of](Self::of) candidates. With
/// [`new`](Self::new) it is the caller's duty that the share keys are those that the roster's
/// members registered: the roster's id does not say so unless their extensions commit to them.
#[derive(Clone, Debug)]
pub struct Committee {
    roster: Roster,
    keys: ShareKeys,
}

/// Why a roster and share keys make no committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitteeError {
    /// Some member has another weight than 1.
    #[error("a server has a weight other than 1; RandHound counts servers, so give each weight 1")]
    Weight,
    /// The share keys are not those of the roster's members, in their order.
    #[error("the share keys are not the members', in order; register one key a member")]
    Owners,
}

impl Committee {
    /// The servers of `roster`, all of weight 1, with their share keys in the roster's order.
    pub fn new(roster: Roster, keys: ShareKeys) -> Result<Self, CommitteeError> {
        if roster.members().iter().any(|member| member.weight != 1) {
            return Err(CommitteeError::Weight);
        }
        let owners = (0..=MAX_MEMBERS).map_while(|at| keys.owner(at));
        if !owners.eq(roster.members().iter().map(|member| &member.key)) {
            return Err(CommitteeError::Owners);
        }
        Ok(Self { roster, keys })
    }

    /// The committee of these candidates, in this order, every proof checked; or who stands in
    /// the way.
    pub fn of(candidates: &[Candidate]) -> Result<Self, CandidatesError> {
        let roster = Roster::new(candidates.iter().map(Candidate::member))?;
        let owners = roster.indices().filter_map(|index| roster.key(index).copied());
        let shares = owners.zip(candidates.iter().map(|candidate| candidate.share));
        let keys = ShareKeys::new(Scheme::Dhpvss, shares)?;
        Ok(Self { roster, keys })
    }

    /// The roster.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The share keys, in the roster's order.
    pub const fn keys(&self) -> &ShareKeys {
        &self.keys
    }
}

/// What the application fixes for one attempt at one slot of one purpose.
///
/// The caller's duties: `slot`, `attempt` and `client` are allotted, and never the client's
/// choice; no other slot stands in for one that ends without an output. `prior` became public after
/// the roster was closed, and the client had no choice in it. The attempts at a slot differ in
/// nothing but `attempt` and `client`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// What the output is for.
    pub purpose: [u8; 32],
    /// Which of the purpose's outputs it is.
    pub slot: u64,
    /// Which attempt at the slot this is, from 0. Servers serve a later one with the proof alone
    /// that the one before is [void](crate::Void).
    pub attempt: u32,
    /// Who alone may be the client.
    pub client: PublicKeyBytes,
    /// About how many servers a group has, from 1 to [`MAX_GROUP_SIZE`].
    pub group_size: u16,
    /// What seeds the grouping, beside roster, purpose and slot: the purpose's last output, say.
    pub prior: [u8; 32],
}

/// Why there is no such session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// No size of groups.
    #[error("groups have from 1 to 128 members; choose the size by availability")]
    GroupSize,
    /// The client's key is no key.
    #[error("the client's key is unsound: {0}")]
    Client(#[from] KeyError),
    /// The share keys cannot be grouped.
    #[error("the share keys cannot be grouped: {0}")]
    Keys(#[from] KeysError),
    /// More servers than deals can be coded for.
    #[error("deals cannot be coded for so many servers; have at most 49,153")]
    Servers,
    /// A group cannot share secrets.
    #[error("a group cannot share secrets: {0}")]
    Sharing(#[from] SharingError),
}

/// One attempt at one slot: its config, and all that follows from the terms. Cheap to clone.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    committee: Committee,
    terms: Terms,
    client: PublicKey,
    config: Config,
    id: SessionId,
    groups: Groups,
    sharings: Vec<Sharing>,
}

impl Session {
    /// The session of this committee on these terms. Deals its servers into groups.
    pub fn new(committee: Committee, terms: &Terms) -> Result<Self, SessionError> {
        if terms.group_size == 0 || terms.group_size > MAX_GROUP_SIZE {
            return Err(SessionError::GroupSize);
        }
        if !coded::supports(&committee.roster) {
            return Err(SessionError::Servers);
        }
        let client = PublicKey::from_bytes(&terms.client)?;
        let roster = committee.roster.id();
        let config = Config {
            roster,
            purpose: terms.purpose,
            slot: terms.slot,
            attempt: terms.attempt,
            client: terms.client,
            group_size: terms.group_size,
        };
        let id = config.id();
        let seed = Hash::new(GROUPING).fixed(&roster.0).fixed(&terms.purpose);
        let seed = HashRng::new(seed.number(terms.slot).fixed(&terms.prior));
        let groups = Groups::new(&committee.roster, terms.group_size, seed);
        let sharing = |(group, members): (u16, &[Index])| {
            let keys = committee.keys.group(members.iter().map(|member| member.get().into()))?;
            let session = Hash::new(GROUP_SHARING).fixed(&id.0).number(group.into());
            // A deal holds under the one prior that its dealer knows: see `Publication`.
            let session = session.fixed(&terms.prior).digest();
            Ok(Sharing::new(session, &keys, threshold(members.len()))?)
        };
        let sharings = groups.iter().map(sharing).collect::<Result<_, SessionError>>()?;
        let terms = terms.clone();
        Ok(Self(Arc::new(Inner { committee, terms, client, config, id, groups, sharings })))
    }

    /// The servers, with their share keys.
    pub fn committee(&self) -> &Committee {
        &self.0.committee
    }

    /// The terms.
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// The name, SID.
    pub fn id(&self) -> SessionId {
        self.0.id
    }

    /// What the session is about, C.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The servers.
    pub fn roster(&self) -> &Roster {
        self.0.committee.roster()
    }

    /// Who works with whom.
    pub fn groups(&self) -> &Groups {
        &self.0.groups
    }

    /// What a group's deals are of.
    pub fn sharing(&self, group: u16) -> Option<&Sharing> {
        self.0.sharings.get(usize::from(group))
    }

    /// The client's key.
    pub fn client(&self) -> &PublicKey {
        &self.0.client
    }

    /// t_l: how many dealers of the group are chosen, and how many shares recover their sum.
    pub fn threshold(&self, group: u16) -> usize {
        self.sharing(group).map_or(usize::MAX, Sharing::threshold)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Session");
        fields.field("id", &self.0.id).field("groups", &self.0.groups.len()).finish_non_exhaustive()
    }
}
