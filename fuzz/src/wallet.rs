//! A wallet that hears anything from the validators of two shards.

mod answers;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use atomix::{Action, Outcome, Session};
use cosi::{
    keys::PeerId,
    machine::{Cx, Fault, FaultKind, Time, To},
    wire::Wire,
};
use omniledger::{
    Message, Peer, Refusal, Stranger, Wallet,
    message::{Guest, MAX_SUBMIT_BYTES, Request, Sync},
    wallet::{Command, Config, Event, Reason, Record, Step},
};
use rand_chacha::ChaCha20Rng;

use self::answers::{Next, honest};
use crate::{
    actions::Actions,
    realm::{GENESIS, REALM, RULES, Truth, number, payment, truth},
    town::{SIZE, rng},
};

/// Each byte is an action: what is asked, what comes in, what crashes. Whoever answers makes up
/// its answer from what is true and what is not.
///
/// # Panics
/// When a payment counts as committed that is not, or without a receipt that convinces a stranger;
/// when one is given up that no shard rejected and that not two validators of each shard that
/// holds an input refuse for good; when its fate changes, or is forgotten in a crash; when what
/// goes out was not paid for, or is not proven; when who told the truth alone is blamed; when not
/// all is as it is once all validators are honest.
pub fn wallet(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let place = if kind == 1 || (kind == 5 && detail & 8 > 0) { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let [pay, say, refuse, answer, pass, epoch, crash, honest] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|kind: u8| kind << 5);
    let begin = [epoch | 16, pass, honest];
    let spent = |at: u8| [refuse | 3, answer | at];
    let seeds: [(&str, Vec<u8>); 10] = [
        ("nothing", vec![]),
        ("committed", [&begin[..], &[pay, pay | 1, pay | 7], &[pass, honest].repeat(4)].concat()),
        ("rejected", [&begin[..], &[pay | 2], &[pass, honest].repeat(4)].concat()),
        ("refused", [&[pay | 3][..], &begin, &spent(0), &spent(0), &spent(4), &spent(1)].concat()),
        ("follows", [&[pay | 1, pay | 4][..], &begin, &[pass, honest].repeat(6)].concat()),
        (
            "orphaned",
            [
                &[pay | 5, pay | 6][..],
                &begin,
                &[refuse | 5, answer, refuse | 5, answer | 1],
                &[refuse | 5, answer | 4, crash, refuse | 5, answer | 5],
                &[refuse | 5, answer, refuse | 5, answer | 1, refuse | 5, answer | 4],
            ]
            .concat(),
        ),
        (
            "lies",
            [
                &[pay | 5, pay | 3][..],
                &begin,
                &[say | 16, 255, answer, say | 17, 255, answer | 4, say | 19, 255, answer],
                &[say | 1, 5, answer | 1, say | 20, 255, answer | 5, say | 23, 255, answer | 2],
                &[say, 255, answer | 8 | 2, say, 0, answer | 16, answer | 24],
            ]
            .concat(),
        ),
        ("false-epochs", vec![pay, pass, epoch | 8, 100, pass, epoch | 9, 3, epoch | 4, pass]),
        (
            "crash",
            [
                &[pay, pay | 1, crash | 1, pay | 2, crash, crash | 1][..],
                &begin,
                &[crash | 1, pass, honest, crash, pass, crash | 1, honest, pass, honest, crash],
                &[pass, honest, pass, crash | 1, honest, pass, honest, crash, pass, honest],
                &[pass, honest, crash],
            ]
            .concat(),
        ),
        (
            "delayed",
            [
                &[pay | 5][..],
                &begin,
                &[refuse | 29, answer | 4, refuse | 29, answer | 5, pass, honest],
            ]
            .concat(),
        ),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

/// How a payment ended, as the owner was told.
type Fate = Option<Reason>;

struct World {
    now: Time,
    rng: ChaCha20Rng,
    wallet: Wallet,
    journal: Vec<Vec<u8>>,
    /// Whether the next records are lost, and the wallet with them.
    crashes: bool,
    /// What the next answer says.
    next: Next,
    paid: BTreeSet<u8>,
    fates: BTreeMap<u8, Fate>,
    /// Which validators of which shard refused a payment for a reason, since the last start.
    refused: BTreeMap<(u8, u16, Refusal), BTreeSet<PeerId>>,
    /// Questions that nobody has answered: the latest [`OPEN`].
    asked: Vec<(Peer, Message)>,
    liars: BTreeSet<Peer>,
    /// Who spoke for a shard that is not its own.
    misplaced: BTreeSet<Peer>,
    /// Which payments the wallet said it waits for in vain.
    delayed: BTreeSet<u8>,
    stranger: Stranger,
}

/// How many questions are remembered.
const OPEN: usize = 16;

impl World {
    fn new() -> Self {
        let (now, mut rng) = (Time::default(), rng(11));
        let fresh = Wallet::restore(config(), [], &mut Cx::new(now, &mut rng));
        Self {
            now,
            wallet: fresh.expect("a sound genesis").0,
            rng,
            journal: Vec::new(),
            crashes: false,
            next: Next::new(),
            paid: BTreeSet::new(),
            fates: BTreeMap::new(),
            refused: BTreeMap::new(),
            asked: Vec::new(),
            liars: BTreeSet::new(),
            misplaced: BTreeSet::new(),
            delayed: BTreeSet::new(),
            stranger: Stranger::new(&GENESIS, &REALM.proof).expect("a sound epoch"),
        }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        match kind {
            0 => self.pay(detail),
            1 => self.next.say(detail, place),
            2 => self.next.refuse(detail),
            3 => self.answer(detail),
            4 => self.pass(detail),
            5 => self.tell_epoch(detail, place),
            6 if detail & 1 > 0 => self.crashes = true,
            6 => self.restart(),
            _ => self.answer_honestly(),
        }
    }

    fn pay(&mut self, detail: u8) {
        let payment = payment(detail);
        self.paid.extend(number(payment.session()));
        self.does(|wallet, cx| {
            let paid = Command::Pay(Box::new(payment.transaction().clone()));
            wallet.handle_command(cx, paid).unwrap_or(Step::none())
        });
    }

    fn pass(&mut self, detail: u8) {
        let due = self.wallet.next_timeout().filter(|_| detail == 0);
        let later = self.now.after(Duration::from_secs(detail.into()));
        self.now = self.now.max(due.unwrap_or(later));
        self.does(Wallet::handle_timeout);
        let next = self.wallet.next_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a deadline that does not advance");
    }

    /// A validator says how the epoch came about, asked or not, and perhaps with a bit flipped.
    fn tell_epoch(&mut self, detail: u8, place: u8) {
        let mut bytes = REALM.proof.encode();
        let is_true = detail & 8 == 0;
        if !is_true {
            let at = usize::from(place).wrapping_mul(bytes.len()).wrapping_shr(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1_u8.wrapping_shl(place.into()));
        }
        let Ok(proof) = Wire::decode(&bytes) else { return };
        let message = Message::Sync(Sync::Epoch(Box::new(proof)));
        let all: Vec<_> = (0..2).flat_map(|shard| (0..SIZE).map(move |at| (shard, at))).collect();
        let who = all.get(usize::from(detail & 7)).map(|(shard, at)| REALM.peer(*shard, *at));
        let from = Peer::Validator(who.expect("eight validators"));
        if !is_true {
            self.liars.insert(from);
        }
        self.hears(from, &message);
    }

    /// Somebody answers what was made up.
    fn answer(&mut self, detail: u8) {
        let (shard, at) = (u16::from(detail.wrapping_shr(2) & 1), u16::from(detail & 3));
        let peer = REALM.peer(shard, at);
        let spoken = if detail & 8 > 0 { shard ^ 1 } else { shard };
        let (answer, is_true) = self.next.take(spoken);
        let from = if detail & 16 > 0 { Peer::Guest(7) } else { Peer::Validator(peer) };
        if spoken != shard {
            self.misplaced.insert(from);
        }
        if !is_true {
            self.liars.insert(from);
        }
        self.hears(from, &Message::Guest(Guest::Answer(answer)));
    }

    /// Whoever was asked answers as it should.
    fn answer_honestly(&mut self) {
        for (peer, question) in core::mem::take(&mut self.asked) {
            if let Some(answer) = honest(&question) {
                self.hears(peer, &answer);
            }
        }
    }

    fn hears(&mut self, from: Peer, message: &Message) {
        let message = Message::decode(&message.encode()).expect("what was encoded");
        if let (Peer::Validator(peer), Message::Guest(Guest::Answer(answer))) = (from, &message)
            && REALM.roster(answer.shard).index_of(peer).is_some()
        {
            for (session, refusal) in answer.refused.iter() {
                let number = number(*session).expect("one of the payments");
                let refused = self.refused.entry((number, answer.shard, *refusal)).or_default();
                refused.insert(peer);
            }
        }
        self.does(|wallet, cx| wallet.handle_message(cx, from, message));
    }

    /// Has the wallet do something.
    fn does(&mut self, act: impl FnOnce(&mut Wallet, &mut Cx<'_>) -> Step) {
        let step = act(&mut self.wallet, &mut Cx::new(self.now, &mut self.rng));
        self.take(step);
    }

    fn take(&mut self, step: Step) {
        let (records, held) = step.into_records();
        if self.crashes && !records.is_empty() {
            return self.restart();
        }
        self.journal.extend(records.iter().map(Wire::encode));
        let output = held.release();
        output.faults.iter().for_each(|fault| self.excuse(fault));
        output.events.iter().for_each(|event| self.on_event(event));
        for (to, message) in output.messages {
            self.judge(&message);
            if let To::One(peer) = to {
                self.asked.push((peer, message));
            }
        }
        let old = self.asked.len().saturating_sub(OPEN);
        self.asked.drain(..old);
    }

    fn excuse(&self, fault: &Fault<Peer>) {
        let sought = if fault.kind == FaultKind::WrongRole { &self.misplaced } else { &self.liars };
        assert!(sought.contains(&fault.culprit), "{fault:?} for telling the truth");
    }

    /// What goes out is paid for, and a shard is shown what other shards said.
    fn judge(&self, message: &Message) {
        let Message::Guest(Guest::Submit { shard, requests }) = message else { return };
        let bytes: usize = requests.iter().map(|request| request.encode().len()).sum();
        assert!(bytes <= MAX_SUBMIT_BYTES, "more than a validator takes");
        for Request { transaction, action } in requests.iter() {
            let checked = RULES.check_one(transaction.clone()).expect("well-formed");
            let number = number(checked.session()).expect("a payment of this wallet");
            assert!(self.paid.contains(&number), "nobody pays {number}");
            let orphaned = self.fates.get(&number) == Some(&Some(Reason::Orphaned));
            assert!(!orphaned, "{number} was never to be submitted");
            let (shown, outcome) = match action {
                Action::Initialize { shown } => (shown.as_slice(), Outcome::Accepted),
                Action::Commit { proofs } => (&proofs[..], Outcome::Accepted),
                Action::Abort { proof } => (core::slice::from_ref(proof), Outcome::Rejected),
            };
            for proof in shown {
                let holds = proof.verify(&checked, &REALM.epoch.rosters()).is_ok();
                assert!(holds && proof.outcome == outcome, "{number} is shown what is not so");
            }
            let mut others = checked.declaration().input_shards();
            others.remove(shard);
            let all = shown.iter().map(|proof| proof.shard).eq(others);
            assert!(all || !matches!(action, Action::Commit { .. }), "not all have accepted");
            let creator = match number {
                4 => Some(1),
                6 => Some(5),
                _ => None,
            };
            // Who pays in another order is not this wallet's business.
            let waits = creator.filter(|creator| self.paid_before(*creator, number));
            let there = waits.is_none_or(|creator| self.fates.get(&creator) == Some(&None));
            assert!(there, "{number} spends what is not there");
        }
    }

    /// The payments that the wallet has stored, in their order.
    fn stored(&self) -> Vec<u8> {
        let stored = self.journal.iter().filter_map(|bytes| match Record::decode(bytes) {
            Ok(Record::Paid(paid)) => number(paid.declaration.session(&GENESIS.id())),
            _ => None,
        });
        stored.collect()
    }

    /// Whether the wallet has stored one payment before the other.
    fn paid_before(&self, first: u8, second: u8) -> bool {
        let stored = self.stored();
        let at = |number| stored.iter().position(|other| *other == number);
        at(first).zip(at(second)).is_some_and(|(first, second)| first < second)
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Committed { session } => {
                let number = number(*session).expect("a payment of this wallet");
                assert_eq!(truth(number), Truth::Committed, "{number} is not there");
                let receipt = self.wallet.receipt(session).expect("what is committed has one");
                let proven = self.stranger.verify(&receipt).expect("it convinces a stranger");
                assert_eq!(proven.session, *session);
                self.settle(number, None);
            }
            Event::Aborted { session, reason } => {
                let number = number(*session).expect("a payment of this wallet");
                self.allow(number, *reason);
                self.settle(number, Some(*reason));
            }
            Event::Delayed { session } => {
                let number = number(*session).expect("a payment of this wallet");
                assert!(self.some_refuse(number, Refusal::Missing), "nobody waits for {number}");
                self.delayed.insert(number);
            }
            _ => {}
        }
    }

    /// Whether two validators of a shard that holds an input of it refuse a payment for this.
    fn some_refuse(&self, number: u8, refusal: Refusal) -> bool {
        let inputs = payment(number).declaration().input_shards();
        inputs.iter().any(|shard| self.refuse(number, *shard, refusal))
    }

    fn refuse(&self, number: u8, shard: u16, refusal: Refusal) -> bool {
        self.refused.get(&(number, shard, refusal)).is_some_and(|by| by.len() >= 2)
    }

    /// A payment may be given up when nothing can come of it.
    fn allow(&self, number: u8, reason: Reason) {
        if self.fates.contains_key(&number) {
            return; // told again
        }
        match reason {
            Reason::Rejected => {
                assert_eq!(truth(number), Truth::Rejected, "nobody rejects {number}");
            }
            Reason::Refused(refusal) => {
                let last = [Refusal::Spent, Refusal::Misdeclared, Refusal::Closed];
                assert!(last.contains(&refusal), "{number} may come yet");
                let inputs = payment(number).declaration().input_shards();
                for shard in inputs {
                    let by = last.iter().any(|last| self.refuse(number, shard, *last));
                    assert!(by, "{number} is given up at the word of fewer than two of {shard}");
                }
            }
            Reason::Orphaned => {
                let creator = if number == 4 { 1 } else { 5 };
                let lost = matches!(self.fates.get(&creator), Some(Some(_)));
                assert!([4, 6].contains(&number) && lost, "{number} is no orphan");
            }
            _ => unreachable!("a reason that nobody knows"),
        }
    }

    fn settle(&mut self, number: u8, fate: Fate) {
        assert!(self.paid.contains(&number), "nobody pays {number}");
        assert_eq!(*self.fates.entry(number).or_insert(fate), fate, "two fates of one payment");
    }

    /// Starts the wallet again, from the bytes that it stored.
    fn restart(&mut self) {
        let records = self.journal.iter().map(|bytes| Record::decode(bytes).expect("as written"));
        let restored = Wallet::restore(config(), records, &mut Cx::new(self.now, &mut self.rng));
        let (wallet, step) = restored.expect("its own journal");
        (self.wallet, self.crashes) = (wallet, false);
        self.refused.clear();
        let told = self.begins(step);
        assert!(self.fates.keys().all(|number| told.contains(number)), "a fate is forgotten");
    }

    /// What a wallet says first, and which fates it tells.
    fn begins(&mut self, step: Step) -> BTreeSet<u8> {
        let (records, held) = step.into_records();
        self.journal.extend(records.iter().map(Wire::encode));
        let output = held.release();
        assert!(output.faults.is_empty(), "blame for what was said before a crash");
        output.events.iter().for_each(|event| self.on_event(event));
        output.messages.iter().for_each(|(_, message)| self.judge(message));
        let told = output.events.iter().filter_map(|event| {
            let (Event::Committed { session } | Event::Aborted { session, .. }) = event else {
                return None;
            };
            number(*session)
        });
        told.collect()
    }

    /// All validators are honest: what is so counts.
    fn end(mut self) {
        self.crashes = false;
        self.tell_epoch(0, 0);
        for _ in 0..12 {
            self.pass(0);
            self.answer_honestly();
        }
        for at in self.paid.clone() {
            let so = truth(at);
            let stored = self.stored().contains(&at);
            let fate = self.fates.get(&at);
            let given_up = matches!(fate, Some(Some(Reason::Refused(_) | Reason::Orphaned)));
            let as_it_is = match so {
                Truth::Committed => fate == Some(&None),
                Truth::Rejected => fate == Some(&Some(Reason::Rejected)),
                Truth::Refused | Truth::Open => fate.is_none(),
            };
            assert!(!stored || given_up || as_it_is, "{at} is {so:?}, and told {fate:?}");
        }
    }
}

fn config() -> Config {
    let (poll, patience) = (Duration::from_millis(200), Duration::from_secs(5));
    Config { genesis: GENESIS.clone(), poll, patience }
}

/// The payment with this number.
fn session(number: u8) -> Session {
    payment(number).session()
}
