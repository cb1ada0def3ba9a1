//! A roster as a light client sees it: the preimage of its id, and some members.

use alloc::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::{EdwardsPoint, traits::Identity};

use crate::{
    keys::{Aggregate, PeerId, PublicKey, PublicKeyBytes, decode_point},
    mask::Mask,
    merkle::tree::{self, Path},
    roster::{self, Roster, RosterId},
    wire::BoundedVec,
};

/// The preimage of a [`RosterId`], with some members opened.
///
/// Whoever trusts the id may take ΣA as it stands: those who decided on the roster checked the
/// proofs of possession before they did. At most 1,024 members are opened.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opening {
    size: u32,
    weight: u64,
    sum: [u8; 32],
    root: tree::Hash,
    members: BoundedVec<Opened, 1024>,
}

/// One member, and the path from it to the roster's root.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Opened {
    key: PublicKeyBytes,
    weight: u32,
    peer: PeerId,
    extension: [u8; 32],
    path: Path,
}

impl Opening {
    pub(crate) fn new(roster: &Roster, members: &Mask) -> Self {
        let opened = roster.indices().filter(|index| members.contains(index.get()));
        let opened = opened.filter_map(|index| {
            let member = roster.member(index)?;
            let path = roster.tree().path(u64::from(index.get()))?;
            let (key, weight, peer) = (member.key, member.weight, member.peer);
            Some(Opened { key, weight, peer, extension: member.extension, path })
        });
        Self {
            size: u32::try_from(roster.size()).unwrap_or(u32::MAX),
            weight: roster.weight(),
            sum: roster.sum().bytes,
            root: roster.tree().root(),
            members: BoundedVec::new(opened.take(1024).collect()).unwrap_or_default(),
        }
    }

    /// The opened roster, if its id is `id`. Checks every path.
    pub fn check(&self, id: RosterId) -> Option<OpenedRoster> {
        let size = usize::try_from(self.size).ok().filter(|size| *size <= roster::MAX_MEMBERS)?;
        let sum = Aggregate { bytes: self.sum, point: decode_point(&self.sum)? };
        if roster::roster_id(size, self.weight, &self.sum, &self.root) != id {
            return None;
        }
        let mut members = BTreeMap::new();
        for opened in self.members.iter() {
            let leaf = roster::leaf(opened.weight, &opened.key, opened.peer, &opened.extension);
            let holds = opened.path.len() == u64::from(self.size)
                && opened.path.verify(&self.root, &leaf)
                && members
                    .last_key_value()
                    .is_none_or(|(last, _)| u64::from(*last) < opened.path.index());
            let key = PublicKey::vouched(&opened.key).filter(|_| holds)?;
            members.insert(u16::try_from(opened.path.index()).ok()?, (key, opened.weight));
        }
        Some(OpenedRoster { id, size, weight: self.weight, sum, members })
    }
}

/// What an [`Opening`] tells of the roster with a trusted id.
#[derive(Clone, Debug)]
pub struct OpenedRoster {
    id: RosterId,
    size: usize,
    weight: u64,
    sum: Aggregate,
    members: BTreeMap<u16, (PublicKey, u32)>,
}

/// What checks a certificate: a [`Roster`], or as much of one as an [`Opening`] shows.
pub trait Keys {
    /// The roster's name.
    fn id(&self) -> RosterId;
    /// How many members there are.
    fn size(&self) -> usize;
    /// The weight of all members.
    fn weight(&self) -> u64;
    /// ΣA over all members.
    fn sum(&self) -> &Aggregate;
    /// The key and weight of the member at `position`, where it is known.
    fn member(&self, position: u16) -> Option<(&PublicKey, u32)>;
    /// The sum of the keys of these members, whose positions ascend. The error is one that is not
    /// known.
    fn sum_of(&self, members: &mut dyn Iterator<Item = u16>) -> Result<EdwardsPoint, u16> {
        let mut keys = members.map(|at| self.member(at).map(|(key, _)| key.point()).ok_or(at));
        keys.try_fold(EdwardsPoint::identity(), |sum, key| Ok(sum + key?))
    }
}

impl Keys for Roster {
    fn id(&self) -> RosterId {
        Self::id(self)
    }
    fn size(&self) -> usize {
        Self::size(self)
    }
    fn weight(&self) -> u64 {
        Self::weight(self)
    }
    fn sum(&self) -> &Aggregate {
        Self::sum(self)
    }
    fn member(&self, position: u16) -> Option<(&PublicKey, u32)> {
        let index = self.index(position)?;
        Some((self.key(index)?, Self::member(self, index)?.weight))
    }
    fn sum_of(&self, members: &mut dyn Iterator<Item = u16>) -> Result<EdwardsPoint, u16> {
        Self::sum_of(self, members)
    }
}

impl Keys for OpenedRoster {
    fn id(&self) -> RosterId {
        self.id
    }
    fn size(&self) -> usize {
        self.size
    }
    fn weight(&self) -> u64 {
        self.weight
    }
    fn sum(&self) -> &Aggregate {
        &self.sum
    }
    fn member(&self, position: u16) -> Option<(&PublicKey, u32)> {
        self.members.get(&position).map(|(key, weight)| (key, *weight))
    }
}
