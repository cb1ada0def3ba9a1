//! A member whose program is another one: it asks for what no honest publisher asks for.

use std::{collections::BTreeMap, fs, net::SocketAddr, sync::Arc, time::Duration};

use borsh::BorshSerialize;
use cosi::{
    Policy,
    domain::RELEASE,
    keys::{PeerId, ProofOfPossession, SigningKey},
    leader::{self, Timing},
    machine::Index,
    message::Message,
    roster::{Member, Roster},
    session::Digest,
    tokio::{Memory, Notice, SystemClock, Tcp, run, tcp},
    witness::{Command, Config, Event, Step, Witness},
};
use curve25519_dalek::rand_core::UnwrapErr;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    common::Scratch,
    serving::{Running, ports},
};

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let hex = value.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(byte)
}

/// The roster that a file tells, read by other code than the program's.
fn roster(scratch: &Scratch) -> (Roster, Vec<SocketAddr>) {
    let file: Value = serde_json::from_str(&scratch.read("roster.json")).unwrap();
    let members = file["members"].as_array().unwrap();
    let member = |entry: &Value| {
        let (key, proof) = (bytes::<32>(&entry["key"]), bytes::<64>(&entry["proof"]));
        let key = cosi::keys::PublicKey::from_bytes(&key).unwrap();
        let [commitment, response] = [0, 32].map(|at| proof[at..at + 32].try_into().unwrap());
        let proof = ProofOfPossession { commitment, response };
        let (peer, key) = (PeerId::of(&key), key.to_bytes());
        Member { key, proof, weight: 1, peer, extension: [0; 32] }
    };
    let addresses = members.iter().map(|entry| entry["address"].as_str().unwrap().parse().unwrap());
    let roster = Roster::new(members.iter().map(member)).unwrap();
    assert_eq!(roster.id().0, bytes::<32>(&file["roster"]));
    (roster, addresses.collect())
}

fn key(scratch: &Scratch, name: &str) -> Arc<SigningKey> {
    let pem = fs::read(scratch.path(&format!("{name}.key"))).unwrap();
    let (_, document) = pem_rfc7468::decode_vec(&pem).unwrap();
    Arc::new(SigningKey::from_pkcs8_der(&document).unwrap())
}

/// Leads as the first member, and tells how many signed each statement.
async fn lead(scratch: &Scratch, statements: Vec<Vec<u8>>) -> Vec<Option<usize>> {
    let ((roster, addresses), key) = (roster(scratch), key(scratch, "ann"));
    let mut config = tcp::Config::of(&roster, key.clone()).unwrap();
    config.protocol = b"witness 1".to_vec();
    config.addresses = roster.indices().zip(addresses).collect();
    let me = roster.index(0).unwrap();
    let listener = TcpListener::bind(config.addresses[&me]).await.unwrap();
    let network = Tcp::<Index, Message>::start(listener, config).unwrap();

    let mut config = Config::new(roster, me, key);
    let [patience, grace, limit] = [500, 200, 4000].map(Duration::from_millis);
    config.leader.timing = Timing { patience, grace, limit, individual: None };
    config.leader.limits.sessions = statements.len();
    let machine = (Witness::new(config).unwrap(), Step::none());
    let (commands, orders) = mpsc::channel(16);
    let (news, mut notices) = mpsc::channel(16);
    let (clock, rng) = (SystemClock::new(), UnwrapErr(getrandom::SysRng));
    tokio::spawn(run(machine, network, Memory::new(), clock, rng, orders, news));
    for statement in statements.clone() {
        let command = leader::Command::Announce { statement, policy: Policy::Weight(2) };
        let (reply, done) = oneshot::channel();
        commands.send((Command::Lead(command), reply)).await.unwrap();
        done.await.unwrap().unwrap();
    }
    let mut signers = BTreeMap::new();
    while signers.len() < statements.len() {
        match notices.recv().await.unwrap() {
            Notice::Event(Event::Led(leader::Event::Signed { digest, signature, .. })) => {
                signers.insert(digest, Some(signature.mask.count()));
            }
            Notice::Event(Event::Led(leader::Event::Failed { digest, .. })) => {
                signers.insert(digest, None);
            }
            Notice::Event(_) | Notice::Fault(_) => {}
        }
    }
    statements.iter().map(|statement| signers[&Digest::of(statement)]).collect()
}

/// A release as the witnesses' own code encodes it, but for what no publisher may say.
fn release(name: &str, version: &str, more: &[u8]) -> Vec<u8> {
    let mut statement = RELEASE.to_vec();
    (name, version, 7_u64, [7_u8; 64]).serialize(&mut statement).unwrap();
    [&statement, more].concat()
}

#[test]
fn witnesses_sign_releases_and_nothing_else_that_a_member_asks_for() {
    let scratch = Scratch::new();
    scratch.roster(&["ann", "bob", "cyd"], ports(3));
    let witnesses = ["bob", "cyd"].map(|name| Running::serve(&scratch, name));
    let statements = vec![
        release("tool", "1.0", &[]),
        b"pay ann all there is".to_vec(),
        Vec::new(),
        release("tool", "1.1", &[0]),
        release("to\u{1b}[2Jol", "1.1", &[]),
        release("", "1.1", &[]),
        release("tool", &"1".repeat(65), &[]),
        [&cosi::domain::ACCOUNTABLE[..], b"a vote"].concat(),
        release("tool", "1.1", &[]),
    ];
    let nonsense = statements.len() - 2;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let signed = runtime.block_on(lead(&scratch, statements));
    let mut expected = vec![None; nonsense + 2];
    expected[0] = Some(3);
    expected[nonsense + 1] = Some(3);
    assert_eq!(signed, expected);
    for witness in &witnesses {
        let said = witness.out.all();
        let about = |words: &str| said.iter().filter(|line| line.contains(words)).count();
        assert_eq!(about("REFUSES to sign for ann what is no release"), nonsense, "{said:#?}");
        assert_eq!((about("agrees to sign tool 1.0"), about("agrees to sign tool 1.1")), (1, 1));
        assert!(said.iter().all(|line| !line.contains('\u{1b}')));
    }
}
