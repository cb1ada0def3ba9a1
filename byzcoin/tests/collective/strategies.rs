//! Members and leaders that vote by rules of their own: the others decide, and convict nobody
//! else.

use std::{collections::BTreeSet, time::Duration};

use byzcoin::{
    Command, Event, Kind, Statement,
    message::Message,
    votes::{Message as Vote, Single},
};
use cosi::{
    Certificate, Statement as _, certificate,
    challenge::Challenge,
    keys::PeerId,
    machine::{FaultKind, Time, To},
    message::{Message as CosiMessage, Response, Said, StatementBytes},
    session::{Digest, Session},
    sim::{Adversary, Deliveries, Delivery, Network},
    wire::{BoundedBytes, Wire},
};
use curve25519_dalek::rand_core::CryptoRng;

use crate::{
    cluster::{Cluster, Machine, Msg},
    common::key,
};

type Sent = (To<PeerId>, Msg);

/// Runs the members as they are, but for what they send.
struct Plays<F>(F);

impl<F: FnMut(&mut dyn CryptoRng, PeerId, Sent) -> Vec<Sent>> Adversary<Machine> for Plays<F> {
    fn corrupt(
        &mut self,
        peer: PeerId,
        _: Time,
        rng: &mut dyn CryptoRng,
        output: Vec<Sent>,
    ) -> Deliveries<Machine> {
        let sent = output.into_iter().flat_map(|sent| (self.0)(rng, peer, sent));
        sent.map(|(to, message)| (to, Delivery::Message(message))).collect()
    }

    fn on_event(
        &mut self,
        peer: PeerId,
        _: Time,
        event: Event<Certificate>,
        commands: &mut Vec<Command>,
    ) {
        match event {
            Event::Propose { height, view, .. } => {
                let body = BoundedBytes::new(format!("{peer:?} {height:?}").into_bytes()).unwrap();
                commands.push(Command::Propose { height, view, app: Default::default(), body });
            }
            Event::Validate { digest, .. } => {
                commands.push(Command::Validated { digest, valid: true });
            }
            Event::Decided { .. } => commands.push(Command::Pending),
            _ => (),
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Has these members play, decides five heights, and says whom the honest convicted.
fn play(
    size: u16,
    network: Network,
    players: &[usize],
    plays: impl FnMut(&mut dyn CryptoRng, PeerId, Sent) -> Vec<Sent> + 'static,
) -> (Cluster, BTreeSet<(usize, FaultKind)>, BTreeSet<usize>) {
    let mut cluster = Cluster::with(size, 5, network);
    cluster.sim.label(|message| match message {
        Message::Votes(Vote::Single(_)) => "single",
        Message::Votes(Vote::Collective(CosiMessage::Commitment(_))) => "commitment",
        Message::Votes(Vote::Collective(CosiMessage::Response(_))) => "response",
        _ => "other",
    });
    let corrupt: Vec<_> = players.iter().map(|at| cluster.peers[*at]).collect();
    cluster.sim.byzantine(corrupt, Plays(plays));
    let honest: Vec<_> = (0..usize::from(size)).filter(|at| !players.contains(at)).collect();
    cluster.run(&honest, 30 * MINUTE);
    let position = |peer: PeerId| cluster.peers.iter().position(|p| *p == peer).unwrap();
    let blamed = cluster.app().culprits().into_iter().map(|(peer, kind)| (position(peer), kind));
    let blamed: BTreeSet<_> = blamed.collect();
    let convicted = cluster.app().convicted().into_iter().map(position).collect();
    assert!(blamed.iter().all(|(at, _)| players.contains(at)), "{blamed:?}");
    (cluster, blamed, convicted)
}

fn cosi_of(message: &Msg) -> Option<&CosiMessage> {
    match message {
        Message::Votes(Vote::Collective(message)) => Some(message),
        _ => None,
    }
}

fn is_single(message: &Msg) -> bool {
    matches!(message, Message::Votes(Vote::Single(_)))
}

fn collective(message: CosiMessage) -> Msg {
    Message::Votes(Vote::Collective(message))
}

/// Where a peer stands in every roster of these tests.
fn position(peer: PeerId) -> u16 {
    (0..10).find(|at| PeerId::of(key(*at).public()) == peer).unwrap()
}

#[test]
fn withheld_responses_cost_time_alone() {
    for (size, players) in [(4, vec![2]), (7, vec![2, 5]), (10, vec![1, 4, 9])] {
        let withhold = |_: &mut dyn CryptoRng, _, sent: Sent| {
            let withheld = matches!(cosi_of(&sent.1), Some(CosiMessage::Response(_)));
            if withheld { vec![] } else { vec![sent] }
        };
        let (cluster, blamed, _) = play(size, Network::default(), &players, withhold);
        assert!(blamed.is_empty(), "to be silent is no fault");
        assert!(cluster.sim.now() < Time::at(MINUTE), "{size}");
    }
}

#[test]
fn silent_members_cost_time_alone() {
    for (size, players) in [(4, vec![3]), (7, vec![2, 5]), (7, vec![0, 1]), (10, vec![0, 4, 9])] {
        let (_, blamed, _) = play(size, Network::default(), &players, |_, _, _| vec![]);
        assert!(blamed.is_empty());
    }
}

#[test]
fn garbage_responses_convict() {
    for (size, players) in [(4, vec![2]), (7, vec![2, 5]), (10, vec![1, 4, 9])] {
        let garble = |_: &mut dyn CryptoRng, peer, (to, message): Sent| {
            let Some(CosiMessage::Response(said)) = cosi_of(&message) else {
                return vec![(to, message)];
            };
            let what = Response { response: [1; 32], ..said.what.clone() };
            let said = Said::new(&key(position(peer)), what);
            vec![(to, collective(CosiMessage::Response(said)))]
        };
        let all: BTreeSet<_> = players.iter().copied().collect();
        let (cluster, _, convicted) = play(size, Network::default(), &players, garble);
        assert_eq!(convicted, all);
        assert!(cluster.all_collective(), "convicts are not asked again");
    }
}

#[test]
fn more_withheld_than_a_quorum_can_spare_is_finished_singly() {
    // Two of four cosign nothing, and vote singly.
    let withhold = |_: &mut dyn CryptoRng, _, sent: Sent| {
        let withheld = matches!(cosi_of(&sent.1), Some(CosiMessage::Response(_)));
        if withheld { vec![] } else { vec![sent] }
    };
    let (cluster, blamed, _) = play(4, Network::default(), &[2, 3], withhold);
    assert!(blamed.is_empty());
    for height in 1..=5 {
        assert!(!cluster.decided(0, height).collective && !cluster.decided(1, height).collective);
        assert_eq!(cluster.decided(1, height).view, byzcoin::View::ZERO);
    }
}

#[test]
fn a_leader_that_does_not_run_cosi_is_voted_for_singly() {
    let mute = |_: &mut dyn CryptoRng, _, sent: Sent| {
        if cosi_of(&sent.1).is_some() { vec![] } else { vec![sent] }
    };
    let (cluster, blamed, _) = play(4, Network::default(), &[0], mute);
    assert!(blamed.is_empty());
    for height in 1..=5 {
        assert!(!cluster.decided(1, height).collective);
        assert_eq!(cluster.decided(1, height).view, byzcoin::View::ZERO, "within its view");
    }
}

#[test]
fn two_challenges_in_one_session_convict_their_leader() {
    for size in [4, 7] {
        let twice = |_: &mut dyn CryptoRng, _, (to, message): Sent| {
            let Some(CosiMessage::Challenge(said, nonce)) = cosi_of(&message) else {
                return vec![(to, message)];
            };
            let [first, second] = said.what.commitments;
            let what = Challenge { commitments: [second, first], ..said.what.clone() };
            let other = CosiMessage::Challenge(Said::new(&key(0), what), *nonce);
            vec![(to.clone(), message.clone()), (to, collective(other))]
        };
        let (_, blamed, convicted) = play(size, Network::default(), &[0], twice);
        assert_eq!(blamed, BTreeSet::from([(0, FaultKind::Equivocation)]));
        assert_eq!(convicted, BTreeSet::from([0]));
    }
}

#[test]
fn nobody_cosigns_what_nobody_voted_for() {
    for kind in [Kind::Prepare, Kind::Commit] {
        // The leader announces and challenges on another block, of the same height and view.
        let swap = move |_: &mut dyn CryptoRng, _, (to, message): Sent| {
            let replaced = |bytes: &StatementBytes, session: &Session| {
                let domain = bytes.len() - 117;
                let said = Statement::decode(&bytes[domain..]).unwrap();
                let other = Statement { kind, digest: [7; 32], ..said };
                let bytes = StatementBytes::new(other.to_signed()).unwrap();
                (Session { statement: Digest::of(&bytes), ..session.clone() }, bytes)
            };
            let swapped = match cosi_of(&message) {
                Some(CosiMessage::Announcement(said, bytes)) => {
                    let (session, bytes) = replaced(bytes, &said.what);
                    CosiMessage::Announcement(Said::new(&key(0), session), bytes)
                }
                Some(CosiMessage::Challenge(said, nonce)) => {
                    let Challenge { mask, commitments, .. } = said.what.clone();
                    let (session, statement) = replaced(&said.what.statement, &said.what.session);
                    let what = Challenge { session, mask, commitments, statement };
                    CosiMessage::Challenge(Said::new(&key(0), what), *nonce)
                }
                _ => return vec![(to, message)],
            };
            vec![(to, collective(swapped))]
        };
        let (cluster, _, _) = play(4, Network::default(), &[0], swap);
        // No honest member committed to a nonce for it, nor responded.
        for member in 1..4 {
            let sent = &cluster.sim.counters(cluster.peers[member]).unwrap().sent_by_label;
            assert!(sent.contains_key("single"), "{sent:?}");
            assert!(!sent.contains_key("commitment") && !sent.contains_key("response"));
        }
        assert!((1..=5).all(|height| !cluster.decided(1, height).collective));
    }
}

#[test]
fn two_single_votes_in_one_slot_convict() {
    let both = |_: &mut dyn CryptoRng, peer, (to, message): Sent| {
        let Some(CosiMessage::Response(_)) = cosi_of(&message) else {
            return if is_single(&message) { vec![] } else { vec![(to, message)] };
        };
        let roster = crate::common::roster(4);
        let signer = position(peer);
        let scope = crate::cluster::config(&roster, signer).scope();
        let votes = [1, 2].map(|digest| {
            let height = byzcoin::Height::FIRST;
            let statement =
                scope.statement(Kind::Prepare, height, byzcoin::View::ZERO, [digest; 32]);
            let signature = certificate::sign(&key(signer), &roster.id(), &statement.to_signed());
            let vote = Single { statement, signer, signature };
            (to.clone(), Message::Votes(Vote::Single(vote)))
        });
        votes.into()
    };
    let (_, blamed, convicted) = play(4, Network::default(), &[3], both);
    assert_eq!(blamed, BTreeSet::from([(3, FaultKind::Equivocation)]));
    assert_eq!(convicted, BTreeSet::from([3]));
}

/// Drops, doubles, garbles, redirects and repeats, as chance has it.
#[test]
fn whatever_they_play_the_others_decide_and_are_not_blamed() {
    for seed in 0..24 {
        let (size, players) = [(4, vec![0]), (4, vec![3]), (7, vec![0, 3]), (7, vec![1, 2])]
            [usize::try_from(seed % 4).unwrap()]
        .clone();
        let mut heard: Vec<Msg> = vec![];
        let any = move |rng: &mut dyn CryptoRng, peer, (to, message): Sent| {
            heard.push(message.clone());
            let again = usize::try_from(rng.next_u64()).unwrap() % heard.len();
            let again = heard[again].clone();
            match rng.next_u32() % 10 {
                0 => vec![],
                1 => vec![(to.clone(), message.clone()), (to, message)],
                2 => vec![(to, message), (To::All, again)],
                3 => vec![(To::All, message)],
                4 => match cosi_of(&message) {
                    Some(CosiMessage::Response(said)) => {
                        let what = Response { response: [1; 32], ..said.what.clone() };
                        let said = Said::new(&key(position(peer)), what);
                        vec![(to, collective(CosiMessage::Response(said)))]
                    }
                    Some(CosiMessage::Challenge(said, nonce)) => {
                        let [first, second] = said.what.commitments;
                        let what = Challenge { commitments: [second, first], ..said.what.clone() };
                        let said = Said::new(&key(position(peer)), what);
                        vec![(to, collective(CosiMessage::Challenge(said, *nonce)))]
                    }
                    _ => vec![(to, again)],
                },
                _ => vec![(to, message)],
            }
        };
        let network = Cluster::jittered(seed, if seed % 3 == 0 { 30 } else { 0 }, 20);
        let _ = play(size, network, &players, any);
    }
}
