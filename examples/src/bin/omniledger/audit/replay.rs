//! Executes every block of every shard again.

use std::collections::BTreeMap;

use cosi::{
    merkle::tree::{self, Hash},
    wire::Wire,
};
use omniledger::{
    Decision, Epoch, Genesis, Session, Shape, Stranger, Transaction,
    atomix::{self, Action, Declaration, Sealed, ShardState, Shards as _, Verdict},
    byzcoin,
    chain::Body,
    epoch::ShardInfo,
    ledger::{Checked, Ledger},
    message,
    skipchain::{BlockId, Header, LightClient, Proof},
};

use super::{Broken, Part, Position, ShardAudit, ShardFiles, decode};

/// A shard whose blocks all hold.
pub(super) struct Replayed {
    pub(super) number: u16,
    /// After the last block.
    pub(super) state: ShardState,
    chain: Chain,
    blocks: Vec<Block>,
    validators: usize,
}

/// The headers of a chain, each with its id, the first block's first.
struct Chain {
    headers: Vec<(BlockId, Header)>,
    decisions: Vec<Decision>,
    head_links: usize,
}

/// A block after the first.
#[derive(Default)]
struct Block {
    requests: Vec<Checked>,
    verdicts: Vec<Verdict>,
}

impl Replayed {
    pub(super) fn audit(&self, files: &ShardFiles) -> ShardAudit {
        let blocks = self.blocks.len();
        ShardAudit {
            validators: self.validators,
            blocks: u64::try_from(blocks).unwrap_or(u64::MAX),
            entries: self.blocks.iter().map(|block| block.verdicts.len()).sum(),
            chain_bytes: files.chain.len(),
            head_bytes: files.head.len(),
            head_links: self.chain.head_links,
        }
    }

    /// What the sessions in the shard's blocks are about.
    pub(super) fn declarations(&self) -> impl Iterator<Item = (Session, &Declaration)> {
        let requests = self.blocks.iter().flat_map(|block| &block.requests);
        requests.map(|request| (request.transaction.session(), request.transaction.declaration()))
    }

    /// What the shard said, in order, with the shard and the block.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (u16, u64, &Verdict)> {
        self.places().map(|(verdict, (index, ..))| (self.number, index, verdict))
    }

    /// What the shard said, in order, and where.
    pub(super) fn places(&self) -> impl Iterator<Item = (&Verdict, Position)> {
        (1..).zip(&self.blocks).flat_map(|(index, Block { verdicts, .. })| {
            let of = count(verdicts);
            (0..).zip(verdicts).map(move |(at, verdict)| (verdict, (index, at, of)))
        })
    }
}

/// Executes all blocks of all shards.
pub(super) fn replay(
    genesis: &Genesis,
    stranger: &Stranger,
    files: &[ShardFiles],
) -> Result<Vec<Replayed>, Broken> {
    let epoch = stranger.epoch();
    let mut chains = Vec::new();
    for (number, info) in (0..).zip(epoch.shards()) {
        let missing = || Broken::of(Part::Shard(number), "shards", "it is missing");
        let files = files.get(usize::from(number)).ok_or_else(missing)?;
        chains.push(Chain::follow(genesis, epoch, (number, info), files)?);
    }
    if files.len() > chains.len() {
        let why = format!("the ledger has {} shards, and this is one more", chains.len());
        return Err(Broken::of(Part::Shard(genesis.shards), "shards", why));
    }
    let mut bodies = Vec::new();
    for ((number, chain), files) in (0..).zip(&chains).zip(files) {
        bodies.push(chain.bodies(genesis, number, files)?);
    }
    let blocks = check_signatures(genesis, bodies)?;
    let mut rosters = stranger.rosters().clone();
    for request in blocks.iter().flatten().flat_map(|block| &block.requests) {
        for proof in proofs(&request.action) {
            rosters.learn(proof.shard, &proof.inclusion);
        }
    }
    let mut replayed = Vec::new();
    let shards = (0..).zip(epoch.shards()).zip(chains).zip(blocks);
    for (((number, info), chain), blocks) in shards {
        let (state, validators) = (info.state(genesis), info.roster().size());
        let mut shard = Replayed { number, state, chain, blocks, validators };
        shard.execute(epoch.number(), &rosters)?;
        replayed.push(shard);
    }
    for shard in &replayed {
        for (index, block) in (1..).zip(&shard.blocks) {
            let mut shown = block.requests.iter().flat_map(|request| proofs(&request.action));
            let shown = shown.try_for_each(|proof| shows(&replayed, proof));
            shown.map_err(|why| Broken::of(Part::Block(shard.number, index), "fork", why))?;
        }
    }
    Ok(replayed)
}

/// Whether what a proof shows is a block of the audited chains; why not, if not.
pub(super) fn shows(shards: &[Replayed], proof: &message::Proof) -> Result<(), String> {
    let Sealed { header, from, .. } = &proof.inclusion;
    let chain = shards.get(usize::from(proof.shard)).map(|shard| &shard.chain);
    let at = |index: u64| chain.and_then(|chain| chain.headers.get(usize::try_from(index).ok()?));
    let before = header.index.checked_sub(1).and_then(at);
    let is = at(header.index).is_some_and(|(_, own)| own == header);
    if is && before.is_some_and(|(id, _)| id == from) {
        return Ok(());
    }
    Err(format!("it shows a block {} that is not in shard {}'s chain", header.index, proof.shard))
}

/// The proofs that a request brings along.
fn proofs(action: &Action<Sealed<Decision>>) -> &[message::Proof] {
    match action {
        Action::Initialize { shown } => shown.as_slice(),
        Action::Commit { proofs } => proofs,
        Action::Abort { proof } => std::slice::from_ref(proof),
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

impl Chain {
    /// Follows a shard's links from its first block to the head, by both ways.
    fn follow(
        genesis: &Genesis,
        epoch: &Epoch,
        (number, info): (u16, &ShardInfo),
        files: &ShardFiles,
    ) -> Result<Self, Broken> {
        let client = info.light_client(genesis);
        let client = client.map_err(|error| Broken::of(Part::Genesis, "genesis", error))?;
        let anchor = client.head();
        let mut headers = vec![(anchor.id(), anchor.header().clone())];
        let (shape, part) = (genesis.shape, Part::Chain(number));
        let chain = lead(client.clone(), &files.chain, part, |proof| vec![0; proof.hops()])?;
        for link in chain.links() {
            let next = headers.last().and_then(|(id, from)| link.follow(from, id));
            headers.extend(next.map(|header| (header.id(), header)));
        }
        let decisions: Vec<_> =
            chain.links().iter().map(|link| link.attestation().clone()).collect();
        let kept = headers.iter().all(|(_, header)| header.roster == info.roster().id());
        if !kept || decisions.iter().any(|decision| decision.epoch != epoch.number()) {
            let why = "a block is of another epoch, or gives the shard away";
            return Err(Broken::of(part, "epoch", why));
        }
        let (part, to) = (Part::Head(number), count(&decisions));
        let head = lead(client, &files.head, part, |_| fewest(shape, to))?;
        let end = head.links().iter().try_fold(headers.first().cloned(), |at, link| {
            let next = at.and_then(|(id, from)| link.follow(&from, &id))?;
            Some(Some((next.id(), next)))
        });
        if end.flatten().as_ref() != headers.last() {
            return Err(Broken::of(part, "head", "it leads elsewhere than the chain"));
        }
        Ok(Self { headers, decisions, head_links: head.hops() })
    }

    /// The bodies that were decided, one a block.
    fn bodies(
        &self,
        genesis: &Genesis,
        shard: u16,
        files: &ShardFiles,
    ) -> Result<Vec<Vec<message::Request>>, Broken> {
        let mut bodies = Vec::new();
        for (index, decision) in (1..).zip(&self.decisions) {
            let part = Part::Block(shard, index);
            let missing = || Broken::of(part, "body", "it is missing");
            let bytes = files.bodies.get(bodies.len()).ok_or_else(missing)?;
            let byzcoin::Proposal { chunk_root, size, .. } = &decision.proposal;
            let body = byzcoin::Body::new(bytes);
            if !body.is_some_and(|body| body.root() == *chunk_root && body.size() == *size) {
                return Err(Broken::of(part, "body", "it is not the one that was decided"));
            }
            let too_large = || Broken::of(part, "body", "it is larger than the genesis allows");
            if *size > genesis.limits.max_body() {
                return Err(too_large());
            }
            let requests = decode::<Body>(part, bytes)?.requests.into_inner();
            if count(&requests) > genesis.limits.requests.into() {
                return Err(too_large());
            }
            bodies.push(requests);
        }
        if files.bodies.len() > bodies.len() {
            let part = Part::Block(shard, count(&bodies).saturating_add(1));
            return Err(Broken::of(part, "body", "the chain ends before it"));
        }
        Ok(bodies)
    }
}

/// Checks that a proof leads on from the client's block, by links of these levels, which all hold.
fn lead(
    mut client: LightClient,
    bytes: &[u8],
    part: Part,
    levels: impl Fn(&Proof<Decision>) -> Vec<u8>,
) -> Result<Proof<Decision>, Broken> {
    let proof: Proof<Decision> = decode(part, bytes)?;
    // The roster is known, so a link that shows it has not its one form.
    let form = proof.links().iter().map(|link| (link.level(), link.opening().is_none()));
    if !form.eq(levels(&proof).into_iter().map(|level| (level, true))) {
        return Err(Broken::of(part, "links", "it goes by other links than it must"));
    }
    client.verify(&proof).map_err(|error| Broken::of(part, "links", error))?;
    Ok(proof)
}

/// The levels of the fewest links from the first block to this one.
fn fewest(shape: Shape, to: u64) -> Vec<u8> {
    let (mut at, mut levels) = (0_u64, Vec::new());
    while at < to {
        let ends = (0..shape.height(at)).rev().filter_map(|level| {
            let end = at.checked_add(shape.stride(level)?)?;
            (end <= to).then_some((level, end))
        });
        let Some((level, end)) = ends.into_iter().next() else { break };
        levels.push(level);
        at = end;
    }
    levels
}

/// Checks every transaction's signatures, once for all requests that hold it, in one batch.
fn check_signatures(
    genesis: &Genesis,
    bodies: Vec<Vec<Vec<message::Request>>>,
) -> Result<Vec<Vec<Block>>, Broken> {
    let mut known = BTreeMap::<Hash, usize>::new();
    let (mut transactions, mut firsts) = (Vec::<Transaction>::new(), Vec::new());
    let mut shards = Vec::new();
    for (shard, bodies) in (0..).zip(bodies) {
        let mut blocks = Vec::new();
        for (index, requests) in (1..).zip(bodies) {
            let mut block = Vec::new();
            for message::Request { transaction, action } in requests {
                let name = tree::leaf_hash(&transaction.encode());
                let at = *known.entry(name).or_insert_with(|| {
                    transactions.push(transaction);
                    firsts.push(Part::Block(shard, index));
                    firsts.len().saturating_sub(1)
                });
                block.push((at, action));
            }
            blocks.push(block);
        }
        shards.push(blocks);
    }
    let results = genesis.rules().check(transactions).results.into_iter().zip(firsts);
    let checked = results.map(|(result, part)| {
        result.map_err(|malformed| Broken::of(part, "transaction", malformed))
    });
    let checked = checked.collect::<Result<Vec<_>, _>>()?;
    let block = |block: Vec<(usize, _)>| {
        let requests = block.into_iter().filter_map(|(at, action)| {
            let transaction: &atomix::Checked = checked.get(at)?;
            Some(Checked { transaction: transaction.clone(), action })
        });
        Block { requests: requests.collect(), verdicts: Vec::new() }
    };
    Ok(shards.into_iter().map(|blocks| blocks.into_iter().map(block).collect()).collect())
}

impl Replayed {
    /// Executes every block, and compares what it comes to with its header.
    fn execute(
        &mut self,
        epoch: u64,
        rosters: &<ShardState as Ledger>::Context,
    ) -> Result<(), Broken> {
        let headers = self.chain.headers.iter().skip(1);
        for ((_, header), block) in headers.zip(&mut self.blocks) {
            let part = Part::Block(self.number, header.index);
            let refused = |error| Broken::of(part, "execution", error);
            self.state.begin_block(epoch, header.index).map_err(refused)?;
            for request in &block.requests {
                block.verdicts.extend(self.state.perform(rosters, request).map_err(refused)?);
            }
            let of = count(&block.verdicts);
            let entries = (0..).zip(&block.verdicts).map(|(at, verdict)| verdict.entry(at, of));
            if tree::root(entries) != header.payload_root {
                return Err(Broken::of(part, "entries", "the header is over other entries"));
            }
            if header.state_root != Some(self.state.state_root()) {
                return Err(Broken::of(part, "state", "the header is over another state"));
            }
        }
        Ok(())
    }
}
