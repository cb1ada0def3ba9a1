//! A thousand witnesses, three deep: what each does follows the branching, not the members.

use std::time::Duration;

use cosi::tree::Shape;

use crate::grove::grove;

const HOP: Duration = Duration::from_millis(50);

#[test]
fn a_thousand_sign_in_two_round_trips_and_then_in_one() {
    let mut grove = grove(1000, Shape::balanced(1000));
    for (number, hops) in [(0u8, 12), (1, 6), (2, 6)] {
        let (signature, _, took) = grove.sign(&[number], 667);
        assert_eq!((signature.mask.count(), took), (1000, HOP * hops));
    }
    assert_eq!((grove.said("call"), grove.said("challenge")), (999, 3 * 999));
}
