//! Attacks on deals by Schoenmakers' scheme, in pairs.

use super::*;

/// Shares of no polynomial, and a proof made backwards: z and e first, then B and V.
fn backwards() -> (Hand, Scalar) {
    let (n, e, z) = (4, number(5), [number(6), number(7)]);
    let mut rng = rng(3);
    let coefficients = z.map(|z| {
        let a = RistrettoPoint::random(&mut rng);
        ([a, h() * z + a * e], z)
    });
    let shares = xs(n).into_iter().zip(on_polynomial(&z, n)).map(|(x, z)| {
        let y = RistrettoPoint::random(&mut rng);
        [y, x * z + y * e]
    });
    (Hand { coefficients: coefficients.into(), shares: shares.collect() }, e)
}

#[test]
fn a_challenge_read_from_the_wire_breaks_published() {
    let (hand, e) = backwards();
    assert!(hand.holds(e));
}

#[test]
fn a_challenge_is_computed_and_forged_deals_are_refused() {
    let sharing = group(4, 2, SCH);
    let (hand, _) = backwards();
    assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
}

#[test]
fn a_dealer_lies_about_no_share() {
    let sharing = group(4, 2, SCH);
    let p = [number(3), number(4)];
    let one = |at: usize| {
        let mut lies = truth(4);
        lies[at] = G;
        lies
    };
    for lies in (0..4).map(one).chain([vec![G; 4]]) {
        let lie = by_hand(&sharing, 0, &p, &lies).wire();
        assert_eq!(lie.verify(&sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    }
}

/// What turns shares of `low` into those of `low` and one more coefficient.
fn higher(low: &[Scalar], n: usize) -> (Vec<Scalar>, Vec<RistrettoPoint>) {
    let high = [low, &[number(9)]].concat();
    let values = on_polynomial(&high, n).into_iter().zip(on_polynomial(low, n));
    let lies = values.zip(xs(n)).map(|((high, low), x)| x * (high - low)).collect();
    (high, lies)
}

#[test]
fn proofs_of_shares_without_commitments_breaks_published() {
    // Each share's own proof of log_{X_i} Y_i shows that it is known, and nothing of its degree.
    let (n, e, w) = (4, number(5), number(6));
    let (high, _) = higher(&[number(3), number(4)], n);
    let values = on_polynomial(&high, n);
    let proven = xs(n).into_iter().zip(&values).all(|(x, value)| {
        let (y, z) = (x * value, w - e * value);
        x * z + y * e == x * w
    });
    assert!(proven);
    let shares: Vec<_> = (1..).zip(values).map(|(i, value)| (i, G * value)).collect();
    assert_ne!(interpolate(&shares[..2]), interpolate(&shares[2..]), "of two secrets");
}

#[test]
fn shares_of_a_higher_degree_are_refused() {
    let n = 4;
    let sharing = group(n, 2, SCH);
    let low = [number(3), number(4)];
    let (high, lies) = higher(&low, n);
    // Proven as of the degree that they should have, and of the one that they have.
    let hidden = by_hand(&sharing, 0, &low, &lies);
    let shown = by_hand(&sharing, 0, &high, &truth(n));
    // With nonces of that degree too: z(i) is what it should be of no coefficients sent.
    let mut deep = hidden.clone();
    let r = on_polynomial(&[&nonces(2)[..], &[number(8)]].concat(), n);
    deep.shares.iter_mut().zip(xs(n)).zip(r).for_each(|(([_, v], x), r)| *v = x * r);
    deep.answer(challenge(&sharing, &dealer(0), &deep), &low, &nonces(2));
    for (hand, error) in
        [(hidden, DealError::Proof), (shown, DealError::Size), (deep, DealError::Proof)]
    {
        assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), error);
    }
    // Where the degree is in order, so is the same deal.
    let three = group(n, 3, SCH);
    assert!(by_hand(&three, 0, &high, &truth(n)).wire().verify(&three, &dealer(0)).is_ok());
}

#[test]
fn a_second_base_of_known_logarithm_breaks_published() {
    // H = [h]G with h = hash(session), as published code derives it.
    let log = Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]).scalar();
    let secret = number(42);
    let committed = (G * log) * secret;
    assert_eq!(committed * log.invert(), G * secret, "from the first commitment alone");
}

#[test]
fn the_second_base_is_hashed_to() {
    let sharing = group(3, 2, SCH);
    let (deal, secret) = dealt(&sharing, 0);
    let hand = Hand::from_wire(&deal);
    let log = Hash::new(cosi::domain::SHARE_BASE).fixed(&[1; 32]).scalar();
    assert_ne!(bytes(&(hand.coefficients[0].0[0] * log.invert())), *secret.to_bytes());
    let e = challenge(&sharing, &dealer(0), &hand);
    assert!(hand.holds(e), "this is the base");
}

#[test]
fn a_deal_copied_from_another_dealer_group_or_session_breaks_published() {
    // The paper's challenge is about a deal's points alone, and its base is every session's.
    let (n, p) = (4, [number(3), number(4)]);
    let mut hand = by_hand(&group(n, 2, SCH), 0, &p, &truth(n));
    hand.answer(without_keys(&hand), &p, &nonces(2));
    // Whoever presents it in whatever session of whichever group with these keys, it verifies.
    let copy = Hand::from_wire(&hand.wire());
    assert!(copy.holds(without_keys(&copy)));
    let shares = [2, 3].map(|at: usize| {
        let share = copy.shares[at][0] * scalar(at, SCH).invert();
        (i64::try_from(at).unwrap() + 1, share)
    });
    assert_eq!(interpolate(&shares), G * p[0], "and the copier's secret is the victim's");
}

#[test]
fn a_deal_is_of_one_dealer_session_threshold_and_group() {
    let keys = keys(5, SCH);
    let members = |at: [usize; 4]| keys.group(at).unwrap();
    let of = |session, at, t| Sharing::new([session; 32], &members(at), t).unwrap();
    let sharing = of(1, [0, 1, 2, 3], 2);
    let (deal, _) = dealt(&sharing, 0);
    assert!(deal.verify(&sharing, &dealer(0)).is_ok());
    let elsewhere = [
        (1, sharing.clone(), DealError::Proof),
        (0, of(2, [0, 1, 2, 3], 2), DealError::Proof),
        (0, of(1, [0, 1, 2, 3], 3), DealError::Size),
        (0, of(1, [1, 0, 2, 3], 2), DealError::Proof),
        (0, of(1, [0, 1, 2, 4], 2), DealError::Proof),
    ];
    for (at, (who, sharing, error)) in elsewhere.iter().enumerate() {
        assert_eq!(deal.verify(sharing, &dealer(*who)).unwrap_err(), *error, "{at}");
    }
}

#[test]
fn a_deal_has_a_commitment_a_coefficient_and_a_share_a_trustee() {
    let sharing = group(4, 2, SCH);
    let honest = Hand::from_wire(&dealt(&sharing, 0).0);
    let change: [fn(&mut Hand); 4] = [
        |hand| hand.coefficients.truncate(1),
        |hand| hand.coefficients.push(hand.coefficients[0]),
        |hand| hand.shares.truncate(3),
        |hand| hand.shares.push(hand.shares[0]),
    ];
    for (at, change) in change.into_iter().enumerate() {
        let mut hand = honest.clone();
        change(&mut hand);
        assert_eq!(hand.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Size, "{at}");
    }
    // One share less, proven by the book: the last trustee would get none.
    let p = [number(3), number(4)];
    let mut short = by_hand(&sharing, 0, &p, &truth(4));
    short.shares.truncate(3);
    short.answer(challenge(&sharing, &dealer(0), &short), &p, &nonces(2));
    assert_eq!(short.wire().verify(&sharing, &dealer(0)).unwrap_err(), DealError::Size);
}

#[test]
fn identities_and_bytes_that_are_no_points_are_refused() {
    let sharing = group(3, 2, SCH);
    let Deal::Schoenmakers(honest) = dealt(&sharing, 0).0 else { panic!("by Schoenmakers") };
    for (bad, error) in [([0; 32], DealError::Identity), ([0xff; 32], DealError::Encoding)] {
        let mut deals = vec![honest.clone(); 4];
        let coefficients: [fn(&mut schoenmakers::Coefficient) -> &mut [u8; 32]; 2] =
            [|of| &mut of.committed, |of| &mut of.nonce];
        for (deal, field) in deals.iter_mut().zip(coefficients) {
            let mut coefficients = honest.coefficients.to_vec();
            *field(&mut coefficients[1]) = bad;
            deal.coefficients = BoundedVec::new(coefficients).unwrap();
        }
        let shares: [fn(&mut schoenmakers::Share) -> &mut [u8; 32]; 2] =
            [|of| &mut of.encrypted, |of| &mut of.nonce];
        for (deal, field) in deals.iter_mut().skip(2).zip(shares) {
            let mut shares = honest.shares.to_vec();
            *field(&mut shares[2]) = bad;
            deal.shares = BoundedVec::new(shares).unwrap();
        }
        for (at, deal) in deals.into_iter().enumerate() {
            let verdict = Deal::Schoenmakers(deal).verify(&sharing, &dealer(0));
            assert_eq!(verdict.unwrap_err(), error, "{at}");
        }
    }
}

#[test]
fn a_blinded_copy_of_a_share_is_no_verified_deal() {
    let sharing = group(3, 2, SCH);
    let mut copy = Hand::from_wire(&dealt(&sharing, 0).0);
    assert_eq!(copy.wire().verify(&sharing, &dealer(1)).unwrap_err(), DealError::Proof);
    let blind = number(99);
    // All of the honest deal, multiplied: the responses follow but for the challenge.
    for (points, z) in &mut copy.coefficients {
        points.iter_mut().for_each(|point| *point *= blind);
        *z *= blind;
    }
    copy.shares.iter_mut().flatten().for_each(|point| *point *= blind);
    for who in [0, 1] {
        assert_eq!(copy.wire().verify(&sharing, &dealer(who)).unwrap_err(), DealError::Proof);
    }
}

/// A deal to two trustees whose second key is chosen after the challenge, which does not know it:
/// Y_2 is no share of the dealt polynomial. Its secret x is known, so it is registered.
fn key_chosen_last(challenge: impl FnOnce(&Hand) -> Scalar) -> (Hand, Scalar, Scalar) {
    let (p, r) = ([number(3), number(4)], nonces(2));
    let [v, y] = [52, 53].map(number);
    let x = xs(1)[0];
    let coefficients = p.iter().zip(&r).map(|(a, r)| ([h() * a, h() * r], Scalar::ZERO)).collect();
    let first = [x * on_polynomial(&p, 1)[0], x * on_polynomial(&r, 1)[0]];
    let mut hand = Hand { coefficients, shares: vec![first, [G * y, G * v]] };
    let e = challenge(&hand);
    hand.answer(e, &p, &r);
    let secret = (v - e * y) * hand.responses()[1].invert();
    (hand, secret, e)
}

/// A challenge that follows from what is dealt, and not from whom to.
fn without_keys(hand: &Hand) -> Scalar {
    let mut transcript = Transcript::new(DEAL);
    let coefficients = hand.coefficients.iter().flat_map(|(points, _)| points);
    for point in coefficients.chain(hand.shares.iter().flatten()) {
        transcript.append(b"point", &bytes(point));
    }
    transcript.challenge(b"e")
}

#[test]
fn a_key_left_out_of_the_hash_breaks_published() {
    let (hand, secret, e) = key_chosen_last(without_keys);
    let [errors, _] = hand.errors(e);
    let ([y, v], z) = (hand.shares[1], hand.responses()[1]);
    assert!(errors.iter().all(RistrettoPoint::is_identity));
    assert_eq!(G * secret * z + y * e, v, "all is in order");
    let opened = y * secret.invert();
    assert_ne!(opened, G * (number(3) + number(4) * number(2)), "but the share");
}

#[test]
fn keys_are_in_the_hash_so_none_is_chosen_last() {
    // The dealer knows the challenge for the key that it has, and chooses another.
    let own = group(2, 2, SCH);
    let (hand, secret, _) = key_chosen_last(|hand| challenge(&own, &dealer(0), hand));
    // Registered as its owner's, by the book.
    let k = number(11);
    let (key, commitment) = (bytes(&(G * secret)), bytes(&(G * k)));
    let hash = Hash::new(cosi::domain::SHARE_POSSESSION).fixed(&[1]);
    let e = hash.fixed(&dealer(1)).fixed(&key).fixed(&commitment).scalar();
    let response = (k + e * secret).to_bytes();
    let late = (owner(1), pvss::Registration { key, commitment, response });
    let keys = pvss::ShareKeys::new(SCH, [register(0, SCH), late]).unwrap();
    let sharing = Sharing::new([1; 32], &keys, 2).unwrap();
    for sharing in [&own, &sharing] {
        assert_eq!(hand.wire().verify(sharing, &dealer(0)).unwrap_err(), DealError::Proof);
    }
}
