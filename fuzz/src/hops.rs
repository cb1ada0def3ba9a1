//! A small skipchain, with links of three levels and one change of the roster.

use std::sync::LazyLock;

use cosi::{Certificate, Statement as _, mask::Mask, roster::Roster, wire::Wire};
use skipchain::{
    BackLinks, BackProof, ChainId, Conflict, Header, LightClient, Link, LinkStatement, Proof,
    Shape, Spine, header::payload_root,
};

use crate::town::{QUORUM, ROSTER, SIZE, individual, roster};

/// The last block.
pub(crate) const LAST: usize = 4;
/// The first block that the second roster decides on.
const CHANGE: usize = 3;
/// What every block holds.
pub(crate) const ENTRIES: [&[u8]; 3] = [b"one", b"two", b"three"];

/// A skipchain.
pub(crate) struct Hops {
    pub(crate) headers: Vec<Header>,
    backs: Vec<BackLinks>,
    pub(crate) spine: Spine,
    second: Roster,
}

/// The one skipchain.
pub(crate) static HOPS: LazyLock<Hops> = LazyLock::new(|| {
    let second = roster(1);
    let shape = Shape::new(2, 3).expect("a shape");
    let payload = payload_root(ENTRIES);
    let genesis = Header::genesis(ChainId([7; 32]), shape, ROSTER.id(), payload, None);
    let mut spine = Spine::new(genesis.clone()).expect("a genesis");
    let (mut headers, mut backs) = (vec![genesis], vec![BackLinks::default()]);
    for index in 1..=LAST {
        let decides_next = if index < CHANGE.wrapping_sub(1) { &*ROSTER } else { &second };
        let header = spine.next(decides_next.id(), payload, Some([index.to_le_bytes()[0]; 32]));
        backs.push(spine.back_links());
        spine.push(&header).expect("the next header");
        headers.push(header);
    }
    Hops { headers, backs, spine, second }
});

impl Hops {
    fn header(&self, index: usize) -> &Header {
        self.headers.get(index).expect("a block of the chain")
    }

    pub(crate) fn head(&self) -> &Header {
        self.header(LAST)
    }

    pub(crate) fn back(&self, index: usize) -> &BackLinks {
        self.backs.get(index).expect("a block of the chain")
    }

    /// What the link of `level` from `from` says.
    pub(crate) fn statement(&self, from: usize, level: u8) -> LinkStatement {
        LinkStatement::new(level, self.header(from), self.header(end(from, level)))
    }

    /// Who decides the block after `from`, and where its keys begin.
    fn deciders(&self, from: usize) -> (&Roster, u16) {
        if from < CHANGE.wrapping_sub(1) { (&ROSTER, 0) } else { (&self.second, 1) }
    }

    /// The link of `level` from `from`, with its opening.
    pub(crate) fn link(&self, from: usize, level: u8) -> Link {
        let (roster, first) = self.deciders(from);
        let statement = self.statement(from, level).to_signed();
        let certificate = individual(roster, first, &QUORUM, &statement);
        let opening = roster.open(&Mask::of(SIZE.into(), QUORUM));
        let end = end(from, level);
        let (from, to, back) = (self.header(from), self.header(end), self.back(end));
        Link::new(level, from, to, back, certificate, Some(opening)).expect("a link of the chain")
    }

    /// The proof of these links from the genesis.
    pub(crate) fn proof(&self, links: &[(usize, u8)]) -> Proof<Certificate> {
        let links = links.iter().map(|(from, level)| self.link(*from, *level)).collect();
        Proof::new(self.header(0), links).expect("a few links")
    }

    /// Every way from the genesis to some block.
    pub(crate) fn ways(&self) -> Vec<Vec<(usize, u8)>> {
        let mut ways = vec![(0, Vec::new())];
        let mut at = 0;
        while let Some((from, way)) = ways.get(at).cloned() {
            for level in 0..self.header(from).height {
                let end = end(from, level);
                if end <= LAST {
                    ways.push((end, [&way[..], &[(from, level)]].concat()));
                }
            }
            at = at.wrapping_add(1);
        }
        ways.into_iter().map(|(_, way)| way).collect()
    }

    /// The way back in the fewest steps.
    pub(crate) fn way_back(&self, from: usize, target: usize) -> BackProof {
        let find = |at: u64| {
            let at = usize::try_from(at).ok()?;
            Some((self.headers.get(at)?.clone(), self.backs.get(at)?.clone()))
        };
        let [from, target] = [from, target].map(|index| index as u64);
        BackProof::build(from, target, find).expect("an earlier block")
    }

    /// Every way back from the head, encoded: put together from ways of one step each.
    pub(crate) fn ways_back(&self) -> Vec<Vec<u8>> {
        let mut ways = vec![(LAST, 0_u32, Vec::new())];
        let mut at = 0;
        while let Some((from, steps, way)) = ways.get(at).cloned() {
            for level in 0..self.header(from).height {
                let Some(to) = from.checked_sub(1_usize.wrapping_shl(level.into())) else {
                    continue;
                };
                let one = self.way_back(from, to).encode();
                let step = one.get(12..).expect("where it starts, and how many steps it has");
                ways.push((to, steps.wrapping_add(1), [&way[..], step].concat()));
            }
            at = at.wrapping_add(1);
        }
        let whole = |(_, steps, way): (usize, u32, Vec<u8>)| {
            [&(LAST as u64).encode()[..], &steps.encode(), &way].concat()
        };
        ways.into_iter().map(whole).collect()
    }

    /// A client that trusts the genesis.
    pub(crate) fn client(&self) -> LightClient {
        let opening = ROSTER.open(&Mask::of(SIZE.into(), 0..SIZE));
        LightClient::new(self.header(0).clone(), opening).expect("the genesis and its roster")
    }

    /// Two blocks after the genesis, that member 1 signed both.
    pub(crate) fn conflict(&self) -> Conflict {
        let statement = self.statement(0, 0);
        let other = LinkStatement { to: skipchain::BlockId([9; 32]), ..statement };
        let links = [statement, other]
            .map(|statement| (statement, individual(&ROSTER, 0, &[1], &statement.to_signed())));
        Conflict { links }
    }
}

fn end(from: usize, level: u8) -> usize {
    from.wrapping_add(1_usize.wrapping_shl(level.into()))
}
