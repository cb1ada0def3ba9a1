//! A wallet that hears anything from its validators.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use cosi::{
    keys::PeerId,
    machine::{Cx, FaultKind, Time},
    merkle::tree::Path,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    Message, Peer, Refusal, Session, Stranger, Wallet,
    message::{Answer, Found, Guest},
    wallet::{Command, Config, Event, Record, Step},
};
use rand_chacha::ChaCha20Rng;

use crate::{
    actions::Actions,
    town::{ROSTER, SIZE, TOWN, key, rng},
};

/// Each byte is an action: what is asked, what comes in, what crashes. Whoever answers makes up
/// its answer from what is true and what is not.
///
/// # Panics
/// When a payment counts as committed that is in no block, or without a receipt that convinces a
/// stranger; when one is given up that fewer than two validators refused; when its fate changes,
/// or is forgotten in a crash; when who told the truth alone is blamed.
pub fn wallet(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        world.act(kind, detail);
    }
    world
}

/// Inputs that reach deep.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let seeds: [(&str, &[u8]); 6] = [
        ("nothing", &[]),
        ("committed", &[0x00, 0x01, 0x28, 0x40, 0x45, 0xa0]),
        ("lies", &[0x00, 0x02, 0x2c, 0xa0, 0x24, 0x42, 0xa1, 0x40, 0xa2]),
        ("refused", &[0x02, 0x62, 0xa0, 0x62, 0xa0, 0x62, 0xa1, 0xc0, 0x62, 0xa2]),
        (
            "crash",
            &[
                0x00, 0xe0, 0x24, 0xa0, 0x24, 0xe0, 0xa0, 0x24, 0xa0, 0x40, 0xe0, 0xa1, 0x40, 0xa1,
                0xc0,
            ],
        ),
        ("later", &[0x00, 0x01, 0x80, 0x24, 0x40, 0xa3, 0x80, 0x29, 0x45, 0xa0, 0x80]),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input.to_vec())).to_vec()
}

/// What the next answer says.
struct Next {
    answer: Answer,
    /// Whether all of it is so.
    is_true: bool,
}

struct World {
    now: Time,
    rng: ChaCha20Rng,
    wallet: Wallet,
    journal: Vec<Vec<u8>>,
    /// Whether the next records are lost, and the wallet with them.
    crashes: bool,
    next: Next,
    /// Where each payment is committed, as the owner was told; or that it is given up.
    fates: BTreeMap<Session, Option<u64>>,
    /// Which validators refused it.
    refused: BTreeMap<Session, BTreeSet<u16>>,
    liars: BTreeSet<Peer>,
    stranger: Stranger,
}

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
            fates: BTreeMap::new(),
            refused: BTreeMap::new(),
            liars: BTreeSet::new(),
            stranger: Stranger::new(&TOWN.genesis).expect("a sound genesis"),
        }
    }

    fn act(&mut self, kind: u8, detail: u8) {
        let [low, high] = [detail & 3, detail.wrapping_shr(2)].map(usize::from);
        match kind {
            0 => {
                let payment = TOWN.payments.get(low).expect("four payments").clone();
                self.does(|wallet, cx| {
                    let paid = wallet.handle_command(cx, Command::Pay(Box::new(payment)));
                    paid.unwrap_or(Step::none())
                });
            }
            1 => self.next.link(low, high),
            2 => self.next.find(low, high),
            3 => self.next.refuse(low, high),
            4 => {
                self.now = self.now.max(self.wallet.next_timeout().unwrap_or(self.now));
                self.does(Wallet::handle_timeout);
                let next = self.wallet.next_timeout();
                assert!(
                    next.is_none_or(|next| next > self.now),
                    "a deadline that does not advance"
                );
            }
            5 => self.answer(match high {
                0..4 => Peer::Validator(peer(detail & 3)),
                4 => Peer::Validator(PeerId::of(key(4).public())),
                _ => Peer::Guest(7),
            }),
            6 => self.restart(),
            _ => self.crashes = true,
        }
    }

    /// Has the wallet do something.
    fn does(&mut self, act: impl FnOnce(&mut Wallet, &mut Cx<'_>) -> Step) {
        let step = act(&mut self.wallet, &mut Cx::new(self.now, &mut self.rng));
        let (records, held) = step.into_records();
        if self.crashes && !records.is_empty() {
            return self.restart();
        }
        self.journal.extend(records.iter().map(Wire::encode));
        let output = held.release();
        for fault in output.faults {
            let lied = self.liars.contains(&fault.culprit);
            assert!(lied || fault.kind == FaultKind::WrongRole, "{fault:?} for telling the truth");
        }
        output.events.into_iter().for_each(|event| self.on_event(&event));
    }

    /// The answer that has been made up comes in.
    fn answer(&mut self, from: Peer) {
        let Next { answer, is_true } = core::mem::replace(&mut self.next, Next::new());
        if let Peer::Validator(peer) = from
            && let Some(index) = ROSTER.index_of(peer)
        {
            for (session, _) in answer.refused.iter() {
                self.refused.entry(*session).or_default().insert(index.get());
            }
        }
        if !is_true {
            self.liars.insert(from);
        }
        let message = Message::decode(&Message::Guest(Guest::Answer(answer)).encode());
        let message = message.expect("what was encoded");
        self.does(|wallet, cx| wallet.handle_message(cx, from, message));
    }

    fn on_event(&mut self, event: &Event) {
        let (session, fate) = match event {
            Event::Committed { session, block } => {
                let place = TOWN.found.iter().find(|found| found.session == *session);
                assert_eq!(place.map(|found| found.block), Some(*block), "it is not there");
                let receipt = self.wallet.receipt(session).expect("what is committed has one");
                let proven = self.stranger.verify(&receipt).expect("it convinces a stranger");
                assert_eq!((proven.session, proven.header.index), (*session, *block));
                (*session, Some(*block))
            }
            Event::Aborted { session, .. } => {
                let by = self.refused.get(session).map_or(0, BTreeSet::len);
                assert!(by >= 2, "given up at the word of {by}, who may lie");
                (*session, None)
            }
            Event::Delayed { .. } | _ => return,
        };
        assert_eq!(*self.fates.entry(session).or_insert(fate), fate, "two fates of one payment");
    }

    /// Starts the wallet again, from the bytes that it stored.
    fn restart(&mut self) {
        let records = self.journal.iter().map(|bytes| Record::decode(bytes).expect("as written"));
        let restored = Wallet::restore(config(), records, &mut Cx::new(self.now, &mut self.rng));
        let (wallet, step) = restored.expect("its own journal");
        (self.wallet, self.crashes) = (wallet, false);
        let events = step.into_records().1.release().events;
        let told: BTreeSet<Session> = events.iter().filter_map(session_of).collect();
        assert!(self.fates.keys().all(|session| told.contains(session)), "a fate is forgotten");
        events.iter().for_each(|event| self.on_event(event));
    }

    /// An honest validator answers: what is committed and was not given up counts as committed.
    fn end(mut self) {
        self.crashes = false;
        let known = usize::try_from(self.wallet.head().index).expect("two blocks at most");
        self.next = Next::new();
        self.next.link(known, 2);
        (0..2).for_each(|payment| self.next.find(payment, payment));
        self.answer(Peer::Validator(peer(0)));
        assert!(self.wallet.head().index == 2 || self.liars.contains(&Peer::Validator(peer(0))));
        for (payment, found) in TOWN.payments.iter().zip(&TOWN.found) {
            let command = Command::Pay(Box::new(payment.clone()));
            let mut cx = Cx::new(self.now, &mut self.rng);
            let paid = self.wallet.handle_command(&mut cx, command).is_err();
            assert!(!paid || self.fates.contains_key(&found.session), "it is there, and not seen");
        }
    }
}

impl Next {
    fn new() -> Self {
        let (found, refused) = (BoundedVec::default(), BoundedVec::default());
        Self { answer: Answer { links: None, found, refused }, is_true: true }
    }

    /// Shows the links from one block to another, or forged ones.
    fn link(&mut self, from: usize, to: usize) {
        self.answer.links = Some(if from > 2 || to > 2 {
            self.is_true = false;
            TOWN.forged.clone()
        } else {
            TOWN.chain(from, to.max(from))
        });
    }

    /// Says that a payment stands where another may stand, or nobody does.
    fn find(&mut self, payment: usize, place: usize) {
        let nowhere = Found {
            session: session(payment),
            block: u64::try_from(place).unwrap_or(u64::MAX).saturating_sub(4),
            path: Path::new(0, 1, BoundedVec::default()),
        };
        let place = TOWN.found.get(place);
        self.is_true &= place.is_some_and(|place| place.session == session(payment));
        let claim =
            place.map_or(nowhere, |place| Found { session: session(payment), ..place.clone() });
        let mut found = self.answer.found.to_vec();
        found.push(claim);
        self.answer.found = BoundedVec::new(found).unwrap_or_default();
    }

    fn refuse(&mut self, payment: usize, reason: usize) {
        let reasons = [Refusal::Spent, Refusal::Missing, Refusal::Misdeclared];
        let reason = reasons.get(reason % 3).copied().unwrap_or(Refusal::Spent);
        let mut refused = self.answer.refused.to_vec();
        refused.push((session(payment), reason));
        self.answer.refused = BoundedVec::new(refused).unwrap_or_default();
    }
}

fn session(payment: usize) -> Session {
    let payment = TOWN.payments.get(payment).expect("four payments");
    payment.declaration.session(&TOWN.genesis.id())
}

const fn session_of(event: &Event) -> Option<Session> {
    match event {
        Event::Committed { session, .. } | Event::Aborted { session, .. } => Some(*session),
        Event::Delayed { .. } | _ => None,
    }
}

fn peer(at: u8) -> PeerId {
    let index = ROSTER.index(u16::from(at) % SIZE);
    index.and_then(|index| ROSTER.peer(index)).expect("a member")
}

fn config() -> Config {
    Config { genesis: TOWN.genesis.clone(), poll: Duration::from_millis(200) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the seeds are called is what happens.
    #[test]
    fn seeds_reach_every_fate() {
        let fates: BTreeMap<_, _> = seeds()
            .into_iter()
            .map(|(name, input)| {
                let world = run(&input);
                let fates: Vec<_> =
                    (0..4).map(|at| world.fates.get(&session(at)).copied()).collect();
                (name, (fates, world.liars.len()))
            })
            .collect();
        assert_eq!(fates["nothing"], (vec![None; 4], 0));
        assert_eq!(fates["committed"], (vec![Some(Some(1)), Some(Some(2)), None, None], 0));
        assert_eq!(fates["lies"], (vec![Some(Some(1)), None, None, None], 2));
        assert_eq!(fates["refused"], (vec![None, None, Some(None), None], 0));
        assert_eq!(fates["crash"].0[0], Some(Some(1)));
        assert_eq!(fates["later"], (vec![Some(Some(1)), Some(Some(2)), None, None], 0));
    }
}
