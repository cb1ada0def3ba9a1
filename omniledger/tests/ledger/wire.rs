//! The encodings of all that nodes say and keep: their form, and what is refused.

use core::fmt::Debug;
use std::slice::from_ref;

use cosi::{
    transcript,
    wire::{BoundedVec, Wire},
};
use omniledger::{
    EpochProof, Genesis, Message, Peer, Receipt, Refusal, Session, Wallet,
    atomix::Outcome,
    byzcoin,
    chain::Body,
    epoch::Attestation,
    genesis::{Grant, Limits, MAX_GRANTS, MAX_REQUESTS, MAX_SHARDS, Registration},
    message::{Answer, Guest, MAX_ASK, MAX_SAID, MAX_SUBMIT, Query, Sync, Want},
    node,
    randhound::draw,
    validator, wallet,
};
use proptest::prelude::*;

use crate::{
    branch::{Branch, abort, commit, receipt, show},
    town::{
        GUEST, Town, answer, initialize, nothing, now, pay, peer, take, tell, to, town,
        validator_config,
    },
};

/// Checks values of a type, and returns the hash over their encodings.
fn format<T: Wire + PartialEq + Debug>(values: impl IntoIterator<Item = T>) -> String {
    let mut hash = transcript::Hash::new([0; 16]);
    for value in values {
        let encoding = value.encode();
        assert!(T::decode(&encoding).as_ref() == Ok(&value), "{value:?}");
        // Every prefix, of the long ones a sample.
        for len in (0..encoding.len()).filter(|len| encoding.len() < 3000 || len % 61 == 0) {
            assert!(T::decode(&encoding[..len]).is_err(), "{value:?} truncated to {len}");
        }
        assert!(T::decode(&[&encoding[..], &[0]].concat()).is_err(), "a trailing byte");
        hash = hash.bytes(&encoding);
    }
    hash.digest()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A payment across shards that both have accepted, and one that shard 1 rejects.
struct Sample {
    town: Town,
}

impl Sample {
    fn joint(&self, nonce: u64) -> omniledger::Transaction {
        let inputs = [self.town.coin_of(0, 0), self.town.coin_of(1, 0)];
        self.town.pay(nonce, &inputs, &[to(0, 50), to(1, 150)])
    }

    fn shards(&self) -> [Branch<'_>; 2] {
        let mut shards = [0, 1].map(|shard| Branch::new(&self.town, shard));
        shards.iter_mut().for_each(|branch| drop(branch.commit_all(&[self.joint(1)])));
        shards
    }

    fn requests(&self) -> Vec<omniledger::message::Request> {
        let (pay, [_, there]) = (self.joint(1), self.shards());
        let accepted = there.proof(&pay, Outcome::Accepted);
        vec![
            initialize(&pay),
            show(&pay, accepted.clone()),
            commit(&pay, from_ref(&accepted)),
            abort(&pay, accepted),
        ]
    }

    fn answers(&self) -> [Answer; 2] {
        let (pay, [here, _]) = (self.joint(1), self.shards());
        let session = self.town.session(&pay);
        let refused = [
            (session, Refusal::Spent),
            (session, Refusal::Misdeclared),
            (session, Refusal::Closed),
            (Session([7; 32]), Refusal::Missing),
        ];
        let full = Answer {
            shard: 0,
            said: BoundedVec::new(vec![(session, here.proof(&pay, Outcome::Accepted))]).unwrap(),
            refused: BoundedVec::new(refused.to_vec()).unwrap(),
        };
        [full, nothing(1)]
    }

    fn queries(&self) -> [Query; 3] {
        let session = self.town.session(&self.joint(1));
        [Want::Verdict, Want::Creation, Want::Return].map(|want| Query { session, want })
    }

    fn guests(&self) -> Vec<Guest> {
        let requests = BoundedVec::new(self.requests()).unwrap();
        let queries = BoundedVec::new(self.queries().to_vec()).unwrap();
        let [full, empty] = self.answers();
        vec![
            Guest::Submit { shard: 0, requests },
            Guest::Ask { shard: 1, queries },
            Guest::Answer(full),
            Guest::Answer(empty),
        ]
    }

    fn syncs(&self) -> [Sync; 2] {
        [Sync::Ask, Sync::Epoch(Box::new(self.town.proof.clone()))]
    }

    /// A deal, a question and a share, as validators send them.
    fn beacons(&self) -> Vec<Message> {
        let config = validator_config(&self.town.genesis, 3);
        let (_, step) = now(|cx| omniledger::Validator::restore(config, [], cx).unwrap());
        let messages = take([step]).messages.into_iter().map(|(_, message)| message);
        let dealing = messages.into_iter().find(|message| matches!(message, Message::Beacon(_)));
        let transcript = &self.town.proof.transcript;
        let statement = transcript.statement.id();
        let share = transcript.groups[0].shares[0].clone();
        let opened = randhound::message::Opened { statement, group: 0, share };
        let others = [draw::Message::Ask(statement), draw::Message::Opened(opened)];
        dealing.into_iter().chain(others.map(|it| Message::Beacon(Box::new(it)))).collect()
    }

    fn consensus(&self) -> Vec<Message> {
        let branch = Branch::new(&self.town, 1);
        let draft = branch.draft(&[initialize(&self.town.spend(1, 0))]);
        let (app, body) = (draft.app(), &draft.body);
        [branch.propose(&app, body), branch.decided(&app, body)].concat()
    }

    fn identity(&self) -> Vec<Message> {
        let of = |message| match message {
            Message::Shard { message, .. } => Message::Identity(message),
            other => other,
        };
        self.consensus().into_iter().map(of).collect()
    }

    fn validator_records(&self) -> Vec<validator::Record> {
        let config = validator_config(&self.town.genesis, self.town.members(1)[1]);
        let told = validator::Record::Epoch(Box::new(self.town.proof.clone()));
        let restored = now(|cx| omniledger::Validator::restore(config, [told.clone()], cx));
        let (mut node, step) = restored.unwrap();
        let mut records = take([step]).records;
        let heard = tell(&mut node, self.town.peer(1, 0), self.consensus());
        records.extend(heard.records);
        records.push(told);
        let decided =
            byzcoin::Record::VotedCommit(byzcoin::Height::FIRST, byzcoin::View::ZERO, [7; 32]);
        records.push(validator::Record::Identity(Box::new(decided)));
        records
    }

    fn wallet_records(&self) -> Vec<wallet::Record> {
        let mut node: Wallet = self.town.wallet();
        let session = self.town.session(&self.joint(1));
        let mut records = pay(&mut node, &self.joint(1)).records;
        let [told, _] = self.answers();
        records.extend(answer(&mut node, self.town.peer(0, 0), told).records);
        let reasons = [
            wallet::Reason::Rejected,
            wallet::Reason::Orphaned,
            wallet::Reason::Refused(Refusal::Closed),
        ];
        records.extend(reasons.map(|reason| wallet::Record::Aborted(session, reason)));
        records.push(wallet::Record::Epoch(Box::new(self.town.proof.clone())));
        records
    }

    fn receipts(&self) -> [Receipt; 2] {
        let (pay, [here, there]) = (self.joint(1), self.shards());
        let said = [here, there].map(|branch| branch.proof(&pay, Outcome::Accepted));
        [receipt(&pay, &said), receipt(&pay, &[])]
    }
}

/// The values follow from a draw by the simulator, with fixed seeds: a change in how the machines
/// draw changes the hashes of what holds an epoch or a shard's word, and not those above them.
#[test]
fn formats_are_those_committed() {
    let sample = Sample { town: town() };
    let genesis = &sample.town.genesis;
    let attestation: Attestation = sample.town.proof.transcript.certificate.clone();
    let decision = attestation.decision.clone();
    let validators = || sample.validator_records();
    let nodes = {
        let validators =
            validators().into_iter().map(|record| node::Record::Validator(Box::new(record)));
        let wallets = sample.wallet_records().into_iter().map(node::Record::Wallet);
        validators.chain(wallets).collect::<Vec<_>>()
    };
    let body = Body { requests: BoundedVec::new(sample.requests()).unwrap() };
    let formats = [
        ("Peer", format([peer(0), GUEST])),
        ("Grant", format(genesis.grants.to_vec())),
        ("Limits", format([Limits::default()])),
        ("Registration", format(genesis.validators.to_vec())),
        ("Genesis", format([genesis.clone()])),
        ("Decision", format([decision])),
        ("Attestation", format([attestation])),
        ("EpochProof", format([sample.town.proof.clone()])),
        ("Request", format(sample.requests())),
        ("Body", format([body])),
        ("Query", format(sample.queries())),
        ("Answer", format(sample.answers())),
        ("Guest", format(sample.guests())),
        ("Sync", format(sample.syncs())),
        ("Message::Identity", format(sample.identity())),
        ("Message::Beacon", format(sample.beacons())),
        ("Message::Shard", format(sample.consensus())),
        ("Message::Sync", format(sample.syncs().map(Message::Sync))),
        ("Message::Guest", format(sample.guests().into_iter().map(Message::Guest))),
        ("Receipt", format(sample.receipts())),
        ("validator::Record", format(validators())),
        ("wallet::Record", format(sample.wallet_records())),
        ("node::Record", format(nodes)),
    ];
    let committed = [
        ("Peer", "a20ac7dab5b5bf58"),
        ("Grant", "8e811a09732a591c"),
        ("Limits", "a3d2131cabf48c2f"),
        ("Registration", "88d47401027de6dd"),
        ("Genesis", "cf4d181c26028170"),
        ("Decision", "3e48b382abcd9784"),
        ("Attestation", "8a7339a4d3784481"),
        ("EpochProof", "7e6cf5ba910863da"),
        ("Request", "4888bc7e0828ef58"),
        ("Body", "435e2ae798bf531b"),
        ("Query", "cf5ee2e1cbaabc8b"),
        ("Answer", "df86a2e6659217d1"),
        ("Guest", "da00023753d8020a"),
        ("Sync", "b7d9fe31ad623980"),
        ("Message::Identity", "de7a5b1a0a975b00"),
        ("Message::Beacon", "7e7859b8aebcf73f"),
        ("Message::Shard", "557bf25d5d62d1ef"),
        ("Message::Sync", "d49b4fbecdb19e1d"),
        ("Message::Guest", "8aa150b84c584f39"),
        ("Receipt", "c644b2c85a41b2a8"),
        ("validator::Record", "1b10a8685d2e7fec"),
        ("wallet::Record", "9bc44e4457c87fd0"),
        ("node::Record", "11d0540d915b4d73"),
    ];
    let formats = formats.each_ref().map(|(name, hash)| (*name, &hash[..]));
    assert_eq!(formats.to_vec(), committed);
}

#[test]
fn an_id_is_the_hash_of_what_it_names() {
    let genesis = town().genesis;
    let bytes = genesis.encode();
    let hash = |tag: &[u8; 16], parts: &[&[u8]]| -> [u8; 32] {
        use sha2::{Digest, Sha512};
        Sha512::digest([tag, &parts.concat()[..]].concat())[..32].try_into().unwrap()
    };
    let id = hash(b"omniledger/v1/ge", &[&bytes.len().to_le_bytes(), &bytes]);
    assert_eq!(genesis.id().0, id);
}

/// The encoding of a list of `len` items.
fn list(len: usize, item: &[u8]) -> Vec<u8> {
    [&u32::try_from(len).unwrap().to_le_bytes()[..], &item.repeat(len)].concat()
}

#[test]
fn hostile_lengths_are_refused() {
    let sample = Sample { town: town() };
    let request = initialize(&sample.town.spend(0, 0)).encode();
    let [full, _] = sample.answers();
    let said = full.said[0].encode();
    let refused = (Session([7; 32]), Refusal::Spent).encode();
    let query = sample.queries()[0].encode();
    let (empty, shard) = (list(0, &[]), [1, 0]);
    let guest = |bytes: &[&[u8]]| {
        let guest = Guest::decode(&bytes.concat()).is_ok();
        assert_eq!(Message::decode(&[&[4][..], &bytes.concat()].concat()).is_ok(), guest);
        guest
    };
    for (more, fits) in [(0, true), (1, false)] {
        assert_eq!(guest(&[&[0], &shard, &list(MAX_SUBMIT + more, &request)]), fits, "Submit");
        assert_eq!(guest(&[&[1], &shard, &list(MAX_ASK + more, &query)]), fits, "Ask");
        let many = list(MAX_SAID + more, &said);
        assert_eq!(guest(&[&[2], &shard, &many, &empty]), fits, "said");
        let many = list(MAX_ASK + more, &refused);
        assert_eq!(guest(&[&[2], &shard, &empty, &many]), fits, "refused");

        let pay = sample.joint(1).encode();
        let proof = full.said[0].1.encode();
        let receipt = [&pay[..], &list(usize::from(MAX_SHARDS) + more, &proof)].concat();
        assert_eq!(Receipt::decode(&receipt).is_ok(), fits, "Receipt");
        assert_eq!(Body::decode(&list(MAX_REQUESTS + more, &request)).is_ok(), fits, "Body");
        let bare = Genesis { grants: BoundedVec::default(), ..sample.town.genesis.clone() };
        let bare = bare.encode();
        let grant = Grant { shard: 0, owner: [7; 32], value: 1 }.encode();
        let grants = list(MAX_GRANTS + more, &grant);
        let granting = [&bare[..bare.len() - 4], &grants].concat();
        assert_eq!(Genesis::decode(&granting).is_ok(), fits, "Genesis");
    }
    // A length that promises more than there is allocates nothing for it.
    let huge = [&[0; 34][..], &[0xff; 64]].concat();
    for bytes in [&[0xff; 64][..], &huge, &[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]] {
        assert!(Message::decode(bytes).is_err() && Body::decode(bytes).is_err());
        assert!(Answer::decode(bytes).is_err() && Genesis::decode(bytes).is_err());
        assert!(EpochProof::decode(bytes).is_err() && Receipt::decode(bytes).is_err());
        assert!(wallet::Record::decode(bytes).is_err() && Registration::decode(bytes).is_err());
        assert!(validator::Record::decode(bytes).is_err() && node::Record::decode(bytes).is_err());
    }
    assert!(Peer::decode(&[2; 33]).is_err() && Sync::decode(&[2]).is_err());
}

/// Messages of all kinds.
fn messages() -> Vec<Message> {
    let sample = Sample { town: town() };
    let guests = sample.guests().into_iter().map(Message::Guest);
    let all = guests.chain(sample.syncs().map(Message::Sync));
    all.chain(sample.identity()).chain(sample.consensus()).chain(sample.beacons()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever bytes come from whomever, a node keeps its wits: no panic, and no fault of one
    /// that did not speak.
    #[test]
    fn changed_messages_upset_nobody(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sender in 0..3_u8,
    ) {
        let town = town();
        let mut bytes = which.get(&messages()).encode();
        for (at, change) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= change;
        }
        let Ok(message) = Message::decode(&bytes) else { return Ok(()) };
        let from = [GUEST, town.peer(0, 0), town.peer(1, 0)][usize::from(sender)];
        for at in [0, 1] {
            let mut node = town.validator(0, at);
            let heard = tell(&mut node, from, vec![message.clone(), message.clone()]);
            prop_assert!(heard.faults.iter().all(|fault| fault.culprit == from));
            prop_assert!(node.timeline().unwrap().tip().index <= 1);
        }
        let mut node = town.wallet();
        let _ = pay(&mut node, &town.spend(0, 0));
        let heard = take([now(|cx| node.handle_message(cx, from, message))]);
        prop_assert!(heard.faults.iter().all(|fault| fault.culprit == from));
        prop_assert_eq!(node.pending(), 1);
    }

    #[test]
    fn garbage_is_no_message(kind in 0..5_u8, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[kind][..], &bytes].concat();
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
