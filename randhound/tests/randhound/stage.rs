//! Servers whose client the test plays, by hand.

use std::collections::{BTreeMap, VecDeque};

use cosi::{
    Certificate, Statement as _,
    certificate::sign,
    domain::RANDOMNESS,
    machine::{Cx, Fault, Time, To},
    mask::Mask,
    merkle::tree::{Tree, leaf_hash},
    transcript::Hash,
    wire::{BoundedBytes, BoundedVec},
};
use pvss::{Secret, recover, verify_shares};
use randhound::{
    GroupTranscript, Message, Peer, Randomness, Rescuer, Server, Statement, Transcript, Void,
    coded::{Coded, Fragment},
    message::{Ask, ByClient, Dealing, Deals, Decision, Opened, Said, Shown, Word, root},
    rescuer, server,
};

use crate::common::{World, invitation, released, rng};

/// What a client chose, and what it shows.
#[derive(Clone)]
pub(crate) struct Plot {
    pub(crate) statement: ByClient<Statement>,
    pub(crate) deals: Vec<Deals>,
    pub(crate) fragments: Vec<Fragment>,
}

/// As many of these deals as each group needs, the first ones or the last.
pub(crate) fn pick(world: &World, dealings: &[Said<Dealing>], last: bool) -> Vec<Deals> {
    let session = world.session();
    let of_group = |(group, members): (u16, &[cosi::machine::Index])| {
        let own = dealings
            .iter()
            .filter(|said| members.iter().any(|member| member.get() == said.what.dealer));
        let own: Vec<_> = own.cloned().collect();
        let need = session.threshold(group);
        let skipped = if last { own.len() - need } else { 0 };
        Deals::new(own[skipped..][..need].to_vec()).unwrap()
    };
    session.groups().iter().map(of_group).collect()
}

/// The fragments that an honest client makes of these deals.
pub(crate) fn leaves(world: &World, deals: &[Deals]) -> Vec<Vec<u8>> {
    shards(world, &Coded::new(&world.session(), deals).unwrap())
}

/// What is in fragments.
pub(crate) fn shards(world: &World, coded: &Coded) -> Vec<Vec<u8>> {
    let indices = world.committee.roster().indices();
    indices.map(|index| coded.fragment(index).unwrap().bytes.to_vec()).collect()
}

impl Plot {
    /// The choice of these deals, with the root over these leaves, whatever they are.
    pub(crate) fn new(world: &World, deals: Vec<Deals>, leaves: &[Vec<u8>]) -> Self {
        let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)));
        let dealers = deals.iter().flat_map(|deals| deals.iter()).map(|said| said.what.dealer);
        let roots = (0..).zip(&deals).map(|(group, deals)| root(group, deals)).collect();
        let statement = Statement {
            session: world.session().id(),
            dealers: Mask::of(world.keys.len(), dealers),
            roots: BoundedVec::new(roots).unwrap(),
            availability: tree.root(),
        };
        let fragment = |(at, leaf): (u64, &Vec<u8>)| Fragment {
            bytes: BoundedBytes::new(leaf.clone()).unwrap(),
            siblings: BoundedVec::new(tree.path(at).unwrap().siblings().to_vec()).unwrap(),
        };
        let fragments = (0..).zip(leaves).map(fragment).collect();
        Self { statement: ByClient::new(&world.client, statement), deals, fragments }
    }

    /// The choice that an honest client makes of these deals.
    pub(crate) fn honest(world: &World, deals: Vec<Deals>) -> Self {
        let leaves = leaves(world, &deals);
        Self::new(world, deals, &leaves)
    }

    fn deals_of(&self, world: &World, server: u16) -> Deals {
        let place = world.session().groups().place(world.index(server)).unwrap();
        self.deals[usize::from(place.group)].clone()
    }

    /// I2.
    pub(crate) fn shown(&self, world: &World, to: u16) -> Message {
        Message::Choice(Shown {
            statement: self.statement.clone(),
            deals: self.deals_of(world, to),
            fragment: self.fragments[usize::from(to)].clone(),
            ask: Ask::Single,
        })
    }

    /// I3, with the deals of the receiver's group if it is given them.
    pub(crate) fn decision(
        &self,
        world: &World,
        certificate: &Certificate,
        to: u16,
        gives: bool,
    ) -> Message {
        Message::Decision(Decision {
            config: world.session().config().clone(),
            statement: self.statement.what.clone(),
            certificate: certificate.clone(),
            deals: if gives { self.deals_of(world, to) } else { Deals::default() },
        })
    }

    /// What these servers' keys sign.
    pub(crate) fn certificate(&self, world: &World, by: &[u16]) -> Certificate {
        let roster = world.committee.roster();
        let signed = self.statement.what.to_signed();
        let sign = |at: &u16| {
            (world.index(*at), sign(&world.keys[usize::from(*at)], &roster.id(), &signed))
        };
        Certificate::individual(roster, by.iter().map(sign)).unwrap()
    }

    /// What says that it is void, by these servers' fragments.
    pub(crate) fn void(&self, world: &World, certificate: &Certificate, of: &[u16]) -> Void {
        let fragments = of.iter().map(|at| (*at, self.fragments[usize::from(*at)].clone()));
        Void {
            config: world.session().config().clone(),
            statement: self.statement.clone(),
            certificate: certificate.clone(),
            fragments: BoundedVec::new(fragments.collect()).unwrap(),
        }
    }

    /// The transcript that these shares would make: as many as each group needs.
    pub(crate) fn transcript(
        &self,
        world: &World,
        certificate: &Certificate,
        opened: &[Opened],
    ) -> Transcript {
        let part = |(group, deals): (u16, &Deals)| {
            let own = opened.iter().filter(|opened| opened.group == group);
            let shares = own.map(|opened| opened.share.clone());
            let shares = shares.take(world.session().threshold(group)).collect();
            GroupTranscript { deals: deals.clone(), shares: BoundedVec::new(shares).unwrap() }
        };
        Transcript {
            config: world.session().config().clone(),
            statement: self.statement.what.clone(),
            certificate: certificate.clone(),
            groups: BoundedVec::new((0..).zip(&self.deals).map(part).collect()).unwrap(),
        }
    }

    /// What whoever has these shares knows.
    pub(crate) fn output(&self, world: &World, opened: &[Opened]) -> Option<Randomness> {
        let session = world.session();
        let sum = |(group, deals): (u16, &Deals)| -> Option<Vec<Secret>> {
            let chosen = session.check_deals(&self.statement.what, group, deals).unwrap();
            let own = opened.iter().filter(|opened| opened.group == group);
            let shares = verify_shares(&chosen, own.map(|opened| &opened.share));
            let shares: Vec<_> = shares.into_iter().map(Result::unwrap).collect();
            recover(&chosen, &shares).ok()
        };
        let sums: Vec<_> = (0..).zip(&self.deals).map(sum).collect::<Option<_>>()?;
        let sum = Secret::sum(sums.iter().flatten()).to_bytes();
        let hash = Hash::new(RANDOMNESS).fixed(&session.id().0);
        Some(Randomness(hash.fixed(&sum).digest()))
    }
}

/// The servers, and what they stored.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) servers: Vec<Server>,
    pub(crate) stored: BTreeMap<u16, Vec<server::Record>>,
    /// Whom the rescuer is to the servers.
    pub(crate) rescuer: Peer,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        let servers = (0..).zip(&world.keys).map(|(at, _)| world.server(at)).collect();
        Self { world, servers, stored: BTreeMap::new(), rescuer: Peer::Guest(0) }
    }

    /// Hands a server a message, and returns what it sends back.
    pub(crate) fn hand(&mut self, at: u16, from: Peer, message: Message) -> Vec<Message> {
        let mut rng = rng(500 + u64::from(at));
        let mut cx = Cx::new(Time::default(), &mut rng);
        let step = self.servers[usize::from(at)].handle_message(&mut cx, from, message);
        let (records, held) = step.into_records();
        self.stored.entry(at).or_default().extend(records);
        let sent = held.release().messages.into_iter();
        sent.filter(|(to, _)| *to == To::One(from)).map(|(_, message)| message).collect()
    }

    /// I1 to these, and R1.
    pub(crate) fn deals(&mut self, of: &[u16]) -> Vec<Said<Dealing>> {
        let deal = |at: &u16| {
            let said = self.hand(*at, Peer::Client, invitation(self.world));
            let [Message::Dealing(said, _)] = &said[..] else { panic!("{said:?}") };
            said.clone()
        };
        of.iter().map(deal).collect()
    }

    /// I2 to these, and the certificate that their R2 make.
    pub(crate) fn acknowledge(&mut self, plot: &Plot, by: &[u16]) -> Certificate {
        let sign = |at: &u16| {
            let said = self.hand(*at, Peer::Client, plot.shown(self.world, *at));
            let [Message::Acknowledgement(said)] = &said[..] else { panic!("{said:?}") };
            let Word::Single(signature) = said.word else { panic!() };
            (self.world.index(*at), signature)
        };
        let signatures: Vec<_> = by.iter().map(sign).collect();
        Certificate::individual(self.world.committee.roster(), signatures).unwrap()
    }

    /// I3 to these, with deals for those that did not sign, and R3.
    pub(crate) fn open(
        &mut self,
        plot: &Plot,
        certificate: &Certificate,
        by: &[u16],
    ) -> Vec<Opened> {
        let open = |at: &u16| {
            let lacks = !certificate.signers().contains(*at);
            let decision = plot.decision(self.world, certificate, *at, lacks);
            let said = self.hand(*at, Peer::Client, decision).into_iter().next()?;
            let Message::Opened(opened) = said else { panic!("{said:?}") };
            Some(opened)
        };
        by.iter().filter_map(open).collect()
    }

    /// Has anybody complete the session, whom these servers answer, with what `corrupt` makes of
    /// their answers. Returns what it tells and whom it blames.
    pub(crate) fn rescue_with(
        &mut self,
        answering: &[u16],
        mut corrupt: impl FnMut(u16, Message) -> Message,
    ) -> (rescuer::Event, Vec<Fault<Peer>>) {
        let mut rescuer = Rescuer::new(self.world.rescuer_setup());
        let (mut rng, mut now, mut faults) = (rng(600), Time::default(), Vec::new());
        let start = rescuer::Command::Start;
        let mut step = rescuer.handle_command(&mut Cx::new(now, &mut rng), start).unwrap();
        let mut inbox = VecDeque::new();
        loop {
            let output = released(step);
            faults.extend(output.faults);
            if let Some(event) = output.events.into_iter().next() {
                assert_eq!(rescuer.next_timeout(), None);
                return (event, faults);
            }
            for (to, message) in output.messages {
                let To::Some(peers) = to else { panic!("{to:?}") };
                for at in answering.iter().copied() {
                    let peer = Peer::Server(self.world.index(at));
                    if peers.contains(&peer) {
                        let said = self.hand(at, self.rescuer, message.clone());
                        inbox.extend(said.into_iter().map(|said| (peer, corrupt(at, said))));
                    }
                }
            }
            step = if let Some((from, said)) = inbox.pop_front() {
                rescuer.handle_message(&mut Cx::new(now, &mut rng), from, said)
            } else {
                now = rescuer.next_timeout().unwrap();
                rescuer.handle_timeout(&mut Cx::new(now, &mut rng))
            };
        }
    }

    /// The same, of answers as they are.
    pub(crate) fn rescue(&mut self, answering: &[u16]) -> rescuer::Event {
        let (event, faults) = self.rescue_with(answering, |_, said| said);
        assert_eq!(faults, []);
        event
    }
}
