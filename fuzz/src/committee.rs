//! A small committee that draws a number: seven servers in two groups, and all that they say.
//!
//! Everything follows from constants, so that a corpus can be made again to the byte.

use core::time::Duration;
use std::{
    collections::VecDeque,
    sync::{Arc, LazyLock},
};

use cosi::{
    keys::{PublicKeyBytes, Seed, SigningKey},
    machine::{Cx, Evidence, Index, Signed, Time, To},
    mask::Mask,
    message::Said,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use pvss::{Chosen, Deal, DecryptedShare, Registration, Scheme, ShareKeys, ShareSecret, Sharing};
use rand_chacha::ChaCha20Rng;
use randhound::{
    Candidate, Client, Committee, Message, Peer, Publication, Randomness, Server, Session,
    Statement, Terms, Transcript, client,
    coded::Coded,
    draw,
    message::{Ask, ByClient, Dealing, Deals, Shown, root},
    server,
};

use crate::town::{receives, rng};

/// How many servers there are.
pub(crate) const SERVERS: u16 = 7;

/// Who takes part, with their secrets.
pub(crate) struct Cast {
    pub(crate) committee: Committee,
    pub(crate) terms: Terms,
    pub(crate) session: Session,
    pub(crate) client: SigningKey,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) registrations: Vec<Registration>,
    keys: Vec<SigningKey>,
    secrets: Vec<Arc<ShareSecret>>,
}

/// The one cast.
pub(crate) static CAST: LazyLock<Cast> = LazyLock::new(Cast::new);

impl Cast {
    fn new() -> Self {
        let mut rng = rng(21);
        let seeds = || (1..=SERVERS).map(|at| Seed::from_bytes([at.to_le_bytes()[0]; 32]));
        let keys: Vec<_> = seeds().map(|seed| seed.signing_key()).collect();
        let secret = |seed| Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss));
        let secrets: Vec<_> = seeds().map(secret).collect();
        let candidates: Vec<_> = seeds().map(|seed| Candidate::new(&seed, &mut rng)).collect();
        let registrations = candidates.iter().map(|candidate| candidate.share).collect();
        let committee = Committee::of(&candidates).expect("sound candidates");
        let client = Seed::from_bytes([99; 32]).signing_key();
        let terms = Terms {
            purpose: *b"a lottery that draws six numbers",
            slot: 3,
            attempt: 0,
            client: client.public().to_bytes(),
            group_size: 3,
            prior: [5; 32],
        };
        let session = Session::new(committee.clone(), &terms).expect("sound terms");
        Self { committee, terms, session, client, candidates, registrations, keys, secrets }
    }

    /// The server at `position`.
    pub(crate) fn index(&self, position: u16) -> Index {
        self.session.roster().index(position).expect("positions are below seven")
    }

    pub(crate) fn key(&self, position: u16) -> &SigningKey {
        self.keys.get(usize::from(position)).expect("seven keys")
    }

    /// Its public key.
    pub(crate) fn owner(&self, position: u16) -> PublicKeyBytes {
        self.key(position).public().to_bytes()
    }

    /// Its group.
    pub(crate) fn group(&self, position: u16) -> u16 {
        self.session.groups().place(self.index(position)).expect("everybody has a place").group
    }

    pub(crate) fn sharing(&self, group: u16) -> &Sharing {
        self.session.sharing(group).expect("one of two groups")
    }

    /// The server that wrote these records, and what it says first.
    pub(crate) fn server(
        &self,
        position: u16,
        records: Vec<server::Record>,
        cx: &mut Cx<'_>,
    ) -> (Server, server::ServerStep) {
        let setup = server::Setup {
            session: self.session.clone(),
            index: self.index(position),
            key: self.key(position).clone(),
            secret: self.secrets.get(usize::from(position)).expect("seven secrets").clone(),
            void: None,
        };
        Server::restore(setup, records, cx).expect("its own records")
    }

    /// The server of a draw that wrote these records, and what it says first.
    pub(crate) fn draw(
        &self,
        position: u16,
        records: Vec<draw::Record>,
        cx: &mut Cx<'_>,
    ) -> (randhound::Draw, draw::DrawStep) {
        let setup = draw::Setup {
            session: self.session.clone(),
            index: self.index(position),
            key: self.key(position).clone(),
            secret: self.secrets.get(usize::from(position)).expect("seven secrets").clone(),
            retry: Duration::from_secs(1),
            grace: Duration::from_secs(5),
        };
        randhound::Draw::restore(setup, records, cx).expect("its own records")
    }

    /// The client that wrote these records, and what it says first.
    pub(crate) fn client(
        &self,
        records: Vec<client::Record>,
        cx: &mut Cx<'_>,
    ) -> (Client, client::ClientStep) {
        let setup = client::Setup {
            session: self.session.clone(),
            key: self.client.clone(),
            retry: Duration::from_secs(2),
            grace: Duration::from_secs(1),
            patience: Duration::from_secs(1000),
            rounds: 2,
        };
        Client::restore(setup, records, cx).expect("its own records")
    }

    /// Another deal by a server.
    pub(crate) fn deal(&self, position: u16, rng: &mut ChaCha20Rng) -> Said<Dealing> {
        let secret = self.secrets.get(usize::from(position)).expect("seven secrets");
        let sharing = self.sharing(self.group(position));
        let (deal, _) = pvss::deal(sharing, &self.owner(position), secret, rng);
        self.says(position, deal)
    }

    /// What a server says when this is its deal.
    fn says(&self, position: u16, deal: Deal) -> Said<Dealing> {
        let session = self.session.id();
        Said::new(self.key(position), Dealing { session, dealer: position, deal })
    }

    /// The client's choice of as many of these deals as each group needs, the first or the last,
    /// and the deals by group. `None`: there are too few.
    pub(crate) fn choice(
        &self,
        deals: &[Said<Dealing>],
        last: bool,
    ) -> Option<(ByClient<Statement>, Vec<Deals>)> {
        let of_group = |group| {
            let mut own: Vec<_> =
                deals.iter().filter(|said| self.group(said.what.dealer) == group).collect();
            own.sort_by_key(|said| said.what.dealer);
            own.dedup_by_key(|said| said.what.dealer);
            let (need, extra) = (2, own.len().checked_sub(2)?);
            let chosen = own.into_iter().skip(if last { extra } else { 0 }).take(need);
            BoundedVec::new(chosen.cloned().collect())
        };
        let groups: Vec<Deals> = (0..2).map(of_group).collect::<Option<_>>()?;
        let dealers = groups.iter().flat_map(|deals| deals.iter()).map(|said| said.what.dealer);
        let roots = (0..).zip(&groups).map(|(group, deals)| root(group, deals)).collect();
        let statement = Statement {
            session: self.session.id(),
            dealers: Mask::of(SERVERS.into(), dealers),
            roots: BoundedVec::new(roots)?,
            availability: Coded::new(&self.session, &groups)?.root(),
        };
        Some((ByClient::new(&self.client, statement), groups))
    }

    /// A choice, as the client shows it to a server.
    pub(crate) fn shown(
        &self,
        position: u16,
        statement: &ByClient<Statement>,
        groups: &[Deals],
        ask: Ask,
    ) -> Option<Shown> {
        let fragment = Coded::new(&self.session, groups)?.fragment(self.index(position))?;
        let deals = groups.get(usize::from(self.group(position)))?.clone();
        Some(Shown { statement: statement.clone(), deals, fragment, ask })
    }
}

/// A draw in which nothing goes wrong.
pub(crate) struct Draw {
    /// All that was said, in order.
    pub(crate) said: Vec<Message>,
    pub(crate) client_records: Vec<client::Record>,
    pub(crate) server_records: Vec<server::Record>,
    pub(crate) output: Randomness,
    pub(crate) transcript: Transcript,
}

/// The one draw.
pub(crate) static DRAW: LazyLock<Draw> = LazyLock::new(Draw::new);

impl Draw {
    fn new() -> Self {
        let (now, mut rng) = (Time::default(), rng(22));
        let mut cx = Cx::new(now, &mut rng);
        let mut servers: Vec<_> =
            (0..SERVERS).map(|at| (at, CAST.server(at, Vec::new(), &mut cx).0)).collect();
        let (mut client, _) = CAST.client(Vec::new(), &mut cx);
        let (mut said, mut client_records, mut server_records) = (vec![], vec![], vec![]);
        let mut finished = None;
        let start = client.handle_command(&mut cx, client::Command::Start);
        let mut queue: VecDeque<(Peer, To<Peer>, Message)> = VecDeque::new();
        let mut take = |step: client::ClientStep, queue: &mut VecDeque<_>| {
            let (records, held) = step.into_records();
            client_records.extend(records);
            let output = held.release();
            queue.extend(output.messages.into_iter().map(|(to, what)| (Peer::Client, to, what)));
            finished = output.events.into_iter().next().or(finished.take());
        };
        take(start.expect("it starts once"), &mut queue);
        while let Some((from, to, message)) = queue.pop_front() {
            said.push(message.clone());
            if receives(&to, Peer::Client) && from != Peer::Client {
                take(client.handle_message(&mut cx, from, message), &mut queue);
                continue;
            }
            for (at, server) in &mut servers {
                let peer = Peer::Server(CAST.index(*at));
                if receives(&to, peer) {
                    let step = server.handle_message(&mut cx, from, message.clone());
                    let (records, held) = step.into_records();
                    server_records.extend(records);
                    let sent = held.release().messages;
                    queue.extend(sent.into_iter().map(|(to, message)| (peer, to, message)));
                }
            }
        }
        let Some(client::Event::Finished(output, transcript)) = finished else {
            unreachable!("nothing goes wrong")
        };
        Self { said, client_records, server_records, output, transcript }
    }

    /// All deals, by their dealers' messages.
    pub(crate) fn deals(&self) -> Vec<Said<Dealing>> {
        let deal = |message: &Message| {
            if let Message::Dealing(said, _) = message { Some(said.clone()) } else { None }
        };
        self.said.iter().filter_map(deal).collect()
    }

    /// All shares, with their groups.
    /// What convinces whoever knows the roster's id.
    pub(crate) fn publication(&self) -> Publication {
        let members = BoundedVec::new(CAST.candidates.clone()).expect("seven");
        Publication { members, prior: CAST.terms.prior, transcript: self.transcript.clone() }
    }

    pub(crate) fn shares(&self) -> Vec<(u16, DecryptedShare)> {
        let share = |message: &Message| {
            let Message::Opened(opened) = message else { return None };
            Some((opened.group, opened.share.clone()))
        };
        self.said.iter().filter_map(share).collect()
    }

    /// What a group opens.
    pub(crate) fn chosen(&self, group: u16) -> Chosen {
        let part = self.transcript.groups.get(usize::from(group)).expect("one of two groups");
        let chosen = CAST.session.check_deals(&self.transcript.statement, group, &part.deals);
        chosen.expect("the chosen deals")
    }
}

/// What convicts: a client of two choices, a server of two deals, and one of a deal that does not
/// hold. Those of two statements are here in either order.
pub(crate) fn convictions() -> Vec<Evidence> {
    let deals = DRAW.deals();
    let choices = [false, true].map(|last| {
        let (choice, _) = CAST.choice(&deals, last).expect("all have dealt");
        signed(&choice.what, choice.signature)
    });
    let dealt = deals.iter().find(|said| said.what.dealer == 0).expect("all have dealt");
    let foreign = deals.iter().find(|said| CAST.group(said.what.dealer) != CAST.group(0));
    let another = CAST.deal(0, &mut rng(23));
    let bad = CAST.says(0, foreign.expect("two groups").what.deal.clone());
    let [dealt, another, bad] =
        [dealt, &another, &bad].map(|said| signed(&said.what, said.signature));
    let mut statements = vec![vec![bad.clone()]];
    for [first, second] in
        [choices, [dealt.clone(), another.clone()], [dealt, bad.clone()], [another, bad]]
    {
        statements.push(vec![first.clone(), second.clone()]);
        statements.push(vec![second, first]);
    }
    let evidence = |statements| Evidence {
        domain: cosi::domain::RANDHOUND_BLAME,
        statements: BoundedVec::new(statements).expect("two at most"),
    };
    statements.into_iter().map(evidence).collect()
}

fn signed(what: &impl Wire, signature: cosi::keys::Signature) -> Signed {
    Signed { statement: BoundedBytes::new(what.encode()).expect("a short statement"), signature }
}

/// Who deals by Schoenmakers' scheme, and its deal.
pub(crate) fn schoenmakers() -> (Sharing, Deal) {
    let mut rng = rng(24);
    let secrets = [1, 2, 3]
        .map(|seed| ShareSecret::derive(&Seed::from_bytes([seed; 32]), Scheme::Schoenmakers));
    let owners = CAST.keys.iter().map(SigningKey::public);
    let registered = owners.zip(&secrets);
    let registered: Vec<_> =
        registered.map(|(owner, secret)| (*owner, secret.register(owner, &mut rng))).collect();
    let keys = ShareKeys::new(Scheme::Schoenmakers, registered).expect("sound keys");
    let sharing = Sharing::new([7; 32], &keys, 2).expect("two of three");
    let [own, ..] = &secrets;
    let (deal, _) = pvss::deal(&sharing, &CAST.owner(0), own, &mut rng);
    (sharing, deal)
}

/// The first value of each variant.
pub(crate) fn one_of_each<T: Clone>(values: &[T]) -> Vec<T> {
    let mut seen = Vec::new();
    let mut first = |value: &&T| {
        let variant = core::mem::discriminant(*value);
        let is_new = !seen.contains(&variant);
        seen.push(variant);
        is_new
    };
    values.iter().filter(|value| first(value)).cloned().collect()
}
