//! Whatever an honest member said convicts nobody, however it is put together; what a faulty one
//! said convicts it alone, and under its own roster alone.

use cosi::{
    blame,
    challenge::Challenge,
    domain::BLAME,
    machine::{Evidence, Signed},
    mask::Mask,
    message::{Account, Commitment, Message, Named, Quote, Response, Said, Speech, Sum, Tuple},
    nonce::NonceId,
    roster::Roster,
    tree::Shape,
    wire::{BoundedBytes, BoundedVec, Wire},
};
use curve25519_dalek::{EdwardsPoint, Scalar};

use crate::{
    attacks::{again, first_tree, heads, wrong_response, wrong_sum, wrong_sums},
    grove::{Grove, grove, honestly, kary, key, roster},
    scene::{ME, Scene, Script, the_tuple},
};

fn signed<T: Speech>(said: &Said<T>) -> Signed {
    let statement = BoundedBytes::new(said.what.encode()).unwrap();
    Signed { statement, signature: said.signature }
}

fn verdict<const N: usize>(statements: [Signed; N], roster: &Roster) -> Option<u16> {
    let evidence =
        Evidence { domain: BLAME, statements: BoundedVec::new(statements.into()).unwrap() };
    assert_eq!(Evidence::decode(&evidence.encode()).as_ref(), Ok(&evidence));
    blame::verify(&evidence, roster).map(|culprit| culprit.get())
}

/// All that was said in a run.
#[derive(Default)]
struct Words {
    challenges: Vec<Signed>,
    pairs: Vec<(u16, Signed)>,
    responses: Vec<(u16, Signed)>,
    accounts: Vec<(u16, Signed)>,
    sums: Vec<(u16, Signed)>,
}

impl Words {
    fn of(grove: &Grove) -> Self {
        let mut words = Self::default();
        for (from, _, message) in grove.log.borrow().iter() {
            let pair = |said: &Said<Commitment>| (*from, signed(said));
            let tuple = |said: &Said<Tuple>| (*from, signed(said));
            match message {
                Message::Challenge(said, _) => words.challenges.push(signed(said)),
                Message::Commitment(said) => words.pairs.push(pair(said)),
                Message::Response(said) => {
                    words.responses.push((*from, signed(said)));
                    words.pairs.push(pair(&said.what.ahead));
                }
                Message::Tuple(said, _) => words.pairs.push(tuple(said)),
                Message::Sum(said, ahead) => {
                    words.sums.push((*from, signed(said)));
                    words.pairs.push(tuple(ahead));
                }
                Message::Account(said, _) => {
                    words.accounts.push((*from, signed(said)));
                    words.responses.push((*from, signed(&said.what.response)));
                }
                _ => {}
            }
        }
        words.challenges.sort_by(|a, b| a.statement.cmp(&b.statement));
        words.challenges.dedup();
        words
    }

    /// Whom any of it convicts, in whatever combination.
    fn convict(&self, roster: &Roster) -> Vec<u16> {
        let mut convicted = vec![];
        for (from, account) in &self.accounts {
            convicted.extend(verdict([account.clone()], roster));
            for (_, sum) in self.sums.iter().filter(|(by, _)| by == from) {
                convicted.extend(verdict([account.clone(), sum.clone()], roster));
            }
        }
        for (from, response) in &self.responses {
            for (_, pair) in self.pairs.iter().filter(|(by, _)| by == from) {
                for challenge in &self.challenges {
                    let story = [challenge.clone(), pair.clone(), response.clone()];
                    convicted.extend(verdict(story, roster));
                }
            }
        }
        convicted.sort_unstable();
        convicted.dedup();
        convicted
    }
}

/// A head withholds or lies in each way: of all that anybody said nothing convicts but what the
/// liar said against itself.
#[test]
fn words_of_the_honest_convict_nobody() {
    for (shape, lie) in [(kary(2), 0), (Shape::Groups, 1), (kary(3), 2), (kary(2), 3)] {
        let tree = first_tree(15, shape);
        let head = heads(&tree)[0];
        let mut grove = grove(15, shape);
        grove.corrupt([head], move |_, output| {
            let tell = |(to, message)| {
                let message = match (lie, message) {
                    (0, Message::Sum(..)) => return None,
                    (1 | 2, Message::Sum(said, ahead)) => Message::Sum(wrong_sum(said), ahead),
                    (2, Message::Account(said, ahead)) => {
                        let share = |what: Account| Account {
                            response: wrong_response(what.response),
                            ..what
                        };
                        Message::Account(again(said, share), ahead)
                    }
                    (3, Message::Tuple(said, session)) => {
                        Message::Tuple(again(said, wrong_sums), session)
                    }
                    (_, message) => message,
                };
                Some((to, message))
            };
            honestly(output.into_iter().filter_map(tell).collect())
        });
        for statement in [b"x", b"y"] {
            grove.sign(statement, 14);
        }
        let words = Words::of(&grove);
        assert!(!words.accounts.is_empty() && words.sums.len() > 10);
        let expected = if matches!(lie, 1 | 2) { vec![head] } else { vec![] };
        assert_eq!(words.convict(&grove.roster), expected, "{lie}");
        assert_eq!(words.convict(&roster(16)), vec![0u16; 0], "another roster with the same keys");
    }
}

/// A member answered, its children with whatever they liked; and its account.
fn told(children: [u64; 2]) -> (Scene, Script, Challenge, Said<Sum>, Said<Account>) {
    let mut scene = Scene::ready();
    let script = scene.scripts(0, b"M").next().unwrap();
    scene.hear(script.parent, script.call());
    let mut heard = vec![];
    for child in script.children {
        heard = scene.hear(child, script.tuple(script.leaf(child)));
    }
    let (_, tuple) = the_tuple(&heard);
    let signers = [&[0, ME][..], &script.children].concat();
    let challenge = script.challenge(&tuple, &signers, 7);
    scene.hear(0, script.signed(&challenge, tuple.nonce));
    for (child, s) in script.children.into_iter().zip(children) {
        let sum = Scalar::from(s).to_bytes();
        heard = scene.hear(child, script.said_sum(Sum { sum, ..script.sum(&challenge, child) }));
    }
    let [(_, Message::Sum(sum, _))] = &heard[..] else { panic!("{heard:?}") };
    let sum = sum.clone();
    let heard = scene.hear(0, script.inquiry(&challenge));
    let [(_, Message::Account(account, _))] = &heard[..] else { panic!("{heard:?}") };
    let account = account.clone();
    (scene, script, challenge, sum, account)
}

/// Children that answer wrongly, and change their mind, frame nobody: the member adds up what each
/// said first, and quotes it.
#[test]
fn wrong_children_frame_no_parent() {
    let (scene, script, challenge, sum, account) = told([77, 78]);
    let roster = &scene.roster;
    assert_eq!(verdict([signed(&account)], roster), None);
    assert_eq!(verdict([signed(&account), signed(&sum)], roster), None);
    let tuple = signed(&account.what.tuple);
    let leader = Said::new(&key(0), challenge.clone());
    let response = signed(&account.what.response);
    assert_eq!(verdict([signed(&leader), tuple.clone(), response.clone()], roster), None);
    // A leader that makes up another challenge, other sums or other children.
    let mut other = challenge.clone();
    other.commitments.swap(0, 1);
    let other = Said::new(&key(0), other);
    assert_eq!(verdict([signed(&other), tuple, response.clone()], roster), None);
    let sums = EdwardsPoint::mul_base(&Scalar::ONE).compress().to_bytes();
    let forged = Tuple { own: [sums; 2], ..account.what.tuple.what.clone() };
    let forged = Said { what: forged, signature: account.what.tuple.signature };
    assert_eq!(verdict([signed(&leader), signed(&forged), response], roster), None);
    for lie in 0..4 {
        let mut what = account.what.clone();
        let mut children = what.children.into_inner();
        match lie {
            0 => children[0].1 = None,
            1 => children[0].1.as_mut().unwrap().sum = [3; 32],
            2 => children[0].0.sums = children[0].0.sums.map(|_| sums),
            _ => drop(children.pop()),
        }
        what.children = BoundedVec::new(children).unwrap();
        // It would take the member's own signature.
        for signature in [account.signature, Said::new(&key(0), what.clone()).signature] {
            let forged = Said { what: what.clone(), signature };
            assert_eq!(verdict([signed(&forged)], roster), None, "{lie}");
            assert_eq!(verdict([signed(&forged), signed(&sum)], roster), None, "{lie}");
        }
    }
    // Nor does what a child said convict its parent, or the other way round.
    let child = Said::new(&key(script.children[0]), script.sum(&challenge, script.children[0]));
    assert_eq!(verdict([signed(&account), signed(&child)], roster), None);
}

/// What convicts: each rule, broken by the member's own hand, and nothing close to it.
#[test]
fn what_a_member_signs_against_itself_convicts_it() {
    let (scene, _, challenge, sum, account) = told([5, 6]);
    let roster = &scene.roster;
    let resaid = |change: &dyn Fn(Account) -> Account| again(account.clone(), change);
    let wrong = |sum: &Said<Sum>| [signed(&account), signed(sum)];
    assert_eq!(verdict(wrong(&wrong_sum(sum.clone())), roster), Some(ME));
    assert_eq!(verdict(wrong(&wrong_sum(sum.clone())), &self::roster(16)), None);
    // Of another challenge, or with another pair: another story.
    let other = again(wrong_sum(sum.clone()), |what| Sum { nonce: NonceId([1; 16]), ..what });
    assert_eq!(verdict(wrong(&other), roster), None);
    let mut elsewhere = challenge.clone();
    elsewhere.session.attempt += 1;
    let other = again(wrong_sum(sum.clone()), |what| Sum { challenge: elsewhere.id(), ..what });
    assert_eq!(verdict(wrong(&other), roster), None);
    // Without a child's answer there is no telling what the sum should be.
    let open = resaid(&|mut what| {
        let mut children = what.children.into_inner();
        children[1].1 = None;
        what.children = BoundedVec::new(children).unwrap();
        what
    });
    assert_eq!(verdict([signed(&open), signed(&wrong_sum(sum.clone()))], roster), None);
    // A wrong share, by its tuple.
    let leader = Said::new(&key(0), challenge);
    let tuple = &account.what.tuple;
    let response = wrong_response(account.what.response.clone());
    let story = [signed(&leader), signed(tuple), signed(&response)];
    assert_eq!(verdict(story.clone(), roster), Some(ME));
    assert_eq!(verdict(story, &self::roster(16)), None);
    // A wrong tuple: only if it names those children.
    let lied = resaid(&|what| Account { tuple: again(what.tuple, wrong_sums), ..what });
    assert_eq!(verdict([signed(&lied)], roster), Some(ME));
    assert_eq!(verdict([signed(&lied)], &self::roster(16)), None);
    let unnamed = resaid(&|what| {
        let children = BoundedVec::new(what.children[..1].to_vec()).unwrap();
        Account { children, ..what }
    });
    assert_eq!(verdict([signed(&unnamed)], roster), None);
    let response =
        |what: Account| Account { response: Said::new(&key(2), what.response.what), ..what };
    assert_eq!(verdict([signed(&resaid(&response))], roster), None);
    assert_eq!(verdict([signed(&again(lied, response))], roster), None, "half of it is forged");
}

/// Evidence holds what it must, at its largest.
#[test]
fn the_largest_account_is_evidence() {
    let tuple = Tuple {
        roster: roster(4).id(),
        leader: 0,
        plan: cosi::tree::PlanId([2; 32]),
        member: 1,
        nonce: NonceId([3; 16]),
        own: [[1; 32]; 2],
        sums: [[1; 32]; 2],
        mask: Mask::from_bytes(vec![0; 8192]).unwrap(),
        children: [5; 32],
    };
    let nonce = NonceId([3; 16]);
    let ahead =
        Commitment { roster: tuple.roster, leader: 0, member: 1, nonce, points: [[1; 32]; 2] };
    let challenge = cosi::challenge::ChallengeId([1; 32]);
    let ahead = Said::new(&key(1), ahead);
    let response = Response { challenge, member: 1, nonce, response: [1; 32], ahead };
    let named = Named { member: 2, nonce, tuple: [1; 32], sums: [[1; 32]; 2] };
    let quote = Quote { sum: [1; 32], signature: Said::new(&key(1), tuple.clone()).signature };
    let children = vec![(named, Some(quote)); cosi::tree::MAX_CHILDREN];
    let account = |children| {
        let (tuple, response) =
            (Said::new(&key(1), tuple.clone()), Said::new(&key(1), response.clone()));
        Account { tuple, response, children: BoundedVec::new(children).unwrap() }
    };
    let largest = Said::new(&key(1), account(children.clone()));
    assert_eq!(largest.what.encode().len(), 62_850, "of 65,536");
    assert_eq!(verdict([signed(&largest)], &roster(4)), None);
    let one_more = [&children[..], &children[..1]].concat();
    assert!(BoundedVec::<_, { cosi::tree::MAX_CHILDREN }>::new(one_more).is_none());
}
