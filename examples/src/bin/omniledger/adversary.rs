//! What Byzantine validators do: all that their keys and their place on the network allow.

use std::collections::BTreeMap;

use cosi::{
    keys::SigningKey,
    machine::{Time, To},
    message::{Message as Cosigning, Response, Said},
    sim::{self, Deliveries, Delivery},
    wire::{BoundedBytes, Wire},
};
use curve25519_dalek::{Scalar, rand_core::CryptoRng};
use omniledger::{
    Message, Node, Peer,
    byzcoin::{
        Height, Kind, Message as Consensus, Scope, View, domain,
        message::{Propose, ViewChange},
        statement::Lock,
        votes::{Message as Voting, Single},
    },
    node::Event,
    validator,
};

use crate::cli::Adversary;

/// All Byzantine validators, in one hand.
pub(crate) struct Byzantine {
    how: Adversary,
    scope: Scope,
    /// Each one's position, key, and the height it works at.
    members: BTreeMap<Peer, Member>,
    /// All validators.
    validators: Vec<Peer>,
}

struct Member {
    position: u16,
    key: SigningKey,
    height: u64,
}

impl Byzantine {
    /// These validators, by their positions, with their keys.
    pub(crate) fn new(
        how: Adversary,
        scope: Scope,
        members: impl IntoIterator<Item = (u16, Peer, SigningKey)>,
        validators: Vec<Peer>,
    ) -> Self {
        let member = |(position, peer, key)| (peer, Member { position, key, height: 1 });
        Self { how, scope, members: members.into_iter().map(member).collect(), validators }
    }

    /// A wrong answer where there is one to sign; else the right bytes with one of them flipped.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever it is")]
    fn garble(member: &Member, rng: &mut dyn CryptoRng, message: Message) -> Delivery<Message> {
        let Message::Shard { epoch, shard, message: inner } = &message else {
            return flip(rng, &message);
        };
        let said = match &**inner {
            Consensus::Votes(Voting::Collective(Cosigning::Response(said))) => said,
            // Who never commits is never asked, and cannot answer wrongly.
            Consensus::Votes(Voting::Collective(Cosigning::Commitment(_))) => {
                return Delivery::Message(message);
            }
            _ => return flip(rng, &message),
        };
        let response = Scalar::random(rng).to_bytes();
        let lie = Said::new(&member.key, Response { response, ..said.what.clone() });
        let message = Consensus::Votes(Voting::Collective(Cosigning::Response(lie)));
        let (epoch, shard, message) = (*epoch, *shard, Box::new(message));
        Delivery::Message(Message::Shard { epoch, shard, message })
    }

    /// One half hears this, the other half that; and both hear two votes.
    fn contradict(
        &self,
        member: &Member,
        rng: &mut dyn CryptoRng,
        (to, message): (To<Peer>, Message),
    ) -> Deliveries<Node> {
        let Message::Shard { epoch, shard, message } = message else {
            return vec![(to, Delivery::Message(message))];
        };
        let say = |to, message| {
            (to, Delivery::Message(Message::Shard { epoch, shard, message: Box::new(message) }))
        };
        match *message {
            Consensus::Propose(propose) if propose.signer == member.position => {
                let other = self.other_proposal(member, rng, &propose);
                let (even, odd) = self.halves();
                vec![
                    say(To::Some(even), Consensus::Propose(propose)),
                    say(To::Some(odd), Consensus::Propose(other)),
                ]
            }
            Consensus::ViewChange(change) => {
                let other = self.other_view_change(member, rng, &change);
                vec![
                    say(to.clone(), Consensus::ViewChange(change)),
                    say(to, Consensus::ViewChange(other)),
                ]
            }
            Consensus::Votes(vote) => {
                let votes = [(); 2].map(|()| {
                    let vote = Voting::Single(self.vote(member, rng));
                    say(To::Some(self.validators.clone()), Consensus::Votes(vote))
                });
                [say(to, Consensus::Votes(vote))].into_iter().chain(votes).collect()
            }
            other @ (Consensus::Propose(_)
            | Consensus::Content(_)
            | Consensus::Chunk { .. }
            | Consensus::Prepared(_)
            | Consensus::Decided(_)
            | Consensus::NewView(_)
            | Consensus::Pull(_)) => vec![say(to, other)],
        }
    }

    fn halves(&self) -> (Vec<Peer>, Vec<Peer>) {
        let halves = self
            .validators
            .iter()
            .copied()
            .enumerate()
            .partition::<Vec<_>, _>(|(at, _)| at % 2 == 0);
        let peers = |half: Vec<(usize, Peer)>| half.into_iter().map(|(_, peer)| peer).collect();
        (peers(halves.0), peers(halves.1))
    }

    fn other_proposal(
        &self,
        member: &Member,
        rng: &mut dyn CryptoRng,
        propose: &Propose<cosi::keys::Signature>,
    ) -> Propose<cosi::keys::Signature> {
        let mut other = propose.clone();
        other.proposal.header.app = BoundedBytes::new(random(rng).to_vec()).unwrap_or_default();
        other.signature = member.key.sign(&domain::BYZCOIN, &other.statement(&self.scope).encode());
        other
    }

    fn other_view_change(
        &self,
        member: &Member,
        rng: &mut dyn CryptoRng,
        change: &ViewChange<cosi::keys::Signature>,
    ) -> ViewChange<cosi::keys::Signature> {
        let mut other = change.clone();
        other.change.lock = match change.change.lock {
            Some(_) => None,
            None => Some(Lock { view: View::ZERO, digest: random(rng) }),
        };
        let statement = other.statement(&self.scope).encode();
        other.change.signature = member.key.sign(&domain::BYZCOIN, &statement);
        other
    }

    /// A vote for a block that nobody proposed.
    fn vote(&self, member: &Member, rng: &mut dyn CryptoRng) -> Single {
        let (height, digest) = (Height::new(member.height), random(rng));
        let statement = self.scope.statement(Kind::Prepare, height, View::ZERO, digest);
        let signed = cosi::Statement::to_signed(&statement);
        let signature = cosi::certificate::sign(&member.key, &self.scope.roster, &signed);
        Single { statement, signer: member.position, signature }
    }
}

impl sim::Adversary<Node> for Byzantine {
    fn corrupt(
        &mut self,
        peer: Peer,
        _now: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<(To<Peer>, Message)>,
    ) -> Deliveries<Node> {
        let Some(member) = self.members.get(&peer) else { return Vec::new() };
        match self.how {
            Adversary::Silent => Vec::new(),
            Adversary::Garbage => output
                .into_iter()
                .map(|(to, message)| (to, Self::garble(member, rng, message)))
                .collect(),
            Adversary::Equivocate => {
                output.into_iter().flat_map(|said| self.contradict(member, rng, said)).collect()
            }
            Adversary::None => {
                output.into_iter().map(|(to, said)| (to, Delivery::Message(said))).collect()
            }
        }
    }

    fn on_event(
        &mut self,
        peer: Peer,
        _now: Time,
        event: Event,
        _commands: &mut Vec<omniledger::wallet::Command>,
    ) {
        if let Event::Validator(validator::Event::Committed { block, .. }) = event
            && let Some(member) = self.members.get_mut(&peer)
        {
            member.height = block.saturating_add(1);
        }
    }
}

/// The message's bytes, one of them flipped.
fn flip(rng: &mut dyn CryptoRng, message: &Message) -> Delivery<Message> {
    let mut bytes = message.encode();
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let at = usize::try_from(rng.next_u64().checked_rem(length).unwrap_or_default());
    if let Some(byte) = at.ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << (rng.next_u32() % 8);
    }
    Delivery::Bytes(bytes)
}

fn random(rng: &mut dyn CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
