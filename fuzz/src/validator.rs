//! A validator in its seat, whose whole shard lies: the other three sign what an input has them
//! sign, and guests ask for anything.

mod books;
mod menu;
mod puppets;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use byzcoin::{Digest, Height, Kind, Record as Bft, View, message::Message as Said, votes};
use cosi::{
    machine::{Cx, Time},
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Epoch, EpochProof, Message, Peer, Validator,
    chain::Body,
    message::{Guest, Query, Sync, Want},
    validator::{Event, Record, Step},
};
use rand_chacha::ChaCha20Rng;

use self::{books::Books, menu::MENU};
use crate::{
    actions::Actions,
    realm::{Block, Branch, GENESIS, REALM, VALIDATORS, config, name, payment},
    town::rng,
};

/// The validator's shard, and its place there.
const SHARD: u16 = 1;
const PLACE: u16 = 1;
/// The others.
const OTHERS: [u16; 3] = [0, 2, 3];
/// How many messages of others are remembered, to be said again.
const HEARD: usize = 16;
/// How many requests a block has at most.
const MOST: usize = 4;

/// Each byte is an action; some take the next one as a detail.
///
/// # Panics
/// When the validator votes for two things of one kind, height and view, or prepares a block that
/// does not hold; when it commits such a block, or one that no quorum decided, or another one
/// after a crash; when its state is not what its blocks say; when what it answers is not so, or
/// it turns away for good what could yet be done; when it takes a further part after a quorum was
/// unsound; when it does not commit what a quorum decides in the end.
pub fn validator(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let place = if matches!(kind, 0 | 7) { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let [submit, draft, say, change, pass, crash, ask, again] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|kind: u8| kind << 5);
    let [propose, prepared, decided] = [say, say | 1, say | 2];
    let [prepares, commits] = [say | 5, say | 6];
    let block = |items: &[u8]| -> Vec<u8> {
        items.iter().map(|item| draft | item).chain([propose, prepared, decided]).collect()
    };
    let story = [block(&[0, 1]), block(&[2, 3, 4]), block(&[5])].concat();
    let lead = [change | 1, pass, pass, prepares | 8, commits | 8];
    let seeds: [(&str, Vec<u8>); 13] = [
        ("nothing", vec![]),
        ("story", [&story[..], &[ask]].concat()),
        ("proposes", [&[submit, 0, submit | 1, 0][..], &lead, &[ask]].concat()),
        ("voted-singly", vec![draft, propose, pass | 9, prepared, pass | 9, decided, ask]),
        ("unsound", [&block(&[0])[..], &block(&[0]), &story, &[ask]].concat()),
        ("unsound-header", vec![draft | 31, draft, propose, pass | 9, decided, ask, pass]),
        ("crash", {
            let first = [&[crash | 1][..], &block(&[0, 1]), &[crash], &block(&[2])];
            let again = [&[crash | 1][..], &block(&[3]), &[crash, ask]];
            [first.concat(), again.concat()].concat()
        }),
        ("one-header", vec![draft, propose, draft | 9, say | 7, decided, pass | 9, ask]),
        ("two-of-four", vec![draft, propose, say | 3, say | 4, say | 4 | 8, ask]),
        ("two-proposals", vec![draft, propose, draft | 1, propose, pass | 9, pass | 9]),
        (
            "later",
            [&[submit | 5, 0][..], &block(&[6]), &[ask], &block(&[1]), &block(&[4]), &[ask]]
                .concat(),
        ),
        (
            "full",
            [
                &[submit | 9, 0, submit | 7, 0, submit | 12, 1, submit | 6, 2, submit | 8, 0][..],
                &[submit | 11, 0, submit | 10, 1, submit | 5, 0, submit | 2, 0, submit | 3, 0],
                &[pass, pass, ask, ask | 1, ask | 2, ask | 3],
            ]
            .concat(),
        ),
        (
            "again",
            [
                &[again, 0, again | 1, 9, again | 2, 99, again | 3, 200, ask | 4, ask | 5][..],
                &block(&[0]),
                &[again | 16, 0, again | 17, 90, again | 18, 30, again | 19, 200, pass],
            ]
            .concat(),
        ),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// What is voted for once: what kind, where.
type Slot = (Kind, Height, View);

struct World {
    now: Time,
    rng: ChaCha20Rng,
    validator: Validator,
    journal: Vec<Vec<u8>>,
    /// Whether the next records are lost, and the validator with them.
    crashes: bool,
    /// The chain that the validator has told of.
    branch: Branch,
    /// What the validator committed, in order.
    committed: Vec<Digest>,
    /// How many of those it has told of since its last start.
    told: usize,
    books: Books,
    /// All blocks that anybody made, and whether they hold after the one before.
    blocks: BTreeMap<Digest, (Block, bool)>,
    /// What the others put into the next block: items of the menu.
    draft: Vec<u8>,
    voted: BTreeMap<Slot, Digest>,
    /// What the others said: the last [`HEARD`].
    heard: Vec<(Peer, Message)>,
    /// What the validator proposed last.
    own: Option<Digest>,
    unsound: bool,
    answered: BTreeSet<u8>,
}

/// The validator's place in the genesis.
static AT: LazyLock<u8> = LazyLock::new(|| {
    let peer = REALM.peer(SHARD, PLACE);
    (0..VALIDATORS).find(|at| name(*at) == peer).expect("a validator of the genesis")
});

/// Its proof of the epoch, which may have other servers' shares than the others' proofs.
static PROOF: LazyLock<EpochProof> = LazyLock::new(|| {
    let world = World::new();
    let proof = world.validator.epoch_proof().expect("it has its seat");
    let epoch = Epoch::verify(&GENESIS, proof).expect("a proof that holds");
    assert_eq!(epoch.randomness(), REALM.epoch.randomness(), "another epoch");
    proof.clone()
});

impl World {
    fn new() -> Self {
        let (now, mut rng) = (Time::default(), rng(28));
        let journal = REALM.journals.get(usize::from(*AT)).expect("eight journals");
        let mut cx = Cx::new(now, &mut rng);
        let restored = Validator::restore(config(*AT), journal.iter().cloned(), &mut cx);
        Self {
            now,
            validator: restored.expect("its own journal").0,
            rng,
            journal: journal.iter().map(Wire::encode).collect(),
            crashes: false,
            branch: Branch::new(SHARD),
            committed: Vec::new(),
            told: 0,
            books: Books::new(SHARD),
            blocks: BTreeMap::new(),
            draft: Vec::new(),
            voted: BTreeMap::new(),
            heard: Vec::new(),
            own: None,
            unsound: false,
            answered: BTreeSet::new(),
        }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            0 => self.submit(detail, place),
            1 if self.draft.len() < MOST + 2 => self.draft.push(detail),
            1 => self.draft.clear(),
            2 => self.say(detail),
            3 => self.change_view(detail),
            4 => self.pass(detail),
            5 if detail & 1 > 0 => self.crashes = true,
            5 => self.restart(),
            6 => self.ask(detail),
            _ => self.say_again(detail, place),
        }
    }

    fn submit(&mut self, detail: u8, place: u8) {
        let Some(request) = MENU.get(usize::from(detail)) else { return };
        let requests = vec![request.clone(); usize::from(place & 3).saturating_add(1)];
        let requests = BoundedVec::new(requests).expect("a few requests");
        let shard = if place & 4 > 0 { 0 } else { SHARD };
        let from = if place & 8 > 0 { other(place) } else { Peer::Guest(place.into()) };
        self.hears(from, &Message::Guest(Guest::Submit { shard, requests }));
    }

    /// Asks for all that the validator knows.
    fn ask(&mut self, detail: u8) {
        let wants = [Want::Verdict, Want::Creation, Want::Return];
        let queries = (0..crate::realm::MOST).flat_map(|number| {
            wants.map(|want| Query { session: payment(number).session(), want })
        });
        let queries = BoundedVec::new(queries.collect()).expect("a few questions");
        let message = match detail & 3 {
            0 | 1 => Message::Guest(Guest::Ask { shard: SHARD, queries }),
            2 => Message::Sync(Sync::Ask),
            _ => Message::Sync(Sync::Epoch(Box::new(REALM.proof.clone()))),
        };
        let from = if detail & 4 > 0 { other(detail) } else { Peer::Guest(7) };
        self.hears(from, &message);
    }

    /// Somebody says again what was said when the epoch was drawn, or since, with a bit flipped.
    fn say_again(&mut self, detail: u8, place: u8) {
        let (since, at) = (detail & 16 > 0, usize::from(detail & 15));
        let said = if since { &self.heard } else { &REALM.said };
        let at = if since { at } else { at << 8 | usize::from(place) };
        let Some((from, message)) = at.checked_rem(said.len()).and_then(|at| said.get(at)).cloned()
        else {
            return;
        };
        let mut bytes = message.encode();
        let at = usize::from(place).wrapping_mul(bytes.len()).wrapping_shr(8);
        if since && let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1_u8.wrapping_shl(place.into());
        }
        if let Ok(message) = Message::decode(&bytes) {
            self.does(|validator, cx| validator.handle_message(cx, from, message));
        }
    }

    fn pass(&mut self, detail: u8) {
        let due = self.validator.next_timeout().filter(|_| detail == 0);
        let later = self.now.after(Duration::from_secs(detail.into()));
        self.now = self.now.max(due.unwrap_or(later));
        self.does(Validator::handle_timeout);
        let next = self.validator.next_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
    }

    fn hears(&mut self, from: Peer, message: &Message) {
        self.heard.push((from, message.clone()));
        let old = self.heard.len().saturating_sub(HEARD);
        self.heard.drain(..old);
        let message = Message::decode(&message.encode()).expect("what was encoded");
        self.does(|validator, cx| validator.handle_message(cx, from, message));
    }

    /// Has the validator do something.
    fn does(&mut self, act: impl FnOnce(&mut Validator, &mut Cx<'_>) -> Step) {
        let step = act(&mut self.validator, &mut Cx::new(self.now, &mut self.rng));
        self.take(step);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest says nothing of the shard")]
    fn take(&mut self, step: Step) {
        let (records, held) = step.into_records();
        if self.crashes && !records.is_empty() {
            return self.restart();
        }
        self.journal.extend(records.iter().map(Wire::encode));
        let output = held.release();
        let was_unsound = self.unsound;
        // What it proposes follows what it committed.
        output.events.iter().for_each(|event| self.on_event(event));
        records.iter().for_each(|record| self.note(record));
        self.books.audit(self.validator.state().expect("it has its seat"));
        let mut forwarded = 0_usize;
        for (_, message) in output.messages {
            match &message {
                Message::Shard { message, .. } => {
                    assert!(!was_unsound, "it goes on after its shard was unsound");
                    self.judge(message);
                }
                Message::Guest(Guest::Answer(answer)) => {
                    let held = self.books.hears(answer);
                    self.answered.extend(held);
                }
                Message::Guest(Guest::Submit { requests, .. }) => {
                    let sizes = requests.iter().map(|request| request.encode().len());
                    forwarded = forwarded.saturating_add(sizes.sum());
                }
                Message::Sync(Sync::Epoch(proof)) => assert_eq!(**proof, *PROOF),
                _ => {}
            }
        }
        assert!(forwarded <= config(*AT).pool.bytes, "more waits than there is room for");
    }

    /// Remembers what was recorded as voted for, or proposed.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest says nothing of votes")]
    fn note(&mut self, record: &Record) {
        let Record::Shard(record) = record else { return };
        match &**record {
            Bft::VotedPrepare(height, view, digest) => {
                self.votes((Kind::Prepare, *height, *view), *digest);
            }
            Bft::VotedCommit(height, view, digest) => {
                self.votes((Kind::Commit, *height, *view), *digest);
            }
            Bft::OwnProposal(view, proposal) => {
                let digest = proposal.digest();
                self.votes((Kind::Proposal, proposal.header.height, *view), digest);
                self.own = Some(digest);
            }
            Bft::Body(proposal, body) if !self.blocks.contains_key(&proposal.digest()) => {
                let Ok(decoded) = Body::decode(&body.to_bytes()) else { return };
                let (view, requests) = (proposal.header.first_view, decoded.requests);
                let (mut block, sound) = self.branch.next(&requests, view);
                let follows = block.proposal.digest() == proposal.digest();
                let sound = sound && follows && requests.len() <= MOST;
                block.proposal = proposal.clone();
                self.blocks.insert(proposal.digest(), (block, sound));
            }
            _ => {}
        }
    }

    /// A vote: one a slot, and none to prepare what does not hold.
    fn votes(&mut self, slot: Slot, digest: Digest) {
        let first = *self.voted.entry(slot).or_insert(digest);
        assert_eq!(first, digest, "two votes, {slot:?}");
        let sound = self.blocks.get(&digest).is_some_and(|(_, sound)| *sound);
        assert!(sound || slot.0 != Kind::Prepare, "it prepares what does not hold");
    }

    /// What it signs is what it recorded.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is not signed")]
    fn judge(&self, message: &byzcoin::MessageOf<votes::CosiVotes>) {
        let (slot, digest) = match message {
            Said::Votes(votes::Message::Single(single)) => {
                let said = single.statement;
                ((said.kind, said.height, said.view), said.digest)
            }
            Said::Propose(propose) if propose.signer == PLACE => {
                let proposal = &propose.proposal;
                ((Kind::Proposal, proposal.header.height, propose.view), proposal.digest())
            }
            _ => return,
        };
        assert_eq!(self.voted.get(&slot), Some(&digest), "it signs what it did not record");
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest changes nothing")]
    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Committed { shard, block, view, verdicts, body, certificate } => {
                let tip = self.validator.timeline().expect("it has its seat").tip().index;
                assert!((*shard, *block) <= (SHARD, tip), "a block that is not there");
                let known = self.committed.get(self.told).copied();
                let found = match known {
                    Some(digest) => digest,
                    None => self.decided(body, *view, certificate),
                };
                let (made, sound) = self.blocks.get(&found).expect("a block that somebody made");
                assert!(*sound, "it commits what does not hold");
                assert_eq!((made.header.index, &made.body), (*block, body), "another block");
                assert_eq!(&made.verdicts, verdicts, "other words");
                self.told = self.told.wrapping_add(1);
                if known.is_none() {
                    let made = made.clone();
                    let decision = self.branch.decide(&made, *view, &OTHERS);
                    self.branch.push(&made, decision);
                    self.committed.push(found);
                    verdicts.iter().for_each(|verdict| self.books.enter(verdict));
                }
            }
            Event::Refused { session, refusal, .. } => self.books.allows(*session, *refusal),
            Event::Unsound { .. } => {
                let bad = self.blocks.values().any(|(_, sound)| !sound);
                assert!(bad, "nobody decided what does not hold");
                self.unsound = true;
            }
            _ => {}
        }
    }

    /// Which block this quorum decided.
    fn decided(&self, body: &[u8], view: View, certificate: &cosi::Certificate) -> Digest {
        let height = Height::new(self.branch.height().wrapping_add(1));
        let roster = REALM.roster(SHARD);
        let is = |(digest, (block, _)): &(&Digest, &(Block, bool))| {
            let vote = self.branch.scope().statement(Kind::Commit, height, view, **digest);
            let vote = cosi::Statement::to_signed(&vote);
            block.body == body && certificate.verify(roster, &vote, &cosi::Policy::Quorum).is_ok()
        };
        let found = self.blocks.iter().find(is);
        *found.expect("it commits what no quorum decided").0
    }

    /// Starts the validator again, from the bytes that it stored.
    fn restart(&mut self) {
        let records = self.journal.iter().map(|bytes| Record::decode(bytes).expect("as written"));
        let mut cx = Cx::new(self.now, &mut self.rng);
        let restored = Validator::restore(config(*AT), records, &mut cx);
        let (validator, step) = restored.expect("its own journal");
        (self.validator, self.crashes, self.told, self.unsound) = (validator, false, 0, false);
        self.take(step);
        assert_eq!(self.told, self.committed.len(), "blocks are forgotten");
    }

    /// A quorum decides a block that holds: the validator commits it.
    fn end(mut self) {
        self.crashes = false;
        if self.unsound {
            return;
        }
        let before = self.committed.len();
        self.draft = vec![6];
        self.say(2);
        self.draft.clear();
        self.say(2);
        assert!(self.unsound || self.committed.len() > before, "what is decided is not committed");
    }
}

/// One of the others.
fn other(at: u8) -> Peer {
    let place = OTHERS.get(usize::from(at % 3)).copied().unwrap_or_default();
    Peer::Validator(REALM.peer(SHARD, place))
}
