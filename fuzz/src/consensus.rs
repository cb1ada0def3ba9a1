//! Four replicas on a network that does its worst, with crashes. All members are honest, but what
//! the last one says may be corrupted, which is as if it were not.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use byzcoin::{
    Command, Config, Decision, Digest, Event, EventOf, Height, Kind, Limits, MessageOf, RecordOf,
    Replica, Statement, Timing, View,
    message::Message,
    votes::{self, CosiVotes},
};
use cosi::{
    challenge::ChallengeId,
    domain::BYZCOIN,
    keys::PeerId,
    machine::{Cx, Fault, StepOf, Time},
    message::Message as Speech,
    wire::{BoundedBytes, Wire},
};
use rand_chacha::ChaCha20Rng;

use crate::{
    actions::Actions,
    town::{ROSTER, SIZE, key, member, receives, rng},
};

type Machine = Replica<CosiVotes>;
type Said = MessageOf<CosiVotes>;

/// The most messages on their way. The oldest is lost to make room.
const IN_FLIGHT: usize = 256;
/// Whose messages are corrupted.
const CORRUPTED: u16 = 3;
/// How many blocks there is payload for.
const BUSY: u64 = 2;

/// Each byte is an action; a corruption takes the next one as its place.
///
/// # Panics
/// When two replicas decide differently, or one twice; when one signs, or records that it signs,
/// two things of one kind, height and view; when anyone is convicted, or blamed for more than
/// what was corrupted on its way; when not all is decided although all messages arrive.
pub fn byzcoin(input: &[u8]) {
    let world = run(input, |_| false);
    world.end();
}

fn run(input: &[u8], loses: fn(&RecordOf<CosiVotes>) -> bool) -> World {
    let (mut world, mut actions) = (World::new(loses), Actions::new(input));
    (0..SIZE).for_each(|at| world.offer(at));
    while let Some((kind, detail)) = actions.next() {
        let place = if kind == 3 { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let (all, tick) = (7 << 5, 4 << 5);
    let seeds: [(&str, Vec<u8>); 7] = [
        ("nothing", vec![]),
        ("decided", vec![all; 8]),
        (
            "silent-leader",
            [&[0x20; 12][..], &[tick | 1, tick | 2, tick | 3].repeat(16), &[all; 8]].concat(),
        ),
        ("crash", vec![all, 0xa1, all, 0xa6, all, tick | 1, all, 0xa0, all, all]),
        ("forgetful", [&[0xa0, 0xa1, 0xa2, 0xa3, 0, 0, 0, tick][..], &[all; 4]].concat()),
        ("corrupt", [&[0, 0x60, 200, 0, 0x61, 10].repeat(8)[..], &[all; 4]].concat()),
        ("twice", [&[0x40, 0x41, 0, 0, 0, 0x42, 0x43, 0, 0, 0xc1][..], &[all; 4]].concat()),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// A message on its way.
#[derive(Clone)]
struct Sent {
    from: u16,
    to: u16,
    bytes: Vec<u8>,
    corrupted: bool,
}

struct Node {
    replica: Machine,
    journal: Vec<Vec<u8>>,
    /// How often it has started: it proposes another block each time.
    lives: u8,
    /// Whether it crashes at its next records, and whether it has stored them by then.
    crashes: Option<bool>,
    decided: u64,
}

/// What is signed once: by whom, what kind, where.
type Slot = (u16, Kind, Height, View);

struct World {
    now: Time,
    rng: ChaCha20Rng,
    nodes: BTreeMap<u16, Node>,
    /// At most [`IN_FLIGHT`].
    queue: Vec<Sent>,
    chain: BTreeMap<Height, Digest>,
    signed: BTreeMap<Slot, Digest>,
    /// What was recorded as voted for.
    voted: BTreeMap<Slot, Digest>,
    challenges: BTreeMap<ChallengeId, Statement>,
    /// Whom a corrupted message reached.
    corrupted: BTreeSet<u16>,
    /// What the disks lose.
    loses: fn(&RecordOf<CosiVotes>) -> bool,
}

impl World {
    fn new(loses: fn(&RecordOf<CosiVotes>) -> bool) -> Self {
        let (now, mut rng) = (Time::default(), rng(10));
        let nodes = (0..SIZE).map(|at| {
            let fresh = Machine::restore(config(at), [], &mut Cx::new(now, &mut rng));
            let (replica, _) = fresh.expect("the member's own key");
            let node = Node { replica, journal: Vec::new(), lives: 0, crashes: None, decided: 0 };
            (at, node)
        });
        Self {
            now,
            nodes: nodes.collect(),
            rng,
            queue: Vec::new(),
            chain: BTreeMap::new(),
            signed: BTreeMap::new(),
            voted: BTreeMap::new(),
            challenges: BTreeMap::new(),
            corrupted: BTreeSet::new(),
            loses,
        }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        let (at, one) =
            (usize::from(detail).checked_rem(self.queue.len()), u16::from(detail) % SIZE);
        match (kind, at) {
            (0, Some(at)) => {
                let sent = self.queue.remove(at);
                self.deliver(sent);
            }
            (1, Some(at)) => drop(self.queue.remove(at)),
            (2, Some(at)) => {
                if let Some(sent) = self.queue.get(at).cloned() {
                    self.post(sent);
                }
            }
            (3, Some(at)) => self.corrupt(at, place),
            (4, _) => self.tick(one),
            (5, _) if detail >= 16 => self.restart(one),
            (5, _) => self.node(one).crashes = Some(detail & 4 > 0),
            (6, _) => self.now = self.now.after(Duration::from_millis(u64::from(detail) << 6)),
            (7, _) => self.settle(32),
            _ => {}
        }
    }

    fn node(&mut self, at: u16) -> &mut Node {
        self.nodes.get_mut(&at).expect("there are four")
    }

    /// Has one replica do something.
    fn does(&mut self, at: u16, act: impl FnOnce(&mut Machine, &mut Cx<'_>) -> StepOf<Machine>) {
        let Some(node) = self.nodes.get_mut(&at) else { return };
        let step = act(&mut node.replica, &mut Cx::new(self.now, &mut self.rng));
        self.take(at, step);
    }

    fn commands(&mut self, at: u16, command: Command) {
        self.does(at, |replica, cx| {
            replica.handle_command(cx, command).unwrap_or(StepOf::<Machine>::none())
        });
    }

    /// Tells a replica that payload waits, if some does at its height.
    fn offer(&mut self, at: u16) {
        if self.node(at).replica.height().get() <= BUSY {
            self.commands(at, Command::Pending);
        }
    }

    /// Lets the time of a replica's next timeout come.
    fn tick(&mut self, at: u16) {
        let Some(next) = self.node(at).replica.next_timeout() else { return };
        self.now = self.now.max(next);
        self.does(at, Machine::handle_timeout);
        let (next, now) = (self.node(at).replica.next_timeout(), self.now);
        assert!(next.is_none_or(|next| next > now), "a deadline that does not advance");
    }

    /// Starts a replica again, from the bytes that it stored.
    fn restart(&mut self, at: u16) {
        let node = self.nodes.get_mut(&at).expect("there are four");
        let records = node.journal.iter().map(|bytes| Wire::decode(bytes).expect("as written"));
        let mut cx = Cx::new(self.now, &mut self.rng);
        let restored = Machine::restore(config(at), records, &mut cx);
        let (replica, step) = restored.expect("its own journal");
        (node.replica, node.crashes, node.decided) = (replica, None, 0);
        node.lives = node.lives.wrapping_add(1);
        self.take(at, step);
        self.offer(at);
    }

    /// Flips one bit of what the last member says.
    fn corrupt(&mut self, at: usize, place: u8) {
        let theirs = self.queue.iter_mut().filter(|sent| sent.from == CORRUPTED);
        let mut theirs: Vec<_> = theirs.collect();
        let Some(at) = at.checked_rem(theirs.len()) else { return };
        let Some(sent) = theirs.get_mut(at) else { return };
        let byte = usize::from(place).wrapping_mul(sent.bytes.len()).wrapping_shr(8);
        if let Some(byte) = sent.bytes.get_mut(byte) {
            *byte ^= 1_u8.wrapping_shl(place.into());
            sent.corrupted = true;
        }
    }

    fn deliver(&mut self, Sent { from, to, bytes, corrupted }: Sent) {
        let Ok(message) = Said::decode(&bytes) else {
            assert!(corrupted, "what an honest member sent does not decode");
            return;
        };
        if corrupted {
            self.corrupted.insert(to);
        }
        self.does(to, |replica, cx| replica.handle_message(cx, peer(from), message));
    }

    fn take(&mut self, at: u16, step: StepOf<Machine>) {
        let (records, held) = step.into_records();
        let crashes = self.node(at).crashes.filter(|_| !records.is_empty());
        if crashes != Some(false) {
            for record in &records {
                self.note_record(at, record);
            }
            let kept = records.iter().filter(|record| !(self.loses)(record)).map(Wire::encode);
            let kept: Vec<_> = kept.collect();
            self.node(at).journal.extend(kept);
        }
        if crashes.is_some() {
            return self.restart(at);
        }
        let output = held.release();
        for (to, message) in output.messages {
            self.note(at, &message);
            let bytes = message.encode();
            for other in (0..SIZE).filter(|other| *other != at && receives(&to, peer(*other))) {
                self.post(Sent { from: at, to: other, bytes: bytes.clone(), corrupted: false });
            }
        }
        output.faults.iter().for_each(|fault| self.excuse(at, fault));
        for event in output.events {
            self.on_event(at, event);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest asks for nothing")]
    fn on_event(&mut self, at: u16, event: EventOf<CosiVotes>) {
        match event {
            Event::Propose { height, view, .. } => {
                let body = vec![at.to_le_bytes()[0], self.node(at).lives];
                let body = BoundedBytes::new(body).expect("two bytes");
                let app = BoundedBytes::default();
                self.commands(at, Command::Propose { height, view, app, body });
            }
            Event::Validate { digest, .. } => {
                self.commands(at, Command::Validated { digest, valid: true });
            }
            Event::Decided { block, view, certificate } => {
                let (height, digest) = (block.proposal.header.height, block.proposal.digest());
                let decision = Decision { block, view, certificate };
                assert!(decision.verify::<CosiVotes>(&config(at).scope(), &ROSTER), "no decision");
                assert_eq!(*self.chain.entry(height).or_insert(digest), digest, "a fork");
                let node = self.node(at);
                node.decided = node.decided.wrapping_add(1);
                assert_eq!(node.decided, height.get(), "heights come in order");
                self.offer(at);
            }
            Event::Forward => (0..SIZE).for_each(|other| self.offer(other)),
            _ => {}
        }
    }

    /// Remembers what was recorded as voted for: one thing a slot.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest says nothing of votes")]
    fn note_record(&mut self, at: u16, record: &RecordOf<CosiVotes>) {
        use byzcoin::Record::{OwnProposal, VotedCommit, VotedPrepare};
        let (kind, height, view, digest) = match record {
            VotedPrepare(height, view, digest) => (Kind::Prepare, *height, *view, *digest),
            VotedCommit(height, view, digest) => (Kind::Commit, *height, *view, *digest),
            OwnProposal(view, proposal) => {
                (Kind::Proposal, proposal.header.height, *view, proposal.digest())
            }
            _ => return,
        };
        let first = *self.voted.entry((at, kind, height, view)).or_insert(digest);
        assert_eq!(first, digest, "{at} records two votes");
    }

    /// Remembers what was signed: by each member one thing a slot.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is not signed, or is another's")]
    fn note(&mut self, at: u16, message: &Said) {
        let scope = config(at).scope();
        let statement = match message {
            Message::Propose(propose) => propose.statement(&scope),
            Message::ViewChange(change) if change.change.signer == at => change.statement(&scope),
            Message::Votes(votes::Message::Single(single)) => single.statement,
            Message::Votes(votes::Message::Collective(Speech::Challenge(said, _))) => {
                let challenge = &said.what;
                let Some(bytes) = challenge.statement.strip_prefix(&BYZCOIN[..]) else { return };
                let statement = Statement::decode(bytes).expect("a replica signs statements");
                self.challenges.insert(challenge.id(), statement);
                statement
            }
            Message::Votes(votes::Message::Collective(Speech::Response(said))) => {
                *self.challenges.get(&said.what.challenge).expect("a challenge that was sent")
            }
            _ => return,
        };
        if matches!(message, Message::Propose(propose) if propose.signer != at) {
            return; // another's, passed on
        }
        let Statement { kind, height, view, digest, .. } = statement;
        let first = *self.signed.entry((at, kind, height, view)).or_insert(digest);
        assert_eq!(first, digest, "{at} signs two statements");
    }

    /// The member whose messages are corrupted answers for them, and nobody for anything else.
    fn excuse(&self, at: u16, fault: &Fault<PeerId>) {
        let heard = fault.culprit == peer(CORRUPTED) && self.corrupted.contains(&at);
        assert!(heard && fault.evidence.is_none(), "{at} blames an honest member: {fault:?}");
    }

    fn post(&mut self, sent: Sent) {
        if self.queue.len() >= IN_FLIGHT {
            self.queue.remove(0);
        }
        self.queue.push(sent);
    }

    /// Delivers what is on its way and what follows, in order, so many messages at most.
    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            if self.queue.is_empty() {
                return;
            }
            let sent = self.queue.remove(0);
            self.deliver(sent);
        }
    }

    /// The network heals, and nobody crashes any more: all of them decide all there is.
    fn end(mut self) {
        self.queue.retain(|sent| !sent.corrupted);
        self.nodes.values_mut().for_each(|node| node.crashes = None);
        for _ in 0..400 {
            self.settle(2000);
            if self.nodes.values().all(|node| node.decided >= BUSY) {
                return;
            }
            let due = self
                .nodes
                .iter()
                .filter_map(|(at, node)| Some((node.replica.next_timeout()?, *at)));
            let Some((_, at)) = due.min() else { break };
            self.tick(at);
        }
        let decided: Vec<_> = self.nodes.values().map(|node| node.decided).collect();
        unreachable!("all is sound, all arrives, and not all is decided: {decided:?}")
    }
}

fn peer(at: u16) -> PeerId {
    ROSTER.peer(member(at)).expect("a member")
}

fn config(at: u16) -> Config<votes::Config> {
    Config {
        chain: [1; 32],
        epoch: 1,
        roster: ROSTER.clone(),
        me: member(at),
        genesis: [9; 32],
        votes: votes::Config { key: key(at).clone(), timing: votes::Timing::default() },
        timing: Timing {
            first_timeout: Duration::from_secs(10),
            longest_timeout: Duration::from_secs(1000),
            pull_after: Duration::from_secs(1),
        },
        limits: Limits { max_body: 1000, history: 8, candidates: 4 },
        rotation: 16,
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// What the seeds are called is what happens.
    #[test]
    fn seeds_reach_decisions_view_changes_and_crashes() {
        let reached = |name: &str| {
            let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
            run(&input, |_| false)
        };
        assert!(reached("nothing").chain.is_empty());
        assert_eq!(reached("decided").chain.len(), 2);
        assert!(
            reached("silent-leader")
                .signed
                .keys()
                .any(|(_, kind, _, view)| { *kind == Kind::Prepare && *view > View::ZERO })
        );
        for crash in ["crash", "forgetful"] {
            assert!(reached(crash).nodes.values().any(|node| node.lives > 0), "{crash}");
        }
        assert!(!reached("corrupt").corrupted.is_empty());
    }

    /// A disk that loses votes makes members contradict themselves, and it is seen.
    #[test]
    fn lost_votes_are_noticed() {
        let all = 7 << 5;
        // Everybody votes, all crash with their votes lost, and the leader proposes once more.
        let input = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb0, 0xb1, 0xb2, 0xb3, all, all, all];
        let loses = |record: &RecordOf<CosiVotes>| {
            use byzcoin::Record::{OwnProposal, VotedPrepare};
            matches!(record, VotedPrepare(..) | OwnProposal(..))
        };
        assert!(catch_unwind(|| drop(run(&input, loses))).is_err());
        drop(run(&input, |_| false));
    }
}
