//! The network over TCP among members that behave.

use std::{collections::BTreeMap, time::Duration};

use cosi::{
    machine::To,
    tokio::{
        Network, Tcp,
        tcp::{Config, Error, Limits},
    },
};
use tokio::{io::AsyncWriteExt, net::TcpListener, time::Instant};

use crate::common::{
    Note, Party, config, honest, key, limits, listen, millis, note, padded, parties, party, soon,
    until,
};

#[tokio::test]
async fn messages_reach_whom_they_are_for_in_order() {
    let [mut ada, mut bob, mut cyd] = parties(3, 3, limits()).await.try_into().ok().unwrap();
    ada.network.send(To::All, note(1));
    ada.network.send(To::One(1), note(2));
    ada.network.send(To::Some(vec![2, 1, 0]), note(3));
    ada.network.send(To::Some(vec![9, 2]), note(4));
    for (party, expected) in [(&mut bob, &[1, 2, 3][..]), (&mut cyd, &[1, 3, 4])] {
        for number in expected {
            assert_eq!(party.number_from(0).await, *number);
        }
    }
    assert_eq!(ada.number_from(0).await, 3, "what it says to itself");
    assert_eq!(ada.handle.strays(), 1, "9 is nobody");

    let (sent, got) = (ada.with(1), bob.with(0));
    assert_eq!((sent.frames_out, sent.bytes_out, sent.dropped), (3, 48, 0));
    assert_eq!((got.frames_in, got.bytes_in, got.malformed), (3, 48, 0));
    assert!(sent.connected && sent.connects == 1 && got.accepts == 1);
}

#[tokio::test]
async fn messages_up_to_the_limit_arrive_and_longer_ones_are_not_sent() {
    let [mut ada, mut bob] = parties(2, 2, limits()).await.try_into().ok().unwrap();
    for (number, bytes) in [(1, 65_536 - 12), (2, 65_536 - 11), (3, 0)] {
        ada.network.send(To::All, padded(number, bytes));
    }
    assert_eq!(bob.recv().await, (0, Ok(padded(1, 65_524))));
    assert_eq!(bob.recv().await, (0, Ok(note(3))));
    assert_eq!(ada.with(1).dropped, 1);
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_and_hears_what_waited_in_order() {
    let [mut ada, mut bob] = parties(2, 2, limits()).await.try_into().ok().unwrap();
    ada.send(1, 0);
    assert_eq!(bob.number_from(0).await, 0);
    let address = bob.address();
    bob.stop().await;
    until(|| !ada.with(1).connected).await;
    (1..=100).for_each(|number| ada.send(1, number));

    let listener = TcpListener::bind(address).await.unwrap();
    let addresses = BTreeMap::from([(0, ada.address())]);
    let mut bob = party(listener, config(1, 2, &addresses, limits()));
    for number in 1..=100 {
        assert_eq!(bob.number_from(0).await, number);
    }
    bob.send(0, 7);
    assert_eq!(ada.number_from(1).await, 7);
    assert_eq!((ada.with(1).connects, ada.with(1).dropped), (2, 0));
}

#[tokio::test]
async fn a_peer_that_moves_is_found_where_it_is_said_to_be() {
    let [mut ada] = parties(1, 2, limits()).await.try_into().ok().unwrap();
    ada.send(1, 1);
    let mut bob = party(listen().await, config(1, 2, &BTreeMap::new(), limits()));
    ada.handle.relocate(1, bob.address());
    assert_eq!(bob.number_from(0).await, 1);
    bob.stop().await;
    let mut bob = party(listen().await, config(1, 2, &BTreeMap::new(), limits()));
    ada.handle.relocate(1, bob.address());
    until(|| ada.with(1).connects == 2).await;
    ada.send(1, 2);
    // What was on its way when the first one went is lost; this is not.
    assert_eq!(bob.number_from(0).await, 2);
}

#[tokio::test]
async fn what_waits_for_who_is_away_is_bounded_and_the_newest() {
    let limits = Limits { outbox_frames: 10, ..limits() };
    let [mut ada] = parties(1, 2, limits).await.try_into().ok().unwrap();
    (1..=1000).for_each(|number| ada.send(1, number));
    assert_eq!(ada.with(1).dropped, 990);
    let mut bob = party(listen().await, config(1, 2, &BTreeMap::new(), limits));
    ada.handle.relocate(1, bob.address());
    for number in 991..=1000 {
        assert_eq!(bob.number_from(0).await, number);
    }
}

#[tokio::test]
async fn dropping_the_network_sends_what_waits_and_lingers_no_longer_than_allowed() {
    let limits = Limits { linger: millis(500), ..limits() };
    // Cyd is somewhere where nobody is.
    let gone = listen().await.local_addr().unwrap();
    let (near, far) = (listen().await, listen().await);
    let addresses = BTreeMap::from([(1, far.local_addr().unwrap()), (2, gone)]);
    let mut ada = party(near, config(0, 3, &addresses, limits));
    let mut bob = party(far, config(1, 3, &BTreeMap::new(), limits));
    (1..=1000).for_each(|number| ada.network.send(To::All, padded(number, 1000)));
    let began = Instant::now();
    drop(ada.network);
    for number in 1..=1000 {
        assert_eq!(bob.number_from(0).await, number);
    }
    soon(ada.handle.closed()).await;
    assert!(began.elapsed() >= limits.linger, "Cyd may still have come");
    assert!(began.elapsed() < limits.linger + Duration::from_secs(5));

    // Without anything to send there is nothing to wait for.
    let long = Limits { linger: Duration::from_secs(1000), ..limits };
    let ada = party(listen().await, config(0, 3, &addresses, long));
    ada.stop().await;
}

#[tokio::test]
async fn a_host_that_shows_no_life_is_dialled_again() {
    let listener = listen().await;
    let addresses = BTreeMap::from([(1, listener.local_addr().unwrap())]);
    let limits = Limits { patience: millis(500), ..limits() };
    let ada = party(listen().await, config(0, 2, &addresses, limits));
    let mut silent = Vec::new();
    for connects in 1..=3 {
        let mut stream = soon(honest(1).accept(&listener)).await.unwrap();
        stream.write_all(b"welcome\n").await.unwrap();
        until(|| ada.with(1).connects == connects).await;
        silent.push(stream);
    }
    // One that beats stays.
    let mut stream = soon(honest(1).accept(&listener)).await.unwrap();
    stream.write_all(b"welcome\n").await.unwrap();
    for _ in 0..20 {
        tokio::time::sleep(millis(60)).await;
        stream.write_all(&[0]).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert!(ada.with(1).connected);
    assert_eq!(ada.with(1).connects, 4);
}

#[tokio::test]
async fn a_quiet_connection_stays_up() {
    let limits =
        Limits { beat: millis(20), patience: millis(400), frame_time: millis(50), ..limits() };
    let [mut ada, mut bob] = parties(2, 2, limits).await.try_into().ok().unwrap();
    ada.is_connected_to(1).await;
    tokio::time::sleep(millis(1200)).await;
    ada.send(1, 1);
    assert_eq!(bob.number_from(0).await, 1);
    assert_eq!(ada.with(1).connects, 1);
}

#[tokio::test]
async fn a_configuration_that_cannot_hold_is_refused() {
    let start = async |config: Config<u8>| {
        Tcp::<u8, Note>::start(listen().await, config).map(|_| ()).unwrap_err()
    };
    let fine = config(0, 3, &BTreeMap::new(), limits());
    let mut twice = fine.clone();
    twice.peers.insert(7, twice.peers[&1]);
    assert_eq!(start(twice).await, Error::Twice);
    let mut again = fine.clone();
    again.peers.insert(7, again.peers[&0]);
    assert_eq!(start(again).await, Error::Twice);
    let stranger = Config { key: key(9), ..fine.clone() };
    assert_eq!(start(stranger).await, Error::Stranger);
    for len in [0, 256] {
        let config = Config { protocol: vec![b'p'; len], ..fine.clone() };
        assert_eq!(start(config).await, Error::Protocol(len));
    }
    let longest = Config { protocol: vec![b'p'; 255], ..fine };
    assert!(Tcp::<u8, Note>::start(listen().await, longest).is_ok());
}

#[tokio::test]
async fn hosts_that_speak_different_protocols_do_not_connect() {
    let listener = listen().await;
    let addresses = BTreeMap::from([(1, listener.local_addr().unwrap())]);
    let ada = party(listen().await, config(0, 2, &addresses, limits()));
    let mut other = config(1, 2, &BTreeMap::new(), limits());
    other.protocol = b"letters".to_vec();
    let bob: Party = party(listener, other);
    until(|| bob.handle.refused() >= 3).await;
    assert_eq!((ada.with(1).connects, bob.with(0).accepts), (0, 0));
}
