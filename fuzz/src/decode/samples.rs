//! Every wire type of the workspace, with values of it.

use core::time::Duration;

use byzcoin::{
    Block, Height, Kind, Proposal, RecordOf, Scope, Statement, View,
    block::Chunk,
    message::{
        Change, Decided, Message as Bft, MessageOf, NewView, Prepared, Propose, ViewChange, Wanted,
    },
    record::Record,
    statement::Lock,
    votes::{self, CosiVotes, Single},
};
use cosi::{
    Certificate, CollectiveSignature, Mode, Statement as _, certificate,
    challenge::{Challenge, ChallengeId},
    domain::{BLAME, BYZCOIN, INDIVIDUAL},
    keys::{PeerId, ProofOfPossession, Seed, Signature},
    machine::{Evidence, Signed, Time},
    mask::Mask,
    merkle::{
        map::{self, Map},
        tree::{Path, Tree, leaf_hash},
    },
    message::{
        Account, Ask, Call, Commitment, Inquiry, Message as Speech, Quote, Refusal, Response, Said,
        StatementBytes, Sum, Tuple,
    },
    nonce::NonceId,
    roster::{Member, Opening, RosterId},
    session::{self, Session, SessionId},
    tree,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use omniledger::{
    Decision, EpochProof, Genesis, Receipt, Shape,
    chain::Body,
    epoch::Attestation,
    genesis::{Grant, Limits, Registration},
    message::{self, Answer, Guest, Peer, Query, Request, Sync, Want},
    node, validator, wallet,
};
use randhound::{draw, randshare, vrf};
use skipchain::{
    BackLinks, BackProof, BlockId, ChainId, Conflict, Header, Inclusion, Link, LinkStatement,
    Spine, Trust, endorser,
};

use super::{ledger, round_trip};
use crate::{
    city::{self, RULES, STORY},
    committee::{self, CAST, DRAW},
    hops::HOPS,
    realm::{self, GENESIS, REALM},
    rescuing, sharing,
    town::{QUORUM, ROSTER, SIZE, collective, individual, key, rng},
};

/// A wire type.
pub(crate) struct Row {
    /// What its inputs are called.
    pub(crate) name: &'static str,
    /// Tells whether bytes are a value, and holds what decoding promises.
    pub(crate) decoder: fn(&[u8]) -> bool,
    /// Some values, encoded.
    pub(crate) samples: fn() -> Vec<Vec<u8>>,
}

macro_rules! rows {
    ($($name:literal: $type:ty = $samples:expr;)*) => {
        &[$(Row {
            name: $name,
            decoder: round_trip::<$type>,
            samples: || {
                let samples: Vec<$type> = Vec::from($samples);
                samples.iter().map(Wire::encode).collect()
            },
        }),*]
    };
}

/// Every wire type. An input's first byte is a row here: new rows go last, so that the corpus
/// keeps its meaning.
pub(crate) const ROWS: &[Row] = rows! {
    "bytes": BoundedBytes<65_536> = [bytes()];
    "items": BoundedVec<u64, 64> = [items(&[7, 8, 9])];
    "time": Time = [Time::at(Duration::from_secs(7))];
    "peer": PeerId = [PeerId::of(key(0).public())];
    "signature": Signature = [signature()];
    "possession": ProofOfPossession = [ProofOfPossession::prove(key(0), &mut rng(1))];
    "roster-id": RosterId = [ROSTER.id()];
    "member": Member = ROSTER.members();
    "mask": Mask = [quorum()];
    "path": Path = [path()];
    "opening": Opening = [ROSTER.open(&quorum())];
    "signed": Signed = [signed()];
    "evidence": Evidence = [Evidence { domain: BLAME, statements: items(&[signed(), signed()]) }];
    "collective": CollectiveSignature = [collective(b"statement")];
    "certificate": Certificate = [
        individual(&ROSTER, 0, &QUORUM, b"statement"),
        Certificate::Collective(collective(b"statement")),
    ];
    "map-proof": map::Proof = map_proofs();

    "cosi-mode": Mode = [Mode::Accountable, Mode::Raw];
    "cosi-digest": session::Digest = [session::Digest::of(b"statement")];
    "cosi-session": Session = [session()];
    "cosi-session-id": SessionId = [session().id()];
    "cosi-nonce": NonceId = [NonceId([7; 16])];
    "cosi-commitment": Said<Commitment> = [said(commitment())];
    "cosi-challenge": Said<Challenge> = [said(challenge())];
    "cosi-challenge-id": ChallengeId = [challenge().id()];
    "cosi-response": Said<Response> = [said(response())];
    "cosi-refusal": Said<Refusal> = [said(refusal())];
    "cosi-message": Speech = speeches();

    "byzcoin-height": Height = [Height::FIRST];
    "byzcoin-view": View = [View::ZERO];
    "byzcoin-kind": Kind = [Kind::Proposal, Kind::Body];
    "byzcoin-scope": Scope = [scope()];
    "byzcoin-statement": Statement = [statement(Kind::Prepare)];
    "byzcoin-lock": Lock = [lock()];
    "byzcoin-header": byzcoin::Header = [proposal().header];
    "byzcoin-proposal": Proposal = [proposal()];
    "byzcoin-chunk": Chunk = [chunk()];
    "byzcoin-body": byzcoin::Body = [body()];
    "byzcoin-block": Block = [block()];
    "byzcoin-decision": byzcoin::Decision<Certificate> = [decision()];
    "byzcoin-wanted": Wanted = wanted();
    "byzcoin-single": Single = [single()];
    "byzcoin-votes": votes::Message = [
        votes::Message::Collective(Speech::Commitment(said(commitment()))),
        votes::Message::Single(single()),
    ];
    "byzcoin-message": MessageOf<CosiVotes> = bft();
    "byzcoin-record": RecordOf<CosiVotes> = records();

    "skipchain-block": BlockId = [BlockId([7; 32])];
    "skipchain-chain": ChainId = [ChainId([7; 32])];
    "skipchain-shape": Shape = [Shape::default()];
    "skipchain-header": Header = [HOPS.head().clone()];
    "skipchain-back-links": BackLinks = [HOPS.back(4).clone()];
    "skipchain-spine": Spine = [HOPS.spine.clone()];
    "skipchain-statement": LinkStatement = [HOPS.statement(0, 2)];
    "skipchain-link": Link = [HOPS.link(2, 0), HOPS.link(0, 2)];
    "skipchain-proof": skipchain::Proof<Certificate> = [HOPS.proof(&[(0, 1), (2, 0), (3, 0)])];
    "skipchain-trust": Trust = [HOPS.client().trust().clone()];
    "skipchain-back": BackProof = [HOPS.way_back(4, 0)];
    "skipchain-inclusion": Inclusion = [Inclusion { path: path() }];
    "skipchain-conflict": Conflict = [HOPS.conflict()];

    "skipchain-record": endorser::Record = [endorser::Record {
        from: HOPS.statement(0, 2).from,
        level: 2,
        to: HOPS.statement(0, 2).to,
    }];

    "pvss-scheme": pvss::Scheme = [pvss::Scheme::Dhpvss, pvss::Scheme::Schoenmakers];
    "pvss-registration": pvss::Registration = &CAST.registrations[..];
    "pvss-deal": pvss::Deal = [committee::schoenmakers().1, dealing().what.deal];
    "pvss-proof": pvss::Proof = [share().proof];
    "pvss-share": pvss::DecryptedShare = [share()];

    "randhound-config": randhound::Config = [CAST.session.config().clone()];
    "randhound-session": randhound::SessionId = [CAST.session.id()];
    "randhound-statement": randhound::Statement = [DRAW.transcript.statement.clone()];
    "randhound-statement-id": randhound::StatementId = [DRAW.transcript.statement.id()];
    "randhound-dealing": Said<randhound::message::Dealing> = [dealing()];
    "randhound-deals": randhound::message::Deals = DRAW.transcript.groups.iter().map(|group| group.deals.clone()).collect::<Vec<_>>();
    "randhound-message": randhound::Message = committee::one_of_each(&DRAW.said);
    "randhound-client-record": randhound::client::Record = committee::one_of_each(&DRAW.client_records);
    "randhound-server-record": randhound::server::Record = committee::one_of_each(&DRAW.server_records);
    "randhound-output": randhound::Randomness = [DRAW.output];
    "randhound-group": randhound::GroupTranscript = &DRAW.transcript.groups[..];
    "randhound-transcript": randhound::Transcript = [DRAW.transcript.clone()];
    "randhound-candidate": randhound::Candidate = &CAST.candidates[..];
    "randhound-publication": randhound::Publication = [DRAW.publication()];

    "atomix-genesis": atomix::GenesisId = [RULES.genesis()];
    "atomix-parameters": atomix::Parameters = [atomix::Parameters::default()];
    "atomix-session": atomix::Session = [city::payment(0).session()];
    "atomix-outpoint": atomix::Outpoint = [city::coin(0, 0).outpoint];
    "atomix-input": atomix::Input = [city::coin(0, 0)];
    "atomix-output": atomix::Output = &city::payment(0).declaration().outputs[..];
    "atomix-mode": atomix::Mode = [atomix::Mode::Client];
    "atomix-declaration": atomix::Declaration = [city::payment(0).declaration().clone()];
    "atomix-transaction": atomix::Transaction = [city::payment(0).transaction().clone()];
    "atomix-outcome": atomix::Outcome = [atomix::Outcome::Accepted, atomix::Outcome::Created];
    "atomix-verdict": atomix::Verdict = [STORY.verdict()];
    "atomix-roots": atomix::inclusion::Roots = [STORY.city.state(0).roots()];
    "atomix-place": atomix::Place = STORY.places();
    "atomix-sealed": atomix::Sealed = [STORY.logged().inclusion];
    "atomix-in-block": atomix::InBlock = STORY.places().map(|place| atomix::InBlock { index: 1, place });
    "atomix-proof": atomix::Proof<atomix::Sealed> = [STORY.logged()];
    "atomix-proof-in-block": atomix::Proof<atomix::InBlock> = [STORY.in_block()];
    "atomix-refusal": atomix::Refusal = city::refusals();
    "atomix-request": atomix::Request<atomix::Sealed> = committee::one_of_each(&STORY.requests);
    "atomix-message": atomix::Message<atomix::Sealed> = STORY.messages();
    "atomix-record": atomix::client::Record<atomix::Sealed> = STORY.records();

    "randhound-choice": draw::Choice = ledger::choices();
    "randhound-draw-message": draw::Message = ledger::draw_messages();
    "randhound-draw-record": draw::Record = ledger::draw_records();

    "ledger-genesis": Genesis = [GENESIS.clone()];
    "ledger-grant": Grant = &GENESIS.grants[..];
    "ledger-limits": Limits = [Limits::default()];
    "ledger-registration": Registration = &GENESIS.validators[..];
    "ledger-peer": Peer = [Peer::Validator(PeerId::of(key(0).public())), Peer::Guest(7)];
    "ledger-attestation": Attestation = [REALM.proof.transcript.certificate.clone()];
    "ledger-epoch": EpochProof = [REALM.proof.clone()];
    "ledger-decision": Decision = ledger::decisions();
    "ledger-chain": skipchain::Proof<Decision> = ledger::chains();
    "ledger-request": Request = committee::one_of_each(&ledger::requests());
    "ledger-proof": message::Proof = [ledger::proof()];
    "ledger-body": Body = [Body { requests: items(&ledger::requests()) }];
    "ledger-receipt": Receipt = [realm::STORY.receipt(1), realm::STORY.receipt(0)];
    "ledger-want": Want = ledger::WANTS;
    "ledger-query": Query = ledger::queries();
    "ledger-refusal": omniledger::Refusal = ledger::REFUSALS;
    "ledger-answer": Answer = [ledger::answer()];
    "ledger-guest": Guest = ledger::guests();
    "ledger-sync": Sync = [Sync::Ask, Sync::Epoch(Box::new(REALM.proof.clone()))];
    "ledger-message": omniledger::Message = ledger::messages();
    "ledger-reason": wallet::Reason = ledger::reasons();
    "ledger-validator-record": validator::Record = ledger::validator_records();
    "ledger-wallet-record": wallet::Record = ledger::wallet_records();
    "ledger-node-record": node::Record = ledger::node_records();

    "vrf-proof": vrf::Proof = [vrf().prove(b"input").0];
    "vrf-registration": vrf::Registration = [vrf().register(key(0).public(), &mut rng(31))];
    "randshare-message": randshare::Message = committee::one_of_each(&sharing::rehearsal().0);
    "randshare-record": randshare::Record = committee::one_of_each(&sharing::rehearsal().1);

    "randhound-fragment": randhound::coded::Fragment = rescuing::fragments();
    "randhound-void": randhound::Void = rescuing::voids();
};

pub(crate) fn vrf() -> vrf::VrfSecret {
    vrf::VrfSecret::derive(&Seed::from_bytes([7; 32]))
}

fn dealing() -> Said<randhound::message::Dealing> {
    DRAW.deals().first().expect("all have dealt").clone()
}

fn share() -> pvss::DecryptedShare {
    DRAW.shares().first().expect("all have opened").1.clone()
}

fn bytes<const N: usize>() -> BoundedBytes<N> {
    BoundedBytes::new(b"statement".to_vec()).expect("a few bytes")
}

pub(super) fn items<T: Clone, const N: usize>(items: &[T]) -> BoundedVec<T, N> {
    BoundedVec::new(items.to_vec()).expect("a few items")
}

fn signature() -> Signature {
    key(0).sign(&INDIVIDUAL, b"statement")
}

fn quorum() -> Mask {
    Mask::of(SIZE.into(), QUORUM)
}

fn path() -> Path {
    Tree::new([7, 8, 9].map(|leaf| leaf_hash(&[leaf]))).path(1).expect("one of three")
}

fn signed() -> Signed {
    Signed { statement: bytes(), signature: signature() }
}

fn map_proofs() -> Vec<map::Proof> {
    let map: Map = (0..20).map(|number: u8| (leaf_hash(&[number]), [number; 32])).collect();
    [1, 20, 21, 22].map(|number| map.prove(&leaf_hash(&[number]))).to_vec()
}

fn statement_bytes() -> StatementBytes {
    bytes()
}

fn session() -> Session {
    Session {
        mode: Mode::Accountable,
        roster: ROSTER.id(),
        statement: session::Digest::of(b"statement"),
        leader: 0,
        entropy: [7; 32],
        attempt: 1,
    }
}

/// Said by the member that says so.
pub(crate) fn said<T: cosi::message::Speech>(what: T) -> Said<T> {
    Said::new(key(what.speaker()), what)
}

fn points() -> cosi::message::PointBytes {
    [key(0), key(1)].map(|key| key.public().to_bytes())
}

fn commitment() -> Commitment {
    Commitment {
        roster: ROSTER.id(),
        leader: 0,
        member: 1,
        nonce: NonceId([7; 16]),
        points: points(),
    }
}

pub(crate) fn challenge() -> Challenge {
    Challenge {
        session: session(),
        mask: quorum(),
        commitments: points(),
        statement: statement_bytes(),
    }
}

fn response() -> Response {
    let (challenge, nonce, ahead) = (challenge().id(), NonceId([7; 16]), said(commitment()));
    Response { challenge, member: 1, nonce, response: [9; 32], ahead }
}

fn refusal() -> Refusal {
    let (challenge, nonce, ahead) = (challenge().id(), NonceId([7; 16]), said(commitment()));
    Refusal { challenge, member: 1, nonce: Some(nonce), ahead }
}

/// All that leader and cosigners say.
pub(crate) fn speeches() -> Vec<Speech> {
    vec![
        Speech::Announcement(said(session()), statement_bytes()),
        Speech::Commitment(said(commitment())),
        Speech::Challenge(said(challenge()), Ask::Own(NonceId([7; 16]))),
        Speech::Response(said(response())),
        Speech::Refusal(said(refusal())),
        Speech::Call(said(call()), statement_bytes()),
        Speech::Tuple(said(tuple()), session().id()),
        Speech::Sum(said(sum()), said(tuple())),
        Speech::Inquiry(said(inquiry())),
        Speech::Account(said(account()), Some(said(tuple()))),
    ]
}

fn call() -> Call {
    let plan = tree::Plan {
        shape: tree::Shape::balanced(SIZE.into()),
        seed: [4; 32],
        aside: Mask::of(SIZE.into(), [2]),
    };
    Call { session: session(), plan, issued: Time::at(Duration::from_secs(7)), patience: 9 }
}

fn tuple() -> Tuple {
    Tuple {
        roster: ROSTER.id(),
        leader: 0,
        plan: tree::PlanId([6; 32]),
        member: 1,
        nonce: NonceId([7; 16]),
        own: points(),
        sums: points(),
        mask: quorum(),
        children: [8; 32],
    }
}

fn sum() -> Sum {
    let (challenge, nonce) = (challenge().id(), NonceId([7; 16]));
    Sum { leader: 0, challenge, member: 1, nonce, sum: [9; 32] }
}

fn inquiry() -> Inquiry {
    Inquiry { roster: ROSTER.id(), leader: 0, challenge: challenge().id() }
}

fn account() -> Account {
    let quote = Quote { sum: [9; 32], signature: Signature([5; 64]) };
    let children = vec![(tuple().to_named(), Some(quote)), (tuple().to_named(), None)];
    let children = BoundedVec::new(children).expect("two are few");
    Account { tuple: said(tuple()), response: said(response()), children }
}

/// What the replicas' statements share.
pub(crate) fn scope() -> Scope {
    Scope { chain: [1; 32], epoch: 1, roster: ROSTER.id() }
}

fn statement(kind: Kind) -> Statement {
    scope().statement(kind, Height::FIRST, View::ZERO, proposal().digest())
}

fn lock() -> Lock {
    Lock { view: View::ZERO, digest: proposal().digest() }
}

fn body() -> byzcoin::Body {
    byzcoin::Body::new(&[7; 70]).expect("a short body")
}

fn chunk() -> Chunk {
    body().chunks().first().expect("70 bytes").clone()
}

fn proposal() -> Proposal {
    let header = byzcoin::Header {
        parent: [0; 32],
        height: Height::FIRST,
        first_view: View::ZERO,
        next_roster: ROSTER.id(),
        next_start: 0,
        app: bytes(),
    };
    Proposal::new(header, &body())
}

fn block() -> Block {
    Block { proposal: proposal(), body: body().to_bytes() }
}

fn certify(kind: Kind) -> Certificate {
    individual(&ROSTER, 0, &QUORUM, &statement(kind).to_signed())
}

/// A decision, whole.
pub(crate) fn decision() -> byzcoin::Decision<Certificate> {
    byzcoin::Decision { block: block(), view: View::ZERO, certificate: certify(Kind::Commit) }
}

fn single() -> Single {
    let statement = statement(Kind::Prepare);
    let signature = certificate::sign(key(1), &ROSTER.id(), &statement.to_signed());
    Single { statement, signer: 1, signature }
}

fn wanted() -> Vec<Wanted> {
    let digest = proposal().digest();
    vec![
        Wanted::Decisions(Height::FIRST),
        Wanted::NewView(Height::FIRST, View::ZERO),
        Wanted::Proposal(Height::FIRST, View::ZERO),
        Wanted::Content(Height::FIRST, digest),
        Wanted::Certificate(Height::FIRST, View::ZERO),
        Wanted::Chunks(Height::FIRST, digest, items(&[0, 3])),
    ]
}

fn signs(position: u16, statement: &Statement) -> Signature {
    key(position).sign(&BYZCOIN, &statement.encode())
}

fn propose() -> Propose<Signature> {
    let signature = signs(0, &statement(Kind::Proposal));
    Propose { view: View::ZERO, proposal: proposal(), signer: 0, signature }
}

fn prepared() -> Prepared<Certificate> {
    Prepared { height: Height::FIRST, lock: lock(), certificate: certify(Kind::Prepare) }
}

fn decided() -> Decided<Certificate> {
    Decided { proposal: proposal(), view: View::ZERO, certificate: certify(Kind::Commit) }
}

fn change(signer: u16, lock: Option<Lock>) -> ViewChange<Signature> {
    let (height, view) = (Height::FIRST, View::ZERO.next());
    let said = scope().statement(Kind::ViewChange, height, view, Lock::digest(lock));
    let change = Change { signer, lock, signature: signs(signer, &said) };
    ViewChange { height, view, change }
}

fn new_view() -> NewView<Signature, Certificate> {
    let changes = QUORUM.map(|signer| change(signer, (signer == 1).then(lock)).change);
    NewView {
        height: Height::FIRST,
        view: View::ZERO.next(),
        changes: items(&changes),
        certificate: Some(certify(Kind::Prepare)),
    }
}

/// All that replicas say, what is signed first.
pub(crate) fn bft() -> Vec<MessageOf<CosiVotes>> {
    let digest = proposal().digest();
    vec![
        Bft::Propose(propose()),
        Bft::Prepared(prepared()),
        Bft::Decided(decided()),
        Bft::ViewChange(change(2, None)),
        Bft::ViewChange(change(1, Some(lock()))),
        Bft::NewView(new_view()),
        Bft::Content(proposal()),
        Bft::Chunk { height: Height::FIRST, digest, chunk: chunk() },
        Bft::Votes(votes::Message::Single(single())),
        Bft::Pull(Wanted::Content(Height::FIRST, digest)),
    ]
}

fn records() -> Vec<RecordOf<CosiVotes>> {
    let digest = proposal().digest();
    vec![
        Record::Decided(decided()),
        Record::Entered(new_view()),
        Record::OwnProposal(View::ZERO, proposal()),
        Record::Body(proposal(), body()),
        Record::VotedPrepare(Height::FIRST, View::ZERO, digest),
        Record::VotedCommit(Height::FIRST, View::ZERO, digest),
        Record::HighPc(prepared()),
        Record::ViewChange(change(1, Some(lock()))),
    ]
}
