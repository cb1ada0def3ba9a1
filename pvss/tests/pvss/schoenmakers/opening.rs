//! Attacks on opening deals by Schoenmakers' scheme.

use super::*;

#[test]
fn a_trustee_lies_about_no_share() {
    let sharing = group(3, 2, SCH);
    let deals = [0, 1].map(|number| verified(&sharing, number).0);
    for chosen in [Chosen::sum, Chosen::each].map(|open| open(&sharing, &[2; 32], deals.iter())) {
        let chosen = chosen.unwrap();
        let truth = opened(&chosen, 1);
        assert!(truth.verify(&chosen).is_ok());
        let mut lie = truth.clone();
        let mut shares = truth.shares.to_vec();
        shares[0] = bytes(&(point(&shares[0]) + G));
        lie.shares = BoundedVec::new(shares).unwrap();
        assert_eq!(lie.verify(&chosen).unwrap_err(), pvss::ShareError::Proof);
    }
}

#[test]
fn two_sums_that_differ_in_one_dealer_breaks_published() {
    let sharing = group(3, 2, SCH);
    let hands = [0, 1, 2].map(|number| Hand::from_wire(&dealt(&sharing, number).0));
    let open = |trustee: usize, of: &[&Hand]| {
        let y: RistrettoPoint = of.iter().map(|hand| hand.shares[trustee][0]).sum();
        y * scalar(trustee, SCH).invert()
    };
    let [a, b, c] = &hands;
    let shares = [0, 1].map(|at: usize| {
        (i64::try_from(at).unwrap() + 1, open(at, &[a, b, c]) - open(at, &[a, b]))
    });
    assert_eq!(bytes(&interpolate(&shares)), *dealt(&sharing, 2).1.to_bytes());
}

#[test]
fn a_trustee_opens_no_second_sum() {
    let sharing = group(3, 2, SCH);
    let deals = [0, 1, 2].map(|number| verified(&sharing, number).0);
    let all = Chosen::sum(&sharing, &[2; 32], &deals).unwrap();
    let two = Chosen::sum(&sharing, &[2; 32], &deals[..2]).unwrap();
    let each = Chosen::each(&sharing, &[2; 32], &deals).unwrap();
    let mut trustee = trustee(&sharing, 1);
    assert!(trustee.decrypt(&all, &mut rng(1)).is_ok());
    for other in [two, each] {
        assert_eq!(trustee.decrypt(&other, &mut rng(1)), Err(TrusteeError::Opened));
    }
}

#[test]
fn a_trustee_that_opens_unverified_deals_is_an_oracle_breaks_published() {
    let sharing = group(3, 2, SCH);
    let (deal, secret) = dealt(&sharing, 0);
    let honest = Hand::from_wire(&deal);
    let blind = number(99);
    let open = |trustee: usize, y: RistrettoPoint| y * scalar(trustee, SCH).invert();
    // A share that nobody has seen before, and the honest one by it.
    let opened = [0, 1].map(|at: usize| {
        let asked = honest.shares[at][0] * blind;
        (i64::try_from(at).unwrap() + 1, open(at, asked) * blind.invert())
    });
    assert_eq!(bytes(&interpolate(&opened)), *secret.to_bytes());
}
