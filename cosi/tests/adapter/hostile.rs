//! The network over TCP among strangers, and members that misbehave.

use std::{collections::BTreeMap, time::Duration};

use cosi::{
    machine::To,
    tokio::{Network, tcp::Limits},
    wire::DecodeError,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::common::{
    Claim, config, honest, limits, listen, millis, on_the_wire, padded, parties, party, soon, until,
};

/// Of members 0 to 3, 0 and 1 are hosts that behave. 9 is a stranger.
async fn two_of_four(limits: Limits) -> [crate::common::Party; 2] {
    let parties = parties(2, 4, limits).await;
    let [ada, bob] = parties.try_into().ok().unwrap();
    ada.is_connected_to(1).await;
    bob.is_connected_to(0).await;
    [ada, bob]
}

#[tokio::test]
async fn nobody_enters_without_a_members_secret() {
    let [mut ada, mut bob] = two_of_four(limits()).await;
    let address = ada.address();
    for (who, claim) in [
        ("a stranger", honest(9)),
        ("a stranger with a member's key", Claim { shows: Some(2), has: 9, ..honest(9) }),
        ("a member with another's key", Claim { shows: Some(2), has: 3, ..honest(3) }),
        ("a stranger with the host's own key", Claim { shows: Some(0), has: 9, ..honest(9) }),
        ("the host's own key, by its owner", honest(0)),
        ("nobody", Claim { shows: None, ..honest(2) }),
        ("a member that speaks nothing", Claim { protocol: None, ..honest(2) }),
        ("a member that speaks another", Claim { protocol: Some(b"other"), ..honest(2) }),
    ] {
        let before = ada.handle.refused();
        assert!(claim.is_refused(address).await, "{who}");
        until(|| ada.handle.refused() == before + 1).await;
    }
    assert_eq!((ada.with(2).accepts, ada.with(3).accepts), (0, 0));
    // The same means let a member in, so it was not they that failed.
    honest(2).enter(address).await.write_all(&on_the_wire(5)).await.unwrap();
    assert_eq!(ada.number_from(2).await, 5);
    bob.send(0, 6);
    assert_eq!(ada.number_from(1).await, 6, "nothing of the others' came in");
}

#[tokio::test]
async fn nobody_is_told_anything_without_the_secret_of_whom_it_is_for() {
    let listener = listen().await;
    let addresses = BTreeMap::from([(2, listener.local_addr().unwrap())]);
    let mut ada = party(listen().await, config(0, 4, &addresses, limits()));
    ada.send(2, 1);
    for claim in [
        honest(9),
        honest(3),
        Claim { shows: Some(2), has: 9, ..honest(9) },
        Claim { shows: Some(2), has: 3, ..honest(3) },
        Claim { protocol: None, ..honest(2) },
    ] {
        let attempt = async {
            let mut stream = claim.accept(&listener).await?;
            stream.write_all(b"welcome\n").await?;
            stream.flush().await?;
            stream.read_u8().await
        };
        assert!(soon(attempt).await.is_err());
        assert_eq!((ada.with(2).connects, ada.with(2).frames_out), (0, 0));
    }
    let mut stream = soon(honest(2).accept(&listener)).await.unwrap();
    stream.write_all(b"welcome\n").await.unwrap();
    let mut frame = [0; 16];
    soon(stream.read_exact(&mut frame)).await.unwrap();
    assert_eq!(frame[..], on_the_wire(1));
}

#[tokio::test]
async fn a_member_speaks_for_itself_wherever_it_stands() {
    let [mut ada, _bob] = two_of_four(limits()).await;
    let mut two = honest(2).enter(ada.address()).await;
    let mut three = honest(3).enter(ada.address()).await;
    for number in 0..10 {
        two.write_all(&on_the_wire(number)).await.unwrap();
        assert_eq!(ada.number_from(2).await, number);
        three.write_all(&on_the_wire(number)).await.unwrap();
        assert_eq!(ada.number_from(3).await, number);
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_a_fault_and_shut_the_door_for_a_while() {
    for garbage in [
        &[0xff; 64][..],                                       // a huge length
        &[1, 0, 1, 0, 0],                                      // one byte too many
        &[4, 0, 0, 0, 9, 9, 9, 9],                             // truncated
        &[13, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], // trailing
        &[0; 4],                                               // empty
        &[16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1], // hostile
    ] {
        let [mut ada, mut bob] = two_of_four(limits()).await;
        let mut bad = honest(2).enter(ada.address()).await;
        let began = Instant::now();
        bad.write_all(&on_the_wire(1)).await.unwrap();
        bad.write_all(garbage).await.unwrap();
        bad.write_all(&on_the_wire(2)).await.unwrap();
        bad.flush().await.unwrap();
        assert_eq!(ada.number_from(2).await, 1);
        assert_eq!(ada.recv().await, (2, Err(DecodeError)), "{garbage:?}");
        let mut rest = Vec::new();
        soon(bad.read_to_end(&mut rest)).await.ok();
        assert_eq!(ada.with(2).malformed, 1);

        let refused = honest(2).is_refused(ada.address()).await;
        assert!(refused || began.elapsed() >= millis(300), "the door is shut");
        bob.send(0, 3);
        assert_eq!(ada.number_from(1).await, 3);
        tokio::time::sleep(millis(300)).await;
        let mut again = honest(2).enter(ada.address()).await;
        again.write_all(&on_the_wire(4)).await.unwrap();
        assert_eq!(ada.number_from(2).await, 4, "and open again");
    }
}

#[tokio::test]
async fn who_offends_again_waits_twice_as_long() {
    let limits = Limits { penalty: millis(100), penalty_max: millis(400), ..limits() };
    let [mut ada, _bob] = two_of_four(limits).await;
    for penalty in [100, 200, 400, 400] {
        let mut bad = honest(2).enter(ada.address()).await;
        let began = Instant::now();
        bad.write_all(&[0xff; 4]).await.unwrap();
        bad.flush().await.unwrap();
        assert_eq!(ada.recv().await, (2, Err(DecodeError)));
        let shut = Instant::now();
        tokio::time::sleep(millis(penalty / 2)).await;
        let refused = honest(2).is_refused(ada.address()).await;
        assert!(refused || began.elapsed() >= millis(penalty), "{penalty}");
        tokio::time::sleep_until(shut + millis(penalty)).await;
    }
}

#[tokio::test]
async fn half_a_frame_holds_a_connection_for_a_bounded_time() {
    let [mut ada, mut bob] = two_of_four(limits()).await;
    for half in [&[12][..], &[12, 0, 0], &[12, 0, 0, 0], &on_the_wire(1)[..15]] {
        let mut stalled = honest(2).enter(ada.address()).await;
        stalled.write_all(half).await.unwrap();
        stalled.flush().await.unwrap();
        let began = Instant::now();
        bob.send(0, 1);
        assert_eq!(ada.number_from(1).await, 1);
        let mut rest = Vec::new();
        soon(stalled.read_to_end(&mut rest)).await.ok();
        assert!(began.elapsed() < Duration::from_secs(3));
        assert_eq!(ada.with(2).malformed, 0, "a line that breaks is nobody's fault");
    }
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_in_nobodys_way() {
    let limits = Limits { handshakes: 8, handshake: Duration::from_secs(60), ..limits() };
    let [mut ada, mut bob] = two_of_four(limits).await;
    let _idle = honest(3).enter(ada.address()).await;
    let mut silent = Vec::new();
    for number in 0..300 {
        silent.push(TcpStream::connect(ada.address()).await.unwrap());
        if number % 50 == 0 {
            bob.send(0, number);
            assert_eq!(ada.number_from(1).await, number);
        }
    }
    // All but eight were let go, and a member gets in past those.
    until(|| ada.handle.refused() == 292).await;
    let began = Instant::now();
    let mut two = honest(2).enter(ada.address()).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    two.write_all(&on_the_wire(1)).await.unwrap();
    assert_eq!(ada.number_from(2).await, 1);
}

#[tokio::test]
async fn a_handshake_that_stalls_ends() {
    let limits = Limits { handshake: millis(200), ..limits() };
    let [ada, _bob] = two_of_four(limits).await;
    let mut silent = TcpStream::connect(ada.address()).await.unwrap();
    let mut half = TcpStream::connect(ada.address()).await.unwrap();
    half.write_all(&[22, 3, 1, 2]).await.unwrap();
    for stream in [&mut silent, &mut half] {
        let mut rest = Vec::new();
        soon(stream.read_to_end(&mut rest)).await.ok();
        assert_eq!(rest, []);
    }
    until(|| ada.handle.refused() == 2).await;
}

#[tokio::test]
async fn a_member_has_one_connection_however_many_it_opens() {
    let [mut ada, mut bob] = two_of_four(limits()).await;
    let mut older = Vec::new();
    for _ in 0..100 {
        older.push(honest(2).enter(ada.address()).await);
    }
    let mut newest = older.pop().unwrap();
    for (at, mut stream) in older.into_iter().enumerate() {
        if at % 2 == 0 {
            stream.write_all(&on_the_wire(1)).await.ok();
        }
        let mut rest = Vec::new();
        soon(stream.read_to_end(&mut rest)).await.ok();
    }
    newest.write_all(&on_the_wire(2)).await.unwrap();
    assert_eq!(ada.number_from(2).await, 2, "what the older ones said after they were replaced");
    assert_eq!(ada.with(2).accepts, 100);
    bob.send(0, 3);
    assert_eq!(ada.number_from(1).await, 3);
}

#[tokio::test]
async fn one_that_says_much_delays_nobody_and_fills_nothing() {
    let limits = Limits { inbox_frames: 20, inbox_bytes: 30_000, ..limits() };
    let [mut ada, mut bob] = two_of_four(limits).await;
    let mut flood = honest(2).enter(ada.address()).await;
    let (mut reader, mut writer) = tokio::io::split(&mut flood);
    let flooding = async {
        let frame = on_the_wire(1);
        loop {
            writer.write_all(&frame.repeat(1000)).await.unwrap();
        }
    };
    let hearing = async {
        let mut beats = [0; 64];
        while reader.read(&mut beats).await.unwrap() > 0 {}
    };
    let others = async {
        // Nobody listens yet: the lane fills, and then reading stops.
        until(|| ada.with(2).frames_in == 21).await;
        tokio::time::sleep(millis(50)).await;
        assert_eq!(ada.with(2).frames_in, 21, "20 in the lane and one before it");
        for number in 0..20 {
            bob.send(0, number);
        }
        until(|| ada.with(1).frames_in == 20).await;
        // From here on the two take turns.
        let mut heard = Vec::new();
        for _ in 0..40 {
            heard.push(ada.recv().await.0);
        }
        for turns in heard.chunks(10) {
            assert_eq!(turns.iter().filter(|from| **from == 1).count(), 5, "{heard:?}");
        }
    };
    tokio::select! {
        () = flooding => unreachable!(),
        () = hearing => panic!("the connection broke"),
        () = others => {}
    }
}

#[tokio::test]
async fn one_that_does_not_listen_costs_its_sender_an_outbox_and_others_nothing() {
    let limits = Limits { outbox_frames: 100, inbox_frames: 10, ..limits() };
    let [mut ada, mut bob, mut cyd] = parties(3, 3, limits).await.try_into().ok().unwrap();
    cyd.is_connected_to(0).await;
    let last = 2_000;
    for number in 1..=last {
        cyd.network.send(To::All, padded(number, 60_000));
        // Bob listens; Ada does not.
        let (from, heard) = bob.recv().await;
        assert_eq!((from, heard.unwrap().number), (2, number));
    }
    assert_eq!(cyd.with(1).dropped, 0);
    assert!(cyd.with(0).dropped > 1_000, "{:?}", cyd.with(0));
    assert!(cyd.with(0).connected && cyd.with(0).connects == 1, "slow is not gone");
    // What Ada hears, when she does, is in order, and ends with the newest.
    let (mut before, mut heard) = (0, 0);
    while before < last {
        let number = ada.number_from(2).await;
        assert!(number > before);
        (before, heard) = (number, heard + 1);
    }
    assert_eq!(heard + cyd.with(0).dropped, last);
}

#[tokio::test]
async fn a_length_costs_nothing_until_its_bytes_come() {
    let limits = Limits { frame: usize::MAX, frame_time: Duration::from_secs(60), ..limits() };
    let [mut ada, mut bob] = two_of_four(limits).await;
    let mut liar = honest(2).enter(ada.address()).await;
    liar.write_all(&[0xff; 4]).await.unwrap();
    liar.write_all(&[1; 1000]).await.unwrap();
    liar.flush().await.unwrap();
    bob.send(0, 1);
    assert_eq!(ada.number_from(1).await, 1);
    assert!(resident() < 1 << 30, "4 GiB were announced");
}

/// The bytes of memory that this process has, where Linux tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or_default() * 4096
}
