//! Votes that a leader gathers into one collective signature, or counts one by one.
//!
//! The leader runs cosi over a star: members commit to nonces when they have voted, answer one
//! challenge, and send the nonces for the next statement along. What cosi cannot finish in
//! [`Timing::individual_after`] is finished without it:
//!
//! - *Upon* `Vote`: cosign the statement for its leader; and if it stays undecided, send the
//!   leader a single signature, again and again with back-off.
//! - *Upon* `Open` and the own vote: have the statement cosigned.
//! - *Upon* a collective signature, or single ones of weight ≥ q: it is certified. The two forms
//!   never add up.
//! - *Upon* two single votes of one member, of one kind, height and view: convict it.
//! - *Upon* `Drop` for a later view: forget the leaders before it, and the nonces for them.
//!
//! Nothing is kept across a crash. A restored replica votes again, and cosi starts anew.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    vec::Vec,
};
use core::{convert::Infallible, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Certificate, Cosigner, Leader, Policy, Statement as _, certificate, cosigner,
    domain::BYZCOIN,
    impl_machine,
    keys::{Batch, Signature, SigningKey},
    leader,
    machine::{self, Cx, Evidence, Fault, FaultKind, Index, Time, To},
    mask::Mask,
    message::Message as CosiMessage,
    roster::Roster,
    session::Digest as Name,
    wire::Wire,
};

use super::{Command, Event, Votes};
use crate::{
    evidence,
    statement::{Height, Kind, Statement, View},
};

type Step = machine::Step<Message, Event<Certificate>>;

/// How a member votes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The member's key.
    pub key: Arc<SigningKey>,
    /// How long votes wait for one another.
    pub timing: Timing,
}

/// How long votes wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a leader waits for cosigners.
    pub collective: leader::Timing,
    /// After how long without a decision a member sends its single vote; the time doubles with
    /// each repetition. Longer than a round of cosi with a retry, shorter than a view; at least
    /// a nanosecond.
    pub individual_after: Duration,
}

impl Default for Timing {
    /// For a wide area network.
    fn default() -> Self {
        Self { collective: leader::Timing::default(), individual_after: Duration::from_secs(3) }
    }
}

/// What voters and a leader say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[expect(clippy::large_enum_variant, reason = "as large as what cosigners say")]
pub enum Message {
    /// In the course of cosigning.
    Collective(CosiMessage),
    /// One member's vote, as an individual certificate holds it.
    Single(Single),
}

/// One member's vote by itself.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Single {
    /// What it votes for.
    pub statement: Statement,
    /// Who votes.
    pub signer: u16,
    /// The signature, as [`certificate::sign`] makes it.
    pub signature: Signature,
}

/// Collective votes over a star, with the individual fallback.
#[derive(Debug)]
pub struct CosiVotes {
    roster: Roster,
    me: Index,
    key: Arc<SigningKey>,
    individual_after: Duration,
    leader: Leader,
    cosigner: Cosigner,
    /// What this member collects: one for each `Open` since the last `Drop`.
    ballots: BTreeMap<Statement, Ballot>,
    /// What this member votes for: one for each `Vote` since the last `Drop`.
    cast: BTreeMap<Statement, Cast>,
    /// The last single vote of each member and kind, to hold the next one against.
    heard: BTreeMap<(Index, Kind), (Statement, Signature)>,
    /// At most one entry for each member and kind.
    blamed: BTreeSet<(Index, FaultKind)>,
}

#[derive(Debug, Default)]
struct Ballot {
    /// Whether cosi has been asked.
    announced: bool,
    /// At most one a member.
    singles: BTreeMap<Index, Signature>,
    certificate: Option<Certificate>,
}

#[derive(Debug)]
struct Cast {
    leader: Index,
    /// When to vote singly, and how long to wait after that.
    due: Time,
    pause: Duration,
    /// Whether the single vote has been sent.
    said: bool,
}

impl_machine! {
    CosiVotes {
        Peer = Index, Message = Message, Command = Command, Event = Event<Certificate>,
        Record = Infallible, Error = Infallible
    }
}

impl Votes for CosiVotes {
    type Config = Config;
    type Signature = Signature;
    type Certificate = Certificate;

    fn new(config: Config, roster: &Roster, me: Index) -> Option<Self> {
        let Config { key, timing } = config;
        let mut leads = leader::Config::new(roster.clone(), me, key.clone());
        // Members send single votes by themselves.
        leads.timing = leader::Timing { individual: None, ..timing.collective };
        Some(Self {
            leader: Leader::new(leads).ok()?,
            cosigner: Cosigner::new(cosigner::Config::new(roster.clone(), me, key.clone())).ok()?,
            roster: roster.clone(),
            me,
            key,
            individual_after: timing.individual_after.max(Duration::from_nanos(1)),
            ballots: BTreeMap::new(),
            cast: BTreeMap::new(),
            heard: BTreeMap::new(),
            blamed: BTreeSet::new(),
        })
    }

    fn sign(&self, statement: &Statement) -> Signature {
        self.key.sign(&BYZCOIN, &statement.encode())
    }

    fn verify_signature(
        roster: &Roster,
        signer: Index,
        statement: &Statement,
        signature: &Signature,
    ) -> bool {
        roster.verify(signer, &BYZCOIN, &statement.encode(), signature)
    }

    fn verify_signatures<'a>(
        roster: &Roster,
        mut signed: impl Iterator<Item = (Index, Statement, &'a Signature)>,
    ) -> bool {
        let mut batch = Batch::new();
        signed.all(|(signer, said, signature)| {
            let key = roster.key(signer).map(|key| key.to_bytes());
            key.map(|key| batch.add(key, &BYZCOIN, &said.encode(), signature)).is_some()
        }) && batch.verify()
    }

    fn verify_certificate(
        roster: &Roster,
        statement: &Statement,
        certificate: &Certificate,
    ) -> bool {
        certificate.verify(roster, &statement.to_signed(), &Policy::Quorum).is_ok()
    }

    fn plain(signature: &Signature) -> Option<Signature> {
        Some(*signature)
    }
}

impl CosiVotes {
    /// Does what the replica asks.
    pub fn handle_command(
        &mut self,
        cx: &mut Cx<'_>,
        command: Command,
    ) -> Result<Step, Infallible> {
        Ok(match command {
            Command::Open { statement } => self.open(cx, statement),
            Command::Vote { statement, leader } => self.vote(cx, statement, leader),
            Command::Drop { before } => self.drop_before(cx, before),
        })
    }

    /// Takes in what `from` said or passed on. Nothing a peer says is an error.
    pub fn handle_message(&mut self, cx: &mut Cx<'_>, from: Index, message: Message) -> Step {
        match message {
            Message::Collective(message) if message.is_for_leader() => {
                let child = self.leader.handle_message(cx, from, message);
                self.absorb_leader(child)
            }
            Message::Collective(message) if !self.is_on_a_vote(&message) => {
                self.blame(from, FaultKind::InvalidPayload, None)
            }
            Message::Collective(message) => {
                let child = self.cosigner.handle_message(cx, from, message);
                self.absorb_cosigner(cx, child)
            }
            Message::Single(single) => self.on_single(from, &single),
        }
    }

    /// Acts on the time in `cx`. Harmless when early.
    pub fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Step {
        let child = self.leader.handle_timeout(cx);
        let step = self.absorb_leader(child);
        let due = self.cast.iter().filter(|(_, cast)| cast.due <= cx.now());
        let due: Vec<_> = due.map(|(statement, _)| *statement).collect();
        due.iter().fold(step, |step, statement| step.and(self.vote_singly(cx, statement)))
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next. `None`: never.
    pub fn next_timeout(&self) -> Option<Time> {
        let cast = self.cast.values().map(|cast| cast.due).min();
        self.leader.next_timeout().into_iter().chain(cast).min()
    }

    /// *Upon* `Open`: collect.
    fn open(&mut self, cx: &mut Cx<'_>, statement: Statement) -> Step {
        let ballot = self.ballots.entry(statement).or_default();
        if let Some(certificate) = ballot.certificate.clone() {
            return Step::none().event(Event::Certified { statement, certificate });
        }
        self.announce(cx, &statement).and(self.count(&statement))
    }

    /// *Upon* `Vote`: cosign, and see to it that the vote counts even if cosigning fails.
    fn vote(&mut self, cx: &mut Cx<'_>, statement: Statement, leader: Index) -> Step {
        if self.cast.get(&statement).is_some_and(|cast| cast.said) {
            return self.say(&statement);
        }
        if statement.kind == Kind::Commit {
            self.settle_prepare(cx, &statement);
        }
        let (pause, due) = (self.individual_after, cx.now().after(self.individual_after));
        self.cast.entry(statement).or_insert(Cast { leader, due, pause, said: false });
        if leader == self.me {
            return self.announce(cx, &statement).and(self.count(&statement));
        }
        self.cosign(cx, name(&statement))
    }

    /// Lets this member cosign what it has voted for.
    fn cosign(&mut self, cx: &mut Cx<'_>, digest: Name) -> Step {
        let verdict = cosigner::Command::Validated { digest, accept: true };
        let child = self.cosigner.handle_command(cx, verdict);
        child.map_or_else(|_| Step::none(), |child| self.absorb_cosigner(cx, child))
    }

    /// A member that commits holds the prepare certificate: nobody waits for its prepare vote.
    /// Its nonces for that leader stay.
    fn settle_prepare(&mut self, cx: &mut Cx<'_>, commit: &Statement) {
        let prepare = Statement { kind: Kind::Prepare, ..*commit };
        if self.cast.remove(&prepare).is_some() {
            self.forget(cx, &prepare);
        }
    }

    /// Has cosi sign what this member both collects and votes for: the leader of a session signs
    /// it too, so it is not to be opened before the own vote is recorded.
    fn announce(&mut self, cx: &mut Cx<'_>, statement: &Statement) -> Step {
        let voted = self.cast.contains_key(statement);
        let Some(ballot) = self.ballots.get_mut(statement).filter(|b| voted && !b.announced) else {
            return Step::none();
        };
        let command =
            leader::Command::Announce { statement: statement.to_signed(), policy: Policy::Quorum };
        match self.leader.handle_command(cx, command) {
            Ok(child) => {
                ballot.announced = true;
                self.absorb_leader(child)
            }
            Err(_) => Step::none(), // too many at once: single votes will do
        }
    }

    /// Votes singly, and waits twice as long before it does so again.
    fn vote_singly(&mut self, cx: &Cx<'_>, statement: &Statement) -> Step {
        let Some(cast) = self.cast.get_mut(statement) else { return Step::none() };
        cast.pause = cast.pause.saturating_mul(2);
        (cast.due, cast.said) = (cx.now().after(cast.pause), true);
        self.say(statement)
    }

    fn say(&self, statement: &Statement) -> Step {
        let Some(Cast { leader, .. }) = self.cast.get(statement) else { return Step::none() };
        if *leader == self.me {
            return Step::none(); // counted already
        }
        let (statement, signer) = (*statement, self.me.get());
        let signature = certificate::sign(&self.key, &self.roster.id(), &statement.to_signed());
        let vote = Message::Single(Single { statement, signer, signature });
        Step::none().send(To::One(*leader), vote)
    }

    /// *Upon* a single vote: hold it against the member's last one, and count it.
    fn on_single(&mut self, from: Index, single: &Single) -> Step {
        let Single { statement, signer, signature } = single;
        if !self.is_vote(statement) {
            return self.blame(from, FaultKind::InvalidPayload, None);
        }
        let signer = self.roster.index(*signer);
        let signed = statement.to_signed();
        let Some(signer) = signer
            .filter(|signer| certificate::verify_single(&self.roster, *signer, &signed, signature))
        else {
            return self.blame(from, FaultKind::BadSignature, None);
        };
        let last = self.heard.insert((signer, statement.kind), (*statement, *signature));
        let contradicts = |(last, _): &(Statement, Signature)| {
            last != statement && Statement { digest: statement.digest, ..*last } == *statement
        };
        if let Some(last) = last.filter(contradicts) {
            let evidence = evidence::contradiction(signer, [last, (*statement, *signature)]);
            return self.blame(signer, FaultKind::Equivocation, evidence);
        }
        let Some(ballot) = self.ballots.get_mut(statement) else { return Step::none() };
        ballot.singles.insert(signer, *signature);
        self.count(statement)
    }

    /// *Upon* single votes of weight ≥ q: they are a certificate.
    fn count(&mut self, statement: &Statement) -> Step {
        let voted = self.cast.contains_key(statement);
        let Some(ballot) = self.ballots.get_mut(statement) else { return Step::none() };
        if ballot.certificate.is_some() || ballot.singles.is_empty() {
            return Step::none();
        }
        if voted && !ballot.singles.contains_key(&self.me) {
            let own = certificate::sign(&self.key, &self.roster.id(), &statement.to_signed());
            ballot.singles.insert(self.me, own);
        }
        let voters = Mask::of(self.roster.size(), ballot.singles.keys().map(|index| index.get()));
        if self.roster.weight_of(&voters) < self.roster.quorum() {
            return Step::none();
        }
        let singles = ballot.singles.iter().map(|(index, signature)| (*index, *signature));
        let Some(certificate) = Certificate::individual(&self.roster, singles) else {
            return Step::none();
        };
        self.certified(*statement, certificate)
    }

    fn certified(&mut self, statement: Statement, certificate: Certificate) -> Step {
        let Some(ballot) = self.ballots.get_mut(&statement).filter(|b| b.certificate.is_none())
        else {
            return Step::none();
        };
        ballot.certificate = Some(certificate.clone());
        Step::none().event(Event::Certified { statement, certificate })
    }

    /// *Upon* `Drop`: forget what comes before. Who led a height to its end may lead the next,
    /// with the nonces that are there; who lost its view does not.
    fn drop_before(&mut self, cx: &mut Cx<'_>, before: (Height, View)) -> Step {
        let old = |statement: &Statement| (statement.height, statement.view) < before;
        let deposed = self.cast.iter().filter(|(s, _)| before.1 > View::ZERO && old(s));
        let deposed: BTreeSet<_> = deposed.map(|(_, cast)| cast.leader).collect();
        let gone: BTreeSet<_> =
            self.cast.keys().chain(self.ballots.keys()).filter(|s| old(s)).copied().collect();
        for statement in &gone {
            self.cast.remove(statement);
            self.ballots.remove(statement);
            self.forget(cx, statement);
        }
        for leader in deposed {
            let _ = self.cosigner.handle_command(cx, cosigner::Command::Drop { leader });
        }
        Step::none()
    }

    /// Has cosi forget a statement. There is nothing that it could refuse, or have to say.
    fn forget(&mut self, cx: &mut Cx<'_>, statement: &Statement) {
        let digest = name(statement);
        let _ = self.cosigner.handle_command(cx, cosigner::Command::Forget { digest });
        let _ = self.leader.handle_command(cx, leader::Command::Abandon { digest });
    }

    fn absorb_leader(&mut self, child: leader::Step) -> Step {
        let mut step = Step::none();
        let events = step.absorb(child, Message::Collective, |never| match never {});
        for event in events {
            let leader::Event::Signed { digest, signature, .. } = event else { continue };
            let signed = self.ballots.keys().find(|statement| name(statement) == digest);
            if let Some(statement) = signed.copied() {
                step = step.and(self.certified(statement, Certificate::Collective(signature)));
            }
        }
        step
    }

    /// A statement that cosi asks about waits until this member votes for it. It has done so
    /// when the vote came between two calls for nonces, and answered the first.
    fn absorb_cosigner(&mut self, cx: &mut Cx<'_>, child: cosigner::Step) -> Step {
        let mut step = Step::none();
        let events = step.absorb(child, Message::Collective, |never| match never {});
        for event in events {
            let cosigner::Event::Validate { digest, .. } = event else { continue };
            let votes = self.cast.iter().filter(|(_, cast)| cast.leader != self.me);
            if votes.into_iter().any(|(statement, _)| name(statement) == digest) {
                step = step.and(self.cosign(cx, digest));
            }
        }
        step
    }

    /// Whether such a statement is voted on by this roster.
    fn is_vote(&self, statement: &Statement) -> bool {
        let votes = matches!(statement.kind, Kind::Prepare | Kind::Commit);
        votes && statement.roster == self.roster.id()
    }

    /// Whether what a leader wants cosigned is a vote. Nothing else is kept.
    fn is_on_a_vote(&self, message: &CosiMessage) -> bool {
        let Some(statement) = message.statement() else { return true };
        let encoded = statement.strip_prefix(&BYZCOIN[..]);
        let statement = encoded.and_then(|bytes| Statement::decode(bytes).ok());
        statement.is_some_and(|statement| self.is_vote(&statement))
    }

    fn blame(&mut self, culprit: Index, kind: FaultKind, evidence: Option<Evidence>) -> Step {
        if self.blamed.insert((culprit, kind)) {
            Step::none().fault(Fault { culprit, kind, evidence })
        } else {
            Step::none()
        }
    }
}

fn name(statement: &Statement) -> Name {
    Name::of(&statement.to_signed())
}
