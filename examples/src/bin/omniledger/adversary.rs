//! What Byzantine validators do: all that their keys and their place on the network allow.

use std::collections::BTreeMap;

use cosi::{
    keys::{PeerId, Seed, SigningKey},
    machine::{Time, To},
    message::{Message as Cosigning, Response, Said},
    sim::{self, Deliveries, Delivery},
    wire::{BoundedBytes, Wire},
};
use curve25519_dalek::{Scalar, rand_core::CryptoRng};
use omniledger::{
    Epoch, Genesis, Message, Node, Peer,
    byzcoin::{
        Height, Kind, Message as Consensus, MessageOf, Scope, View, domain,
        message::{Propose, ViewChange},
        statement::Lock,
        votes::{CosiVotes, Message as Voting, Single},
    },
    node::Event,
    randhound::{draw, message::Dealing},
    validator,
};

use crate::cli::Adversary;

/// All Byzantine validators, in one hand.
pub(crate) struct Byzantine {
    how: Adversary,
    members: BTreeMap<Peer, Member>,
}

/// What the hand knows.
pub(crate) struct Cast<'a> {
    pub(crate) genesis: &'a Genesis,
    /// How the shards will be dealt, if that is known in advance.
    pub(crate) epoch: Option<&'a Epoch>,
    /// All validators.
    pub(crate) validators: Vec<Peer>,
}

struct Member {
    key: SigningKey,
    identity: Option<Seat>,
    shard: Option<Seat>,
}

/// A place in the roster of one chain.
struct Seat {
    scope: Scope,
    position: u16,
    /// The height that it works at.
    height: u64,
    /// All of the roster.
    peers: Vec<Peer>,
}

impl Byzantine {
    /// These validators, by their positions, with their seeds.
    pub(crate) fn new<'a>(
        how: Adversary,
        cast: Cast<'_>,
        members: impl IntoIterator<Item = (u16, &'a Seed)>,
    ) -> Self {
        let Cast { genesis, epoch, validators } = cast;
        let identity = genesis.roster().ok().map(|roster| Scope {
            chain: genesis.identity_chain().0,
            epoch: 0,
            roster: roster.id(),
        });
        let member = |(position, seed): (u16, &Seed)| {
            let key = seed.signing_key();
            let peer = PeerId::of(key.public());
            let identity = identity.map(|scope| {
                let peers = validators.clone();
                Seat { scope, position, height: 1, peers }
            });
            let shard = epoch.and_then(|epoch| {
                let (shard, index) = epoch.place(peer)?;
                let info = epoch.shard(shard)?;
                let (chain, roster) = (info.chain().0, info.roster());
                let peers = roster.members().iter().map(|member| Peer::Validator(member.peer));
                let scope = Scope { chain, epoch: 0, roster: roster.id() };
                Some(Seat { scope, position: index.get(), height: 1, peers: peers.collect() })
            });
            (Peer::Validator(peer), Member { key, identity, shard })
        };
        Self { how, members: members.into_iter().map(member).collect() }
    }
}

/// What replicas say, and how it is sent: on the identity chain, or in a shard.
type Replicas = MessageOf<CosiVotes>;

impl Member {
    /// What is said in a consensus, at which seat, and how an answer is wrapped.
    fn seat(&self, message: Message) -> Result<(&Seat, Replicas, Wrap), Message> {
        match (message, &self.identity, &self.shard) {
            (Message::Identity(said), Some(seat), _) => Ok((seat, *said, Wrap::Identity)),
            (Message::Shard { epoch, shard, message }, _, Some(seat)) => {
                Ok((seat, *message, Wrap::Shard { epoch, shard }))
            }
            (message, ..) => Err(message),
        }
    }

    /// A wrong answer where there is one to sign; else the right bytes with one of them flipped.
    #[expect(clippy::wildcard_enum_match_arm, reason = "whatever it is")]
    fn garble(&self, rng: &mut dyn CryptoRng, message: Message) -> Delivery<Message> {
        if let Message::Beacon(said) = &message
            && let draw::Message::Dealing(dealt) = &**said
            && let Some(other) = self.other_deal(rng, &dealt.what)
        {
            return Delivery::Message(Message::Beacon(Box::new(draw::Message::Dealing(other))));
        }
        let (said, wrap) = match self.seat(message) {
            Ok((_, said, wrap)) => (said, wrap),
            Err(message) => return flip(rng, &message),
        };
        match said {
            Consensus::Votes(Voting::Collective(Cosigning::Response(said))) => {
                let response = Scalar::random(rng).to_bytes();
                let lie = Said::new(&self.key, Response { response, ..said.what });
                let lie = Consensus::Votes(Voting::Collective(Cosigning::Response(lie)));
                Delivery::Message(wrap.around(lie))
            }
            // Who never commits is never asked, and cannot answer wrongly.
            said @ Consensus::Votes(Voting::Collective(Cosigning::Commitment(_))) => {
                Delivery::Message(wrap.around(said))
            }
            said => flip(rng, &wrap.around(said)),
        }
    }

    /// One half hears this, the other half that; and both hear two votes, or two deals.
    fn contradict(
        &self,
        rng: &mut dyn CryptoRng,
        (to, message): (To<Peer>, Message),
    ) -> Deliveries<Node> {
        if let Message::Beacon(said) = &message
            && let draw::Message::Dealing(dealt) = &**said
            && let Some(other) = self.other_deal(rng, &dealt.what)
        {
            let other = Message::Beacon(Box::new(draw::Message::Dealing(other)));
            return vec![(to.clone(), Delivery::Message(message)), (to, Delivery::Message(other))];
        }
        let (seat, said, wrap) = match self.seat(message) {
            Ok(seated) => seated,
            Err(message) => return vec![(to, Delivery::Message(message))],
        };
        let say = |to, said| (to, Delivery::Message(wrap.around(said)));
        match said {
            Consensus::Propose(propose) if propose.signer == seat.position => {
                let other = self.other_proposal(seat, rng, &propose);
                let (even, odd) = seat.halves();
                vec![
                    say(To::Some(even), Consensus::Propose(propose)),
                    say(To::Some(odd), Consensus::Propose(other)),
                ]
            }
            Consensus::ViewChange(change) => {
                let other = self.other_view_change(seat, rng, &change);
                vec![
                    say(to.clone(), Consensus::ViewChange(change)),
                    say(to, Consensus::ViewChange(other)),
                ]
            }
            Consensus::Votes(vote) => {
                let votes = [(); 2].map(|()| {
                    let vote = Voting::Single(self.vote(seat, rng));
                    say(To::Some(seat.peers.clone()), Consensus::Votes(vote))
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

    /// The deal with a bit flipped somewhere, and signed all the same.
    fn other_deal(&self, rng: &mut dyn CryptoRng, dealt: &Dealing) -> Option<Said<Dealing>> {
        let mut bytes = dealt.encode();
        // The deal's last bytes are those of its proof: whatever is there decodes.
        let at =
            bytes.len().checked_sub(usize::from(rng.next_u32() as u8 % 16).saturating_add(2))?;
        *bytes.get_mut(at)? ^= 1;
        let other = Dealing::decode(&bytes).ok()?;
        Some(Said::new(&self.key, other))
    }

    fn other_proposal(
        &self,
        seat: &Seat,
        rng: &mut dyn CryptoRng,
        propose: &Propose<cosi::keys::Signature>,
    ) -> Propose<cosi::keys::Signature> {
        let mut other = propose.clone();
        other.proposal.header.app = BoundedBytes::new(random(rng).to_vec()).unwrap_or_default();
        other.signature = self.key.sign(&domain::BYZCOIN, &other.statement(&seat.scope).encode());
        other
    }

    fn other_view_change(
        &self,
        seat: &Seat,
        rng: &mut dyn CryptoRng,
        change: &ViewChange<cosi::keys::Signature>,
    ) -> ViewChange<cosi::keys::Signature> {
        let mut other = change.clone();
        other.change.lock = match change.change.lock {
            Some(_) => None,
            None => Some(Lock { view: View::ZERO, digest: random(rng) }),
        };
        let statement = other.statement(&seat.scope).encode();
        other.change.signature = self.key.sign(&domain::BYZCOIN, &statement);
        other
    }

    /// A vote for a block that nobody proposed.
    fn vote(&self, seat: &Seat, rng: &mut dyn CryptoRng) -> Single {
        let (height, digest) = (Height::new(seat.height), random(rng));
        let statement = seat.scope.statement(Kind::Prepare, height, View::ZERO, digest);
        let signed = cosi::Statement::to_signed(&statement);
        let signature = cosi::certificate::sign(&self.key, &seat.scope.roster, &signed);
        Single { statement, signer: seat.position, signature }
    }
}

impl Seat {
    fn halves(&self) -> (Vec<Peer>, Vec<Peer>) {
        let numbered = self.peers.iter().copied().enumerate();
        let halves = numbered.partition::<Vec<_>, _>(|(at, _)| at % 2 == 0);
        let peers = |half: Vec<(usize, Peer)>| half.into_iter().map(|(_, peer)| peer).collect();
        (peers(halves.0), peers(halves.1))
    }
}

/// Which consensus a message is of.
#[derive(Clone, Copy)]
enum Wrap {
    Identity,
    Shard { epoch: u64, shard: u16 },
}

impl Wrap {
    fn around(self, said: Replicas) -> Message {
        let message = Box::new(said);
        match self {
            Self::Identity => Message::Identity(message),
            Self::Shard { epoch, shard } => Message::Shard { epoch, shard, message },
        }
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
            Adversary::Garbage => {
                output.into_iter().map(|(to, message)| (to, member.garble(rng, message))).collect()
            }
            Adversary::Equivocate => {
                output.into_iter().flat_map(|said| member.contradict(rng, said)).collect()
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
            && let Some(seat) = self.members.get_mut(&peer).and_then(|member| member.shard.as_mut())
        {
            seat.height = block.saturating_add(1);
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
