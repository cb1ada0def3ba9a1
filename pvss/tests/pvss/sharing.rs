//! What the crate promises: any t trustees recover, and everybody can check.

use curve25519_dalek::{RistrettoPoint, Scalar, traits::IsIdentity};
use pvss::{
    Chosen, ChosenError, Deal, DealError, KeysError, MAX_TRUSTEES, RecoverError, Scheme, Secret,
    ShareError, ShareKeys, Sharing, SharingError, Trustee, TrusteeError, deal, recover, verify_all,
    verify_groups, verify_shares,
};

use crate::common::*;

const SCHEMES: [Scheme; 2] = [Scheme::Dhpvss, Scheme::Schoenmakers];

/// The encrypted shares as D and C_i.
fn encrypted(deal: &Deal) -> (RistrettoPoint, Vec<RistrettoPoint>) {
    let Deal::Dhpvss(deal) = deal else { panic!("by DHPVSS") };
    (point(&deal.ephemeral), deal.shares.iter().map(point).collect())
}

/// SCRAPE's test: Σ_i m(i)/Π_{j≠i}(i − j)·Sh_i = O for m of degree ≤ n − t − 1 tells shares of
/// degree ≤ t − 1 from all others.
fn on_one_polynomial(shares: &[RistrettoPoint], t: usize) -> bool {
    let n = i64::try_from(shares.len()).unwrap();
    let mut rng = rng(99);
    let m: Vec<_> = (0..shares.len() - t).map(|_| Scalar::random(&mut rng)).collect();
    let weigh = |(i, share): (i64, &RistrettoPoint)| {
        let value: Scalar = (0..)
            .zip(&m)
            .map(|(k, m)| m * (0..k).map(|_: usize| number(i)).product::<Scalar>())
            .sum();
        let below: Scalar = (1..=n).filter(|j| *j != i).map(|j| number(i - j)).product();
        share * (value * below.invert())
    };
    (1..).zip(shares).map(weigh).sum::<RistrettoPoint>().is_identity()
}

#[test]
fn any_t_trustees_recover_the_sum_and_fewer_do_not() {
    for scheme in SCHEMES {
        let sharing = group(5, 3, scheme);
        let (deals, secrets): (Vec<_>, Vec<_>) =
            [0, 3, 9].map(|number| verified(&sharing, number)).into_iter().unzip();
        let chosen = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
        let shares: Vec<_> =
            (0..5).map(|number| opened(&chosen, number).verify(&chosen).unwrap()).collect();
        for three in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
            let recovered = recover(&chosen, three.map(|at: usize| &shares[at])).unwrap();
            assert_eq!(recovered, [Secret::sum(&secrets)], "{scheme:?} {three:?}");
        }
        assert_eq!(recover(&chosen, &shares).unwrap(), [Secret::sum(&secrets)]);
        let two = recover(&chosen, &shares[..2]);
        assert_eq!(two, Err(RecoverError::TooFew { have: 2, need: 3 }));
    }
}

#[test]
fn each_secret_comes_out_of_one_proof_a_trustee_in_the_papers_form() {
    for scheme in SCHEMES {
        let sharing = group(4, 2, scheme);
        let dealt = [2, 0, 1].map(|number| (dealer(number), verified(&sharing, number)));
        let chosen = Chosen::each(&sharing, &[2; 32], dealt.iter().map(|(_, (deal, _))| deal));
        let chosen = chosen.unwrap();
        let shares = [3, 1].map(|number| opened(&chosen, number).verify(&chosen).unwrap());
        let recovered = recover(&chosen, &shares).unwrap();
        assert_eq!(recovered.len(), 3);
        for (who, secret) in chosen.dealers().iter().zip(&recovered) {
            let (_, (_, dealt)) = dealt.iter().find(|(dealer, _)| dealer == who).unwrap();
            assert_eq!(secret, dealt);
        }
    }
}

#[test]
fn a_deal_encrypts_shares_of_one_polynomial_by_the_dual_code() {
    for (n, t) in [(1, 1), (4, 4), (5, 1), (9, 4)] {
        let sharing = group(n, t, Scheme::Dhpvss);
        let (deal, secret) = dealt(&sharing, 0);
        let (d, c) = encrypted(&deal);
        let shares: Vec<_> = (0..n).map(|i| c[i] - d * scalar(i, Scheme::Dhpvss)).collect();
        assert!(on_one_polynomial(&shares, t), "{n} {t}");
        let some: Vec<_> = (1..).zip(shares.iter().copied()).skip(n - t).collect();
        assert_eq!(bytes(&interpolate(&some)), *secret.to_bytes());
        if t > 1 {
            assert!(!on_one_polynomial(&shares, t - 1), "{n} {t}: the degree is t − 1");
        }
    }
}

#[test]
fn by_schoenmakers_too_shares_are_of_the_polynomial_that_is_committed_to() {
    for (n, t) in [(1, 1), (4, 4), (5, 1), (9, 4)] {
        let sharing = group(n, t, Scheme::Schoenmakers);
        let Deal::Schoenmakers(deal) = dealt(&sharing, 0).0 else { panic!("by Schoenmakers") };
        let encrypted = deal.shares.iter().map(|share| point(&share.encrypted)).enumerate();
        let shares: Vec<_> = encrypted
            .map(|(at, share)| share * scalar(at, Scheme::Schoenmakers).invert())
            .collect();
        let commitments: Vec<_> = (1..=i64::try_from(n).unwrap())
            .map(|i| {
                let powers = (0..).map(|k| (0..k).map(|_: usize| number(i)).product::<Scalar>());
                let committed = deal.coefficients.iter().map(|of| point(&of.committed));
                committed.zip(powers).map(|(a, power)| a * power).sum()
            })
            .collect();
        for points in [&shares, &commitments] {
            assert!(on_one_polynomial(points, t), "{n} {t}");
            assert!(t == 1 || !on_one_polynomial(points, t - 1), "{n} {t}: the degree is t − 1");
        }
        if n > t {
            let mut garbled = shares;
            garbled[n - 1] += point(&deal.coefficients[0].committed);
            assert!(!on_one_polynomial(&garbled, t), "{n} {t}: the test tells");
        }
    }
}

/// Groups by both schemes, of several sizes and sessions, of which some deals are another
/// dealer's, of the wrong scheme, or not even points.
fn mixed() -> Vec<(Sharing, Vec<(cosi::keys::PublicKeyBytes, Deal)>)> {
    let groups = SCHEMES.map(|scheme| [group(4, 2, scheme), group(7, 7, scheme)]);
    let sharings = groups.into_iter().flatten();
    let next = Sharing::new([2; 32], &keys(4, Scheme::Dhpvss), 2).unwrap();
    let mut groups: Vec<_> = sharings
        .chain([next])
        .map(|sharing| {
            let deals = (0..5).map(|at| (dealer(at), dealt(&sharing, at).0)).collect::<Vec<_>>();
            (sharing, deals)
        })
        .collect();
    groups[0].1[1].0 = dealer(2);
    groups[1].1[4].1 = groups[0].1[4].1.clone();
    groups[2].1[0].1 = groups[0].1[0].1.clone();
    groups[4].1[3].1 = groups[0].1[3].1.clone();
    let Deal::Schoenmakers(deal) = &mut groups[3].1[2].1 else { panic!("by Schoenmakers") };
    let mut coefficients = deal.coefficients.to_vec();
    coefficients[6].response = [0xff; 32];
    deal.coefficients = cosi::wire::BoundedVec::new(coefficients).unwrap();
    groups.insert(2, (groups[0].0.clone(), Vec::new()));
    groups
}

#[test]
fn groups_checked_at_once_give_each_deal_its_own_verdict() {
    let groups = mixed();
    let errors = |verdicts: Vec<Result<pvss::VerifiedDeal, _>>| {
        verdicts.into_iter().map(|verdict| verdict.err()).collect::<Vec<_>>()
    };
    let claims = groups
        .iter()
        .map(|(sharing, deals)| (sharing, deals.iter().map(|(dealer, deal)| (*dealer, deal))));
    let at_once: Vec<_> = verify_groups(claims).into_iter().map(errors).collect();
    let (proof, size) = (Some(DealError::Proof), Some(DealError::Size));
    let expected = [
        vec![None, proof, None, None, None],
        vec![None, None, None, None, size],
        vec![],
        vec![Some(DealError::Scheme), None, None, None, None],
        vec![None, None, Some(DealError::Encoding), None, None],
        vec![None, None, None, proof, None],
    ];
    assert_eq!(at_once, expected);
    for ((sharing, deals), at_once) in groups.iter().zip(at_once) {
        let claims = deals.iter().map(|(dealer, deal)| (*dealer, deal));
        assert_eq!(errors(verify_all(sharing, claims)), at_once);
        let alone = deals.iter().map(|(dealer, deal)| deal.verify(sharing, dealer));
        assert_eq!(errors(alone.collect()), at_once);
    }
    assert!(verify_groups(Vec::<(&Sharing, Vec<_>)>::new()).is_empty());
}

/// With one thread everything happens in the order in which it does without the feature.
#[cfg(feature = "rayon")]
#[test]
fn threads_change_no_verdict_and_no_culprit() {
    let groups = mixed();
    let sharing = group(5, 3, Scheme::Dhpvss);
    let deals = [0, 1].map(|number| verified(&sharing, number).0);
    let chosen = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let mut shares: Vec<_> = (0..5).map(|at| opened(&chosen, at)).collect();
    shares[3].trustee = 1;
    let mut members: Vec<_> = (0..40).map(|at| register(at, Scheme::Dhpvss)).collect();
    members[11].0 = owner(40);
    (members[30].1, members[31].1) = (members[31].1, members[30].1);

    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            assert_eq!(rayon::current_num_threads(), threads);
            let claims = groups.iter().map(|(sharing, deals)| {
                (sharing, deals.iter().map(|(dealer, deal)| (*dealer, deal)))
            });
            let deals = verify_groups(claims).into_iter().flatten().map(|verdict| {
                let deal = verdict?;
                let chosen = groups.iter().find(|(sharing, _)| sharing.id() == deal.sharing());
                let chosen = Chosen::sum(&chosen.unwrap().0, &[2; 32], [&deal]).unwrap();
                Ok::<_, DealError>(chosen.id())
            });
            let shares = verify_shares(&chosen, &shares);
            let shares = shares.into_iter().map(|verdict| verdict.map(|share| share.trustee()));
            let keys = ShareKeys::new(Scheme::Dhpvss, members.clone()).err();
            (deals.collect::<Vec<_>>(), shares.collect::<Vec<_>>(), keys)
        })
    };
    let one = run(1);
    assert_eq!(one.0.iter().filter(|deal| deal.is_err()).count(), 5);
    assert_eq!(one.1.iter().filter(|share| share.is_err()).count(), 1);
    assert_eq!(one.2, Some(KeysError::NoPossession { culprits: vec![11, 30, 31] }));
    for threads in [2, 3, 8] {
        assert_eq!(run(threads), one, "{threads} threads");
    }
}

#[test]
fn a_batch_gives_every_deal_its_own_verdict() {
    for scheme in SCHEMES {
        let sharing = group(4, 2, scheme);
        let mut deals: Vec<_> =
            (0..9).map(|number| (dealer(number), dealt(&sharing, number).0)).collect();
        let verdicts = |deals: &[(_, Deal)]| {
            verify_all(&sharing, deals.iter().map(|(dealer, deal)| (*dealer, deal)))
        };
        assert!(verdicts(&deals).iter().all(Result::is_ok));
        assert!(verdicts(&[]).is_empty());
        let other = dealt(&sharing, 10).0;
        for at in [1, 4, 5, 8] {
            deals[at].1 = other.clone();
        }
        let bad: Vec<_> = verdicts(&deals).into_iter().map(|verdict| verdict.err()).collect();
        for (at, error) in bad.into_iter().enumerate() {
            let expected = [1, 4, 5, 8].contains(&at).then_some(DealError::Proof);
            assert_eq!(error, expected, "deal {at}");
            let alone = deals[at].1.verify(&sharing, &deals[at].0).err();
            assert_eq!(alone, expected, "deal {at} alone");
        }
    }
}

#[test]
fn a_deal_of_every_size_verifies_and_the_slow_sizes_are_split_alike() {
    let most = MAX_TRUSTEES;
    let sizes =
        [(1, 1), (2, 1), (33, 12), (64, 22), (90, 90), (most, 3), (most, most - 1), (most, most)];
    let sizes = sizes.iter().flat_map(|size| SCHEMES.map(|scheme| (size, scheme)));
    for ((n, t), scheme) in sizes {
        let sharing = group(*n, *t, scheme);
        let (deal, _) = dealt(&sharing, 0);
        assert!(deal.verify(&sharing, &dealer(0)).is_ok(), "{n} {t}");
        assert!(deal.verify(&sharing, &dealer(1)).is_err(), "{n} {t}");
    }
}

#[test]
fn thresholds_and_sizes_out_of_range_make_no_sharing() {
    let keys = keys(3, Scheme::Dhpvss);
    for threshold in [0, 4, usize::MAX] {
        let error = SharingError::Threshold { threshold, trustees: 3 };
        assert_eq!(Sharing::new([1; 32], &keys, threshold), Err(error));
    }
    assert!(Sharing::new([1; 32], &keys, 1).is_ok());
    assert!(Sharing::new([1; 32], &keys, 3).is_ok());
    assert_eq!(ShareKeys::new(Scheme::Dhpvss, []).unwrap_err(), KeysError::Size);
    assert_eq!(keys.group([]).unwrap_err(), KeysError::Size);
    assert_eq!(keys.group([0, 3, 7]).unwrap_err(), KeysError::Unknown { culprits: vec![3, 7] });
    assert_eq!(keys.group([2, 0, 2]).unwrap_err(), KeysError::Duplicate { culprits: vec![2] });
    let many = crate::common::keys(MAX_TRUSTEES + 1, Scheme::Dhpvss);
    assert_eq!(Sharing::new([1; 32], &many, 2), Err(SharingError::Size));
    let (deal, _) = dealt(&group(3, 2, Scheme::Dhpvss), 0);
    for n in [2, 4] {
        let other = group(n, 2, Scheme::Dhpvss);
        assert_eq!(deal.verify(&other, &dealer(0)).unwrap_err(), DealError::Size);
    }
    let others = group(3, 2, Scheme::Schoenmakers);
    assert_eq!(deal.verify(&others, &dealer(0)).unwrap_err(), DealError::Scheme);
}

#[test]
fn registrations_name_whoever_stands_in_the_way() {
    let members = || (0..4).map(|number| register(number, Scheme::Dhpvss)).collect::<Vec<_>>();
    let refused = |members: Vec<_>| ShareKeys::new(Scheme::Dhpvss, members).unwrap_err();

    let mut unsound = members();
    unsound[1].1.key = [0; 32];
    unsound[2].1.key = [0xff; 32];
    assert_eq!(refused(unsound), KeysError::BadKey { culprits: vec![1, 2] });

    let mut unsound = members();
    unsound[0].1.response = plus_order(&unsound[0].1.response);
    unsound[3].1.commitment = [0xff; 32];
    assert_eq!(refused(unsound), KeysError::BadKey { culprits: vec![0, 3] });

    let mut twice = members();
    twice[3] = (owner(3), own(0, Scheme::Dhpvss).register(&owner(3), &mut rng(1)));
    assert_eq!(refused(twice), KeysError::Duplicate { culprits: vec![3] });

    let mut two_keys = members();
    two_keys[3] = (owner(1), own(3, Scheme::Dhpvss).register(&owner(1), &mut rng(1)));
    assert_eq!(refused(two_keys), KeysError::Duplicate { culprits: vec![3] });

    let endless = core::iter::repeat(register(0, Scheme::Dhpvss));
    assert_eq!(ShareKeys::new(Scheme::Dhpvss, endless).unwrap_err(), KeysError::Size);

    let mut anothers = members();
    anothers[2].0 = owner(5);
    assert_eq!(refused(anothers), KeysError::NoPossession { culprits: vec![2] });

    let scheme = ShareKeys::new(Scheme::Schoenmakers, members()).unwrap_err();
    assert_eq!(scheme, KeysError::NoPossession { culprits: vec![0, 1, 2, 3] });
}

#[test]
fn shares_out_of_place_are_refused_by_name() {
    let sharing = group(3, 2, Scheme::Dhpvss);
    let (first, second) = (verified(&sharing, 0).0, verified(&sharing, 1).0);
    let chosen = Chosen::sum(&sharing, &[2; 32], [&first, &second]).unwrap();
    let share = opened(&chosen, 1);

    let mut stranger = share.clone();
    stranger.trustee = 3;
    assert_eq!(stranger.verify(&chosen).unwrap_err(), ShareError::Stranger);
    let mut anothers = share.clone();
    anothers.trustee = 0;
    assert_eq!(anothers.verify(&chosen).unwrap_err(), ShareError::Proof);
    let mut wrong = opened(&chosen, 2);
    wrong.shares = share.shares.clone();
    let verdicts = verify_shares(&chosen, [&share, &wrong, &stranger]);
    let errors: Vec<_> = verdicts.into_iter().map(|verdict| verdict.err()).collect();
    assert_eq!(errors, [None, Some(ShareError::Proof), Some(ShareError::Stranger)]);

    let elsewhere = Chosen::sum(&sharing, &[3; 32], [&first, &second]).unwrap();
    assert_eq!(share.verify(&elsewhere).unwrap_err(), ShareError::Proof, "another context");
    let each = Chosen::each(&sharing, &[2; 32], [&first, &second]).unwrap();
    assert_eq!(share.verify(&each).unwrap_err(), ShareError::Size);

    let share = share.verify(&chosen).unwrap();
    let twice = recover(&chosen, [&share, &share]).unwrap_err();
    assert_eq!(twice, RecoverError::Duplicate { culprits: vec![1] });
    let foreign = recover(&elsewhere, [&share]).unwrap_err();
    assert_eq!(foreign, RecoverError::Foreign { culprits: vec![0] });
}

#[test]
fn deals_are_opened_together_only_within_one_sharing_and_once_a_dealer() {
    let sharing = group(3, 2, Scheme::Dhpvss);
    let (first, second) = (verified(&sharing, 0).0, verified(&sharing, 1).0);
    let next = Sharing::new([2; 32], sharing.keys(), 2).unwrap();
    let foreign = verified(&next, 2).0;
    let choose = |deals: &[_]| Chosen::sum(&sharing, &[2; 32], deals.iter().copied());
    assert_eq!(choose(&[]).unwrap_err(), ChosenError::Size);
    let error = choose(&[&first, &foreign]).unwrap_err();
    assert_eq!(error, ChosenError::Foreign { culprits: vec![1] });
    let error = choose(&[&first, &second, &first]).unwrap_err();
    assert_eq!(error, ChosenError::Duplicate { culprits: vec![2] });
    let [one, other] = [choose(&[&first, &second]), choose(&[&second, &first])];
    assert_eq!(one.unwrap().id(), other.unwrap().id(), "the order does not count");
    let again = deal(&sharing, &dealer(1), &own(1, Scheme::Dhpvss), &mut rng(5)).0;
    let again = again.verify(&sharing, &dealer(1)).unwrap();
    let [one, other] = [choose(&[&first, &second]), choose(&[&first, &again])];
    assert_ne!(one.unwrap().id(), other.unwrap().id(), "another deal by the same dealer does");
}

#[test]
fn at_most_256_deals_are_opened_one_by_one() {
    let sharing = group(1, 1, Scheme::Dhpvss);
    let deals: Vec<_> = (0..=MAX_TRUSTEES).map(|number| verified(&sharing, number).0).collect();
    let most = Chosen::each(&sharing, &[2; 32], &deals[1..]).unwrap();
    assert!(opened(&most, 0).verify(&most).is_ok());
    let more = Chosen::each(&sharing, &[2; 32], &deals);
    assert_eq!(more.unwrap_err(), ChosenError::Size);
    let sum = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    assert!(opened(&sum, 0).verify(&sum).is_ok());
}

#[test]
fn a_trustee_opens_one_choice_even_after_a_crash() {
    let sharing = group(3, 2, Scheme::Dhpvss);
    let (first, second) = (verified(&sharing, 0).0, verified(&sharing, 1).0);
    let both = Chosen::sum(&sharing, &[2; 32], [&first, &second]).unwrap();
    let each = Chosen::each(&sharing, &[2; 32], [&first, &second]).unwrap();
    let mut before = trustee(&sharing, 1);
    let share = before.decrypt(&both, &mut rng(1)).unwrap();
    let mut after = trustee(&sharing, 1).resume(before.opened().unwrap());
    assert_eq!(after.decrypt(&each, &mut rng(2)), Err(TrusteeError::Opened));
    assert_eq!(after.decrypt(&both, &mut rng(2)).unwrap().shares, share.shares);
    assert_eq!(after.decrypt(&each, &mut rng(2)), Err(TrusteeError::Opened));

    let next = Sharing::new([2; 32], sharing.keys(), 2).unwrap();
    assert_eq!(trustee(&next, 1).decrypt(&both, &mut rng(2)), Err(TrusteeError::Foreign));
    let stranger = Trustee::new(sharing, std::sync::Arc::new(own(3, Scheme::Dhpvss)));
    assert_eq!(stranger.unwrap_err(), TrusteeError::Stranger);
}

#[test]
fn a_stuck_generator_repeats_no_mask() {
    let mask = |sharing: &Sharing, number| {
        let own = own(number, Scheme::Dhpvss);
        bytes(&encrypted(&deal(sharing, &dealer(number), &own, &mut rng(7)).0).0)
    };
    let sharing = group(3, 2, Scheme::Dhpvss);
    let others = [
        mask(&Sharing::new([2; 32], sharing.keys(), 2).unwrap(), 0),
        mask(&Sharing::new([1; 32], sharing.keys(), 3).unwrap(), 0),
        mask(&group(4, 2, Scheme::Dhpvss), 0),
        mask(&sharing, 1),
    ];
    assert_eq!(mask(&sharing, 0), mask(&sharing, 0), "the very same deal");
    for (at, other) in others.iter().enumerate() {
        assert_ne!(*other, mask(&sharing, 0), "{at}");
    }
    // What the generator gives is no secret then. The dealer's share secret is.
    let another = deal(&sharing, &dealer(0), &own(1, Scheme::Dhpvss), &mut rng(7)).0;
    assert_ne!(bytes(&encrypted(&another).0), mask(&sharing, 0));
}

#[test]
fn each_secret_of_a_deal_is_another() {
    let all = |points: Vec<[u8; 32]>| {
        let distinct: std::collections::BTreeSet<_> = points.iter().collect();
        assert_eq!(distinct.len(), points.len());
    };
    // [a_0]G, [a_1]G, [δ]G and [w]G; with two of them alike, anybody would have the secret.
    let sharing = group(2, 2, Scheme::Dhpvss);
    let (dealt_points, secret) = dealt(&sharing, 0);
    let (d, c) = encrypted(&dealt_points);
    let [first, second] = [0, 1].map(|i| c[i] - d * scalar(i, Scheme::Dhpvss));
    let Deal::Dhpvss(deal) = &dealt_points else { panic!("by DHPVSS") };
    all(vec![*secret.to_bytes(), bytes(&(second - first)), bytes(&d), deal.commitments[0]]);
    // [a_k]H and [r_k]H.
    let Deal::Schoenmakers(deal) = dealt(&group(3, 3, Scheme::Schoenmakers), 0).0 else {
        panic!("by Schoenmakers")
    };
    all(deal.coefficients.iter().flat_map(|of| [of.committed, of.nonce]).collect());
}

#[test]
fn secrets_do_not_show_and_do_not_stay() {
    fn erased<T: zeroize::ZeroizeOnDrop>(_: &T) {}
    erased(&own(0, Scheme::Dhpvss));
    erased(&dealt(&group(2, 1, Scheme::Dhpvss), 0).1);
    let (_, secret) = dealt(&group(2, 1, Scheme::Dhpvss), 0);
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert_eq!(format!("{:?}", own(0, Scheme::Dhpvss)), "ShareSecret(Dhpvss, ..)");
    let trustee = format!("{:?}", trustee(&group(1, 1, Scheme::Dhpvss), 0));
    assert!(trustee.contains("position") && !trustee.contains("secret"), "{trustee}");
}
