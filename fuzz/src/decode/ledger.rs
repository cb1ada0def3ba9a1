//! Values of the ledger's wire types, and of what its validators draw.

use atomix::{Sealed, Session, client};
use byzcoin::{
    Height,
    message::{Message as Bft, Wanted},
};
use omniledger::{
    Decision, Message, Refusal, Transaction,
    message::{Answer, Guest, Proof, Query, Request, Sync, Want},
    node,
    skipchain::Proof as Chain,
    validator,
    wallet::{self, Reason},
};
use randhound::draw::{self, Choice};

use super::samples::items;
use crate::{
    committee::one_of_each,
    realm::{REALM, STORY, payment},
};

pub(super) const WANTS: [Want; 3] = [Want::Verdict, Want::Creation, Want::Return];
pub(super) const REFUSALS: [Refusal; 4] =
    [Refusal::Spent, Refusal::Misdeclared, Refusal::Closed, Refusal::Missing];

fn session() -> Session {
    payment(0).session()
}

fn transaction() -> Transaction {
    payment(0).transaction().clone()
}

pub(super) fn requests() -> Vec<Request> {
    STORY.requests.iter().map(|(_, request)| request.clone()).collect()
}

pub(super) fn proof() -> Proof {
    STORY.said.first().expect("a shard said something").1.clone()
}

pub(super) fn decisions() -> Vec<Decision> {
    let timelines = STORY.branches.iter().map(|branch| &branch.timeline);
    timelines.filter_map(|timeline| timeline.attestation(1).cloned()).collect()
}

/// Block by block, and in one step.
pub(crate) fn chains() -> Vec<Chain<Decision>> {
    let timelines = STORY.branches.iter().map(|branch| &branch.timeline);
    let chains = timelines.flat_map(|timeline| {
        let short = (0..=2).map(|to| timeline.prove(0, to));
        short.chain([timeline.plain(0, 2)]).flatten()
    });
    chains.collect()
}

pub(super) fn queries() -> Vec<Query> {
    WANTS.map(|want| Query { session: session(), want }).to_vec()
}

pub(super) fn answer() -> Answer {
    Answer {
        shard: 1,
        said: items(&[(session(), proof())]),
        refused: items(&[(session(), Refusal::Spent)]),
    }
}

pub(super) fn guests() -> Vec<Guest> {
    vec![
        Guest::Submit { shard: 0, requests: items(&requests()) },
        Guest::Ask { shard: 0, queries: items(&queries()) },
        Guest::Answer(answer()),
    ]
}

/// Of each variant one, and of each variant in those.
pub(super) fn messages() -> Vec<Message> {
    let message = Box::new(Bft::Pull(Wanted::Decisions(Height::FIRST)));
    let other = [
        Message::Shard { epoch: 0, shard: 1, message },
        Message::Sync(Sync::Ask),
        Message::Sync(Sync::Epoch(Box::new(REALM.proof.clone()))),
    ];
    let identity =
        heard(
            |message| if let Message::Identity(message) = message { Some(*message) } else { None },
        );
    let beacon = draw_messages().into_iter().map(|message| Message::Beacon(Box::new(message)));
    let identity = identity.into_iter().map(|message| Message::Identity(Box::new(message)));
    identity.chain(beacon).chain(other).chain(guests().into_iter().map(Message::Guest)).collect()
}

/// One of each variant that was said in the rehearsal.
fn heard<T: Clone>(part: impl Fn(Message) -> Option<T>) -> Vec<T> {
    let said: Vec<_> = REALM.said.iter().filter_map(|(_, message)| part(message.clone())).collect();
    one_of_each(&said)
}

pub(super) fn draw_messages() -> Vec<draw::Message> {
    let mut said =
        heard(|message| if let Message::Beacon(message) = message { Some(*message) } else { None });
    said.push(draw::Message::Ask(REALM.proof.transcript.statement.id()));
    said
}

pub(super) fn draw_records() -> Vec<draw::Record> {
    let records = REALM.journals.iter().flatten().filter_map(|record| {
        if let validator::Record::Beacon(record) = record {
            Some(draw::Record::clone(record))
        } else {
            None
        }
    });
    one_of_each(&records.collect::<Vec<_>>())
}

pub(super) fn choices() -> Vec<Choice> {
    let choices = draw_records().into_iter().filter_map(|record| {
        if let draw::Record::Decided(choice) = record { Some(*choice) } else { None }
    });
    choices.collect()
}

pub(super) fn validator_records() -> Vec<validator::Record> {
    let identity = REALM.journals.iter().flatten().filter_map(|record| {
        if let validator::Record::Identity(record) = record {
            Some((**record).clone())
        } else {
            None
        }
    });
    let identity = one_of_each(&identity.collect::<Vec<_>>());
    let identity = identity.into_iter().map(Box::new);
    let shard = identity.clone().map(validator::Record::Shard).take(1);
    let beacon = draw_records().into_iter().map(Box::new).map(validator::Record::Beacon);
    let epoch = validator::Record::Epoch(Box::new(REALM.proof.clone()));
    identity.map(validator::Record::Identity).chain(shard).chain(beacon).chain([epoch]).collect()
}

fn client_records() -> Vec<client::Record<Sealed<Decision>>> {
    vec![
        client::Record::Started(Box::new(transaction())),
        client::Record::Proven(session(), proof()),
        client::Record::Forgotten(session()),
    ]
}

pub(super) fn reasons() -> Vec<Reason> {
    vec![Reason::Rejected, Reason::Refused(Refusal::Spent), Reason::Orphaned]
}

pub(super) fn wallet_records() -> Vec<wallet::Record> {
    let client = client_records().into_iter().map(Box::new).map(wallet::Record::Client);
    let own = [
        wallet::Record::Epoch(Box::new(REALM.proof.clone())),
        wallet::Record::Paid(transaction()),
        wallet::Record::Aborted(session(), Reason::Orphaned),
    ];
    client.chain(own).collect()
}

pub(super) fn node_records() -> Vec<node::Record> {
    let wallet = wallet_records().into_iter().map(node::Record::Wallet);
    let validator = validator_records().into_iter().map(Box::new).map(node::Record::Validator);
    wallet.take(1).chain(validator.take(1)).collect()
}
