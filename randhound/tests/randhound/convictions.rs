//! Evidence convicts whoever broke a rule in this session, and nobody else.

use cosi::{
    domain::{BLAME, RANDHOUND_BLAME},
    keys::Signature,
    machine::{Evidence, Signed},
    wire::{BoundedBytes, BoundedVec, Wire},
};
use randhound::{
    Peer, Session, Terms, blame,
    message::{ByClient, Dealing, Said, Statement},
};

use crate::{
    common::{World, deal_again, dealings, rng, world},
    stage::{Plot, pick},
};

fn signed<T: Wire>(what: &T, signature: Signature) -> Signed {
    Signed { statement: BoundedBytes::new(what.encode()).unwrap(), signature }
}

fn verdict(session: &Session, statements: &[Signed]) -> Option<Peer> {
    let statements = BoundedVec::new(statements.to_vec()).unwrap();
    blame::verify(&Evidence { domain: RANDHOUND_BLAME, statements }, session)
}

fn elsewhere() -> World {
    let world = world(4, 4);
    let terms = Terms { slot: 4, ..world.terms.clone() };
    World { terms, ..world }
}

#[test]
fn a_client_answers_for_two_statements_of_its_own_in_one_session() {
    let (world, elsewhere) = (world(4, 4), elsewhere());
    let session = world.session();
    let said = |it: &ByClient<Statement>| signed(&it.what, it.signature);
    let [one, other] =
        [false, true].map(|last| Plot::honest(&world, pick(&world, &dealings(&world), last)));
    let foreign = Plot::honest(&elsewhere, pick(&elsewhere, &dealings(&elsewhere), false));
    let [one, other, foreign] = [one, other, foreign].map(|plot| plot.statement);
    let forged = said(&ByClient::new(&world.keys[0], other.what.clone()));
    let [one, other, foreign] = [one, other, foreign].map(|it| said(&it));

    let both = [one.clone(), other.clone()];
    assert_eq!(verdict(&session, &both), Some(Peer::Client));
    assert_eq!(verdict(&elsewhere.session(), &both), None);
    let statements = BoundedVec::new(both.to_vec()).unwrap();
    assert_eq!(blame::verify(&Evidence { domain: BLAME, statements }, &session), None);
    for [first, second] in [[&one, &one], [&one, &foreign], [&one, &forged]] {
        assert_eq!(verdict(&session, &[first.clone(), second.clone()]), None);
        assert_eq!(verdict(&session, &[second.clone(), first.clone()]), None);
    }
    assert_eq!(verdict(&session, &[]), None);
    assert_eq!(verdict(&session, core::slice::from_ref(&one)), None);
    assert_eq!(verdict(&session, &[one.clone(), other, one]), None);
}

#[test]
fn a_server_answers_for_two_deals_of_its_own_in_one_session_and_for_a_bad_one() {
    let (world, elsewhere) = (world(4, 4), elsewhere());
    let session = world.session();
    let said = |it: &Said<Dealing>| signed(&it.what, it.signature);
    let dealt = dealings(&world);
    let again = deal_again(&world, &session, &dealt[0], &mut rng(3));
    let bad = deal_again(&world, &elsewhere.session(), &dealt[0], &mut rng(3));
    let foreign = dealings(&elsewhere).swap_remove(0);
    let forged = said(&Said::new(&world.keys[1], again.what.clone()));
    let forged_bad = said(&Said::new(&world.keys[1], bad.what.clone()));
    let [one, anothers] = [0, 1].map(|at: usize| said(&dealt[at]));
    let [again, bad, foreign] = [again, bad, foreign].map(|it| said(&it));

    let zero = Some(Peer::Server(world.index(0)));
    let both = [one.clone(), again.clone()];
    assert_eq!(verdict(&session, &both), zero);
    assert_eq!(verdict(&elsewhere.session(), &both), None);
    for second in [&one, &anothers, &foreign, &forged] {
        assert_eq!(verdict(&session, &[one.clone(), second.clone()]), None);
        assert_eq!(verdict(&session, &[second.clone(), one.clone()]), None);
    }

    assert_eq!(verdict(&session, &[bad]), zero);
    // The foreign one holds in its own session, and the bad one was not its dealer's.
    for sound in [one, again, anothers, foreign, forged_bad] {
        assert_eq!(verdict(&session, &[sound]), None);
    }
}
