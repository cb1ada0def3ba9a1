//! As many witnesses as the largest deployments had, three deep: what each does follows the
//! branching, not the members.

use std::time::Duration;

use cosi::tree::Shape;

use crate::grove::grove;

const HOP: Duration = Duration::from_millis(50);
const MEMBERS: u16 = 8192;

#[test]
fn eight_thousand_sign_in_two_round_trips_and_then_in_one() {
    let mut grove = grove(MEMBERS, Shape::balanced(MEMBERS.into()));
    for (number, hops) in [(0u8, 12), (1, 6)] {
        let (signature, _, took) = grove.sign(&[number], u64::from(MEMBERS) * 2 / 3 + 1);
        assert_eq!((signature.mask.count(), took), (MEMBERS.into(), HOP * hops));
    }
    let others = u64::from(MEMBERS) - 1;
    assert_eq!((grove.said("call"), grove.said("challenge")), (others, 2 * others));
}
