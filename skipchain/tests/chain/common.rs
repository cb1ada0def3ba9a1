//! A chain whose every link can be made, by any signers.

use cosi::{
    Certificate, Statement, certificate,
    keys::{Seed, SigningKey},
    mask::Mask,
    roster::{Member, Opening, Roster},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use skipchain::{
    BackLinks, ChainId, Header, LightClient, Link, LinkStatement, Proof, ProofError, Shape, Spine,
    header::payload_root,
    wire::{DecodeError, Wire},
};

pub(crate) type Refusal = Result<skipchain::Verified, ProofError>;

/// Members, and the keys that a test lends them.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) roster: Roster,
    keys: Vec<SigningKey>,
}

impl Group {
    pub(crate) fn new(seeds: impl IntoIterator<Item = u8>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let keys = seeds.into_iter().map(|seed| Seed::from_bytes([seed; 32]).signing_key());
        let keys: Vec<_> = keys.collect();
        let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng))).unwrap();
        Self { roster, keys }
    }

    pub(crate) fn sign(&self, statement: &LinkStatement, signers: &[u16]) -> Certificate {
        self.sign_bytes(&statement.to_signed(), signers)
    }

    pub(crate) fn sign_bytes(&self, bytes: &[u8], signers: &[u16]) -> Certificate {
        let id = self.roster.id();
        let signed = signers.iter().map(|at| {
            let signature = certificate::sign(self.key(*at), &id, bytes);
            (self.roster.index(*at).unwrap(), signature)
        });
        Certificate::individual(&self.roster, signed).unwrap()
    }

    pub(crate) fn key(&self, at: u16) -> &SigningKey {
        &self.keys[usize::from(at)]
    }

    pub(crate) fn open(&self, members: &[u16]) -> Opening {
        self.roster.open(&Mask::of(self.roster.size(), members.iter().copied()))
    }

    pub(crate) fn open_all(&self) -> Opening {
        let all: Vec<_> = self.roster.indices().map(|index| index.get()).collect();
        self.open(&all)
    }
}

/// Who signs a quorum of four.
pub(crate) const QUORUM: [u16; 3] = [0, 1, 3];

pub(crate) struct Chain {
    pub(crate) headers: Vec<Header>,
    pub(crate) backs: Vec<BackLinks>,
    pub(crate) spine: Spine,
    groups: Vec<Group>,
    /// After how many blocks one member gives way to another.
    tenure: u64,
}

impl Chain {
    /// `len` blocks after the genesis, of groups of four of which one member changes every
    /// `tenure` blocks.
    pub(crate) fn new(name: u8, shape: Shape, len: u64, tenure: u64) -> Self {
        let first = 10 * name;
        let groups = (0..(len / tenure).clamp(5, 7)).map(|at| {
            let first = first + u8::try_from(at).unwrap();
            Group::new(first..first + 4)
        });
        let groups = groups.collect();
        Self::kept_by(name, shape, groups, len, tenure)
    }

    /// Of one group for ever.
    pub(crate) fn of(name: u8, shape: Shape, group: Group, len: u64) -> Self {
        Self::kept_by(name, shape, vec![group], len, u64::MAX)
    }

    fn kept_by(name: u8, shape: Shape, groups: Vec<Group>, len: u64, tenure: u64) -> Self {
        let id = groups[0].roster.id();
        let genesis = Header::genesis(ChainId([name; 32]), shape, id, payload(0), None);
        let spine = Spine::new(genesis.clone()).unwrap();
        let backs = vec![BackLinks::default()];
        let mut chain = Self { headers: vec![genesis], backs, spine, groups, tenure };
        (1..=len).for_each(|index| chain.append(payload(index)));
        chain
    }

    pub(crate) fn append(&mut self, payload_root: [u8; 32]) {
        let index = self.spine.tip().index + 1;
        let state = index.is_multiple_of(2).then_some([7; 32]);
        let header = self.spine.next(self.group(index).roster.id(), payload_root, state);
        self.backs.push(self.spine.back_links());
        self.spine.push(&header).unwrap();
        self.headers.push(header);
    }

    /// Who decides the block after this one.
    pub(crate) fn group(&self, index: u64) -> &Group {
        &self.groups[usize::try_from(index / self.tenure).unwrap() % self.groups.len()]
    }

    pub(crate) fn header(&self, index: u64) -> &Header {
        &self.headers[usize::try_from(index).unwrap()]
    }

    pub(crate) fn back(&self, index: u64) -> &BackLinks {
        &self.backs[usize::try_from(index).unwrap()]
    }

    /// The block that a link of `level` from `index` leads to, by the definition.
    pub(crate) fn end(&self, index: u64, level: u8) -> Option<u64> {
        let stride = u64::from(self.header(0).shape.base()).checked_pow(level.into())?;
        let levels = u64::from(self.header(index).height);
        let end = index + stride;
        let exists = u64::from(level) < levels && end <= self.spine.tip().index;
        exists.then_some(end)
    }

    pub(crate) fn statement(&self, index: u64, level: u8) -> Option<LinkStatement> {
        let end = self.end(index, level)?;
        Some(LinkStatement::new(level, self.header(index), self.header(end)))
    }

    /// The link as honest members make it, with its opening.
    pub(crate) fn link(&self, index: u64, level: u8) -> Option<Link> {
        let group = self.group(index);
        let certificate = group.sign(&self.statement(index, level)?, &QUORUM);
        self.link_by(index, level, certificate, Some(group.open(&QUORUM)))
    }

    pub(crate) fn link_by(
        &self,
        index: u64,
        level: u8,
        certificate: Certificate,
        opening: Option<Opening>,
    ) -> Option<Link> {
        let end = self.end(index, level)?;
        let (from, to) = (self.header(index), self.header(end));
        Link::new(level, from, to, self.back(end), certificate, opening)
    }

    pub(crate) fn proof(&self, from: u64, target: u64) -> Proof {
        Proof::build(self.header(from), target, |at, level| self.link(at, level)).unwrap()
    }

    pub(crate) fn prove(&self, links: Vec<Link>) -> Proof {
        Proof::new(self.header(0), links).unwrap()
    }

    /// A client that trusts the block at `index` alone.
    pub(crate) fn client(&self, index: u64) -> LightClient {
        let opening = self.group(index).open_all();
        LightClient::new(self.header(index).clone(), opening).unwrap()
    }

    /// What a client that knows the genesis says to one link from it.
    pub(crate) fn judge(&self, link: Option<Link>) -> Refusal {
        self.client(0).verify(&self.prove(vec![link.unwrap()]))
    }
}

pub(crate) fn shape(base: u32, max_height: u8) -> Shape {
    Shape::new(base, max_height).unwrap()
}

pub(crate) fn payload(index: u64) -> [u8; 32] {
    payload_root([index.to_le_bytes().as_slice(), b"entry"])
}

/// The proof that these bytes encode.
pub(crate) fn parse(bytes: &[u8]) -> Result<Proof, DecodeError> {
    Proof::decode(bytes)
}
