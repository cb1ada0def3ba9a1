//! What the run sees: who decided what and when, who was paid, who was blamed.

use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    Certificate,
    domain::{BLAME, BYZCOIN_BLAME, RANDHOUND_BLAME},
    machine::{Evidence, Fault, FaultKind, Time},
    roster::Roster,
    sim::Application,
};
use omniledger::{
    Epoch, Node, Peer, Session, byzcoin,
    node::{Error, Event},
    randhound::{self, Randomness},
    validator::{self, ChainName},
    wallet,
};

/// What has been seen so far.
pub(crate) struct World {
    roster: Roster,
    /// The shards, as they will be.
    epoch: Epoch,
    /// The beacon's session.
    session: randhound::Session,
    /// What the honest validators drew.
    pub(crate) randomness: Option<Randomness>,
    /// When a wallet was told to pay.
    pub(crate) paid: BTreeMap<Session, Time>,
    /// When it held a proof.
    pub(crate) proven: BTreeMap<Session, Time>,
    /// What it gave up, and why.
    pub(crate) aborted: BTreeMap<Session, &'static str>,
    /// The blocks, by shard and index.
    pub(crate) blocks: BTreeMap<(u16, u64), Block>,
    /// Which views honest validators entered, beyond the first of a height.
    pub(crate) views: BTreeSet<(ChainName, u64, u32)>,
    /// How many signatures each honest validator checked.
    pub(crate) signatures: BTreeMap<Peer, usize>,
    /// What each kind of misbehaviour came to.
    pub(crate) faults: BTreeMap<FaultKind, Blame>,
    /// What must not happen.
    pub(crate) violations: Vec<String>,
}

/// A decided block.
#[derive(Debug)]
pub(crate) struct Block {
    /// How many verdicts it has.
    pub(crate) entries: usize,
    /// Its encoded body.
    pub(crate) body: Vec<u8>,
    pub(crate) collective: bool,
    pub(crate) view: u32,
    pub(crate) decided: Time,
}

/// Reports of one kind of misbehaviour.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    pub(crate) reports: usize,
    pub(crate) culprits: BTreeSet<Peer>,
    /// Those against whom there is evidence that convinces everyone.
    pub(crate) convicted: BTreeSet<Peer>,
}

impl World {
    pub(crate) fn new(roster: Roster, epoch: Epoch, session: randhound::Session) -> Self {
        Self {
            roster,
            epoch,
            session,
            randomness: None,
            paid: BTreeMap::new(),
            proven: BTreeMap::new(),
            aborted: BTreeMap::new(),
            blocks: BTreeMap::new(),
            views: BTreeSet::new(),
            signatures: BTreeMap::new(),
            faults: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is not counted")]
    fn on_validator(&mut self, peer: Peer, now: Time, event: validator::Event) {
        match event {
            validator::Event::Seated { randomness, .. } => {
                let other = self.randomness.is_some_and(|known| known != randomness);
                if other {
                    let name = self.name(peer);
                    self.violations.push(format!("randomness: {name} drew another"));
                }
                // A restored validator is seated again.
                self.randomness.get_or_insert(randomness);
            }
            validator::Event::Checked { signatures } => {
                let sum = self.signatures.entry(peer).or_default();
                *sum = sum.saturating_add(signatures);
            }
            validator::Event::Committed { shard, block, view, verdicts, body, certificate } => {
                let collective = matches!(certificate, Certificate::Collective(_));
                let (entries, view) = (verdicts.len(), view.get());
                let new = Block { entries, body, collective, view, decided: now };
                let known = self.blocks.get(&(shard, block));
                if known.is_some_and(|known| known.body != new.body) {
                    let name = self.name(peer);
                    let why = format!("agreement: {name} has another block {block} of {shard}");
                    self.violations.push(why);
                }
                self.blocks.entry((shard, block)).or_insert(new);
            }
            validator::Event::ViewChanged { chain, height, view } => {
                self.views.insert((chain, height.get(), view.get()));
            }
            validator::Event::Unsound { chain, height } => self.violations.push(format!(
                "agreement: {} found the decision at height {} of {chain:?} unsound",
                self.name(peer),
                height.get()
            )),
            _ => {}
        }
    }

    fn on_wallet(&mut self, now: Time, event: wallet::Event) {
        match event {
            wallet::Event::Committed { session } => {
                self.proven.entry(session).or_insert(now);
            }
            wallet::Event::Aborted { session, reason } => {
                self.aborted.entry(session).or_insert(reason.name());
            }
            // It may be committed yet; if it is not, the run does not end.
            wallet::Event::Delayed { .. } | _ => {}
        }
    }

    /// Whom the evidence convicts before anyone who has the rosters.
    fn convicts(&self, evidence: &Evidence) -> Option<Peer> {
        let rosters = self.epoch.shards().iter().map(|shard| shard.roster());
        let rosters = [&self.roster].into_iter().chain(rosters);
        let convicts = |verify: fn(&Evidence, &Roster) -> Option<cosi::machine::Index>| {
            rosters.clone().find_map(|roster| roster.peer(verify(evidence, roster)?))
        };
        let peer = match evidence.domain {
            BYZCOIN_BLAME => convicts(byzcoin::evidence::verify),
            BLAME => convicts(cosi::blame::verify),
            RANDHOUND_BLAME => match randhound::blame::verify(evidence, &self.session)? {
                randhound::Peer::Server(index) => self.roster.peer(index),
                randhound::Peer::Client | randhound::Peer::Guest(_) => None,
            },
            _ => None,
        };
        peer.map(Peer::Validator)
    }

    /// A peer's name for people: a validator's position, or a wallet.
    pub(crate) fn name(&self, peer: Peer) -> String {
        match (self.position(peer), peer) {
            (Some(position), _) => format!("validator {position}"),
            (None, Peer::Guest(number)) => format!("wallet {number}"),
            (None, Peer::Validator(_)) => "a stranger".into(),
        }
    }

    /// A validator's position.
    pub(crate) fn position(&self, peer: Peer) -> Option<u16> {
        let Peer::Validator(peer) = peer else { return None };
        self.roster.index_of(peer).map(|index| index.get())
    }
}

impl Application<Node> for World {
    fn on_event(&mut self, peer: Peer, now: Time, event: Event, _: &mut Vec<wallet::Command>) {
        match event {
            Event::Validator(event) => self.on_validator(peer, now, event),
            Event::Wallet(event) => self.on_wallet(now, event),
        }
    }

    fn on_fault(&mut self, peer: Peer, _: Time, fault: Fault<Peer>) {
        let convicted = fault.evidence.as_ref().map(|evidence| self.convicts(evidence));
        if convicted.is_some_and(|convicted| convicted != Some(fault.culprit)) {
            let (by, culprit) = (self.name(peer), self.name(fault.culprit));
            let kind = fault.kind.name();
            self.violations.push(format!("evidence: {by}'s does not convict {culprit} of {kind}"));
        }
        let blame = self.faults.entry(fault.kind).or_default();
        blame.reports = blame.reports.saturating_add(1);
        blame.culprits.insert(fault.culprit);
        blame.convicted.extend(convicted.flatten());
    }

    fn on_error(&mut self, peer: Peer, _: Time, error: Error) {
        // The host asks again for what a crashed wallet may not have heard.
        if error == Error::Wallet(wallet::Error::Repeated) {
            return;
        }
        self.violations.push(format!("payment: {} refused one: {error}", self.name(peer)));
    }
}
