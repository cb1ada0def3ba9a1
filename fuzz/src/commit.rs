//! Three shards that are asked for anything, by whoever carries true and false proofs.

use std::collections::{BTreeMap, BTreeSet};

use atomix::{Action, Checked, Done, Input, Outcome, Proof, Refusal, Request, Sealed};
use cosi::wire::{BoundedVec, Wire};

use crate::{
    actions::Actions,
    city::{City, RULES, SHARDS, coins, payment},
};

/// Each action is a request, with a payment by its number and a shard; or time passes.
///
/// # Panics
/// When a shard both accepts and rejects a payment; when it creates outputs of what not every
/// input shard has accepted, or gives inputs back of what none rejected; when it does either
/// twice; when value appears or vanishes, or what is unspent is not what is left; when a payment
/// is not over once somebody honest has carried all proofs.
pub fn atomix(input: &[u8]) {
    run(input).end();
}

fn run(input: &[u8]) -> World {
    let (mut world, mut actions) = (World::new(), Actions::new(input));
    while let Some((kind, detail)) = actions.next() {
        let place = if matches!(kind, 1 | 3 | 4 | 5) { actions.byte() } else { 0 };
        world.act(kind, detail, place);
    }
    world
}

/// Inputs that reach deep. The lower bits of an action are shard · 8 + payment.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let [ask, show, commit, any, abort, corrupt] = [0, 1, 2, 3, 4, 5].map(|kind: u8| kind << 5);
    let [pass, turn] = [6 << 5, 7 << 5];
    let [first, second] = [8, 16];
    let seeds: [(&str, Vec<u8>); 8] = [
        ("nothing", vec![]),
        ("committed", vec![ask, ask | first, commit | second]),
        (
            "aborted",
            vec![ask, ask | first, ask | second | 2, show | first | 2, 2, abort | second | 2, 3],
        ),
        ("given-back-and-spent", {
            let aborted =
                [ask | second | 2, ask | first, show | first | 2, 0, abort | second | 2, 2];
            [&aborted[..], &[ask, commit | second, ask | second | 4, ask | 4, commit | first | 4]]
                .concat()
        }),
        (
            "false-proofs",
            vec![ask, any | second, 0, any | second, 1, abort, 0, ask | first, any | second, 0],
        ),
        (
            "corrupt",
            vec![
                ask,
                ask | first,
                corrupt | 7,
                250,
                commit | second,
                corrupt,
                90,
                ask | 3,
                commit | second,
            ],
        ),
        (
            "late",
            vec![
                pass,
                pass,
                pass,
                pass,
                ask | 6,
                turn,
                turn | first,
                turn | second,
                ask | second | 7,
            ],
        ),
        ("epochs", {
            let turns = [turn, turn | first, turn | second];
            [&[ask, ask | first][..], &turns, &turns, &turns, &[commit | second, ask | second | 7]]
                .concat()
        }),
    ];
    seeds.map(|(name, input)| (name.to_owned(), input)).to_vec()
}

struct World {
    city: City,
    /// All that was proved, with the payment's number: at most one for each action.
    proofs: Vec<(u8, Proof<Sealed>)>,
    /// The bit that the next request arrives with flipped.
    corrupt: Option<u8>,
    books: Books,
}

impl World {
    fn new() -> Self {
        let unspent = coins().map(|coin| (coin.outpoint.id, coin)).collect();
        let books = Books { unspent, said: BTreeSet::new() };
        Self { city: City::new(), proofs: Vec::new(), corrupt: None, books }
    }

    fn act(&mut self, kind: u8, detail: u8, place: u8) {
        let (number, shard) = (detail & 7, u16::from(detail.wrapping_shr(3)) % SHARDS);
        let action = match kind {
            0 => Some(Action::Initialize { shown: None }),
            1 => Some(Action::Initialize { shown: self.any(place) }),
            2 => self.acceptances(number, shard).map(|proofs| Action::Commit { proofs }),
            3 => {
                let proofs = BoundedVec::new(self.any(place).into_iter().collect());
                proofs.map(|proofs| Action::Commit { proofs })
            }
            4 => self.any(place).map(|proof| Action::Abort { proof }),
            5 => {
                self.corrupt = Some(place);
                None
            }
            6 => {
                self.city.pass(shard);
                None
            }
            _ => {
                self.city.turn(shard);
                None
            }
        };
        if let Some(action) = action {
            self.ask(number, shard, action);
        }
    }

    /// One of the proofs there are.
    fn any(&self, place: u8) -> Option<Proof<Sealed>> {
        let at = usize::from(place).checked_rem(self.proofs.len())?;
        self.proofs.get(at).map(|(_, proof)| proof.clone())
    }

    /// The acceptances by the other input shards, as far as there are any.
    fn acceptances(&self, number: u8, shard: u16) -> Option<BoundedVec<Proof<Sealed>, 64>> {
        let others = parties(payment(number), true).into_iter().filter(|other| *other != shard);
        let accepted = |other| {
            let mut own = self.proofs.iter().filter(|(of, _)| *of == number).map(|(_, it)| it);
            own.find(|proof| proof.shard == other && proof.outcome == Outcome::Accepted)
        };
        BoundedVec::new(others.filter_map(accepted).cloned().collect())
    }

    /// A request arrives at a shard, as bytes.
    fn ask(&mut self, number: u8, shard: u16, action: Action<Sealed>) -> Option<Done> {
        let transaction = payment(number).transaction().clone();
        let mut bytes = Request { transaction, action }.encode();
        if let Some(place) = self.corrupt.take() {
            let at = usize::from(place).wrapping_mul(bytes.len()).wrapping_shr(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1_u8.wrapping_shl(place.into()));
        }
        let Request { transaction, action } = Request::decode(&bytes).ok()?;
        let checked = RULES.check_one(transaction).ok()?;
        assert_eq!(checked, *payment(number), "a payment that nobody signed");
        let (done, proof) = self.city.decide(shard, &checked, &action).ok()?;
        if let Done::New(verdict) = &done {
            self.books.enter(number, shard, verdict.outcome);
            self.books.audit(&self.city);
        }
        self.proofs.extend(proof.map(|proof| (number, proof)));
        Some(done)
    }

    /// Somebody honest carries all payments to their ends.
    fn end(mut self) {
        self.corrupt = None;
        // A shard takes part in what is of its epoch or an earlier one.
        let last = (0..SHARDS).map(|shard| self.city.state(shard).epoch()).max();
        for shard in 0..SHARDS {
            if Some(self.city.state(shard).epoch()) < last {
                self.city.turn(shard);
            }
        }
        // One payment may spend what another leaves.
        for number in (0..2).flat_map(|_| 0..8) {
            self.carry(number);
        }
        (0..8).for_each(|number| self.books.is_over(number));
        let left: u64 = self.books.unspent.values().map(|output| output.value).sum();
        let committed = (0_u8..8).filter(|number| self.books.is_created(*number));
        let burnt: u64 = committed
            .map(|number| worth(payment(number), true).wrapping_sub(worth(payment(number), false)))
            .sum();
        let brought: u64 = coins().map(|coin| coin.value).sum();
        assert_eq!(left.wrapping_add(burnt), brought, "value appears or vanishes");
    }

    fn carry(&mut self, number: u8) {
        let checked = payment(number);
        let inputs = parties(checked, true);
        // The second time, an acceptance can be shown.
        for shard in inputs.iter().chain(&inputs) {
            let shown =
                inputs.iter().find_map(|other| self.fresh(number, *other, Outcome::Accepted));
            let shown = shown.filter(|proof| proof.shard != *shard);
            self.ask(number, *shard, Action::Initialize { shown });
        }
        let accepted =
            |world: &mut Self, shard: &u16| world.fresh(number, *shard, Outcome::Accepted);
        let rejected =
            inputs.iter().find(|shard| self.books.has(number, **shard, Outcome::Rejected));
        if let Some(rejected) = rejected {
            // A shard forgets what it could not accept any more, and then says it again.
            let fresh = self.fresh(number, *rejected, Outcome::Rejected);
            let last = || {
                self.proofs
                    .iter()
                    .rev()
                    .find(|(of, proof)| *of == number && proof.shard == *rejected)
            };
            let Some(proof) = fresh.or_else(|| last().map(|(_, proof)| proof.clone())) else {
                return;
            };
            for shard in inputs.iter().filter(|shard| *shard != rejected) {
                self.ask(number, *shard, Action::Abort { proof: proof.clone() });
            }
        } else if inputs.iter().all(|shard| self.books.has(number, *shard, Outcome::Accepted)) {
            for shard in parties(checked, false) {
                let others = inputs.iter().filter(|other| **other != shard);
                let proofs = others.filter_map(|other| accepted(self, other)).collect();
                let proofs = BoundedVec::new(proofs).expect("three at most");
                self.ask(number, shard, Action::Commit { proofs });
            }
        }
    }

    /// What a shard has said, under a block of its present members.
    fn fresh(&mut self, number: u8, shard: u16, outcome: Outcome) -> Option<Proof<Sealed>> {
        self.city.state(shard).said(payment(number), outcome)?;
        self.city.pass(shard).kept(payment(number), outcome)
    }
}

/// The shards of a payment's inputs, or of its outputs.
fn parties(checked: &Checked, inputs: bool) -> BTreeSet<u16> {
    let declared = checked.declaration();
    if inputs {
        declared.inputs.iter().map(|input| input.outpoint.shard).collect()
    } else {
        declared.outputs.iter().map(|output| output.shard).collect()
    }
}

fn worth(checked: &Checked, inputs: bool) -> u64 {
    let declared = checked.declaration();
    if inputs {
        declared.inputs.iter().map(|input| input.value).sum()
    } else {
        declared.outputs.iter().map(|output| output.value).sum()
    }
}

/// What follows from the shards' words, by arithmetic of its own.
struct Books {
    /// By name, in whichever shard.
    unspent: BTreeMap<[u8; 32], Input>,
    /// Payment, shard and what became of it there.
    said: BTreeSet<(u8, u16, Outcome)>,
}

impl Books {
    fn has(&self, number: u8, shard: u16, outcome: Outcome) -> bool {
        self.said.contains(&(number, shard, outcome))
    }

    fn any(&self, number: u8, outcome: Outcome) -> bool {
        (0..SHARDS).any(|shard| self.has(number, shard, outcome))
    }

    fn is_created(&self, number: u8) -> bool {
        self.any(number, Outcome::Created)
    }

    /// A shard says something for the first time.
    fn enter(&mut self, number: u8, shard: u16, outcome: Outcome) {
        let checked = payment(number);
        let declared = checked.declaration();
        let own = declared.inputs.iter().filter(|input| input.outpoint.shard == shard);
        let all_accepted =
            parties(checked, true).iter().all(|other| self.has(number, *other, Outcome::Accepted));
        match outcome {
            Outcome::Accepted => {
                assert!(!self.has(number, shard, Outcome::Rejected), "accepted after a rejection");
                for input in own {
                    let spent = self.unspent.remove(&input.outpoint.id);
                    assert_eq!(spent, Some(*input), "a coin that is not there is locked");
                }
            }
            Outcome::Rejected => {
                assert!(
                    !self.has(number, shard, Outcome::Accepted),
                    "rejected after an acceptance"
                );
                // Without a trace when its time is over: it may be said again.
                self.said.remove(&(number, shard, outcome));
            }
            Outcome::GivenBack => {
                assert!(
                    self.has(number, shard, Outcome::Accepted),
                    "what is not locked comes back"
                );
                assert!(self.any(number, Outcome::Rejected), "an abort that nobody decided");
                assert!(!self.is_created(number), "both sides have it");
                for input in own {
                    let mut back = *input;
                    back.outpoint.version = back.outpoint.version.wrapping_add(1);
                    let there = self.unspent.insert(back.outpoint.id, back);
                    assert_eq!(there, None, "a coin comes back twice");
                }
            }
            Outcome::Created => {
                assert!(all_accepted, "a commit that not all decided");
                assert!(!self.any(number, Outcome::GivenBack), "both sides have it");
                let created = declared.created(checked.session());
                for output in created.filter(|output| output.outpoint.shard == shard) {
                    let there = self.unspent.insert(output.outpoint.id, output);
                    assert_eq!(there, None, "an output is created twice");
                }
            }
        }
        assert!(self.said.insert((number, shard, outcome)), "{outcome:?} twice");
    }

    /// What the shards hold is what the books say.
    fn audit(&self, city: &City) {
        let held: usize = (0..SHARDS).map(|shard| city.state(shard).unspent().len()).sum();
        assert_eq!(held, self.unspent.len(), "value appears or vanishes");
        for output in self.unspent.values() {
            let spendable = city.state(output.outpoint.shard).spendable(output);
            assert_eq!(spendable, Ok::<(), Refusal>(()), "what is left cannot be spent");
        }
    }

    /// Every output is there and nothing came back, or none is and nothing is locked.
    fn is_over(&self, number: u8) {
        let checked = payment(number);
        let inputs = parties(checked, true);
        let locked = inputs.iter().filter(|shard| {
            self.has(number, **shard, Outcome::Accepted)
                && !self.has(number, **shard, Outcome::GivenBack)
        });
        if self.is_created(number) {
            let outputs = parties(checked, false);
            let created = outputs.iter().all(|at| self.has(number, *at, Outcome::Created));
            assert!(created && locked.count() == inputs.len(), "half of payment {number} is done");
        } else {
            assert_eq!(locked.count(), 0, "payment {number} stays locked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(name: &str) -> World {
        let (_, input) = seeds().into_iter().find(|(seed, _)| seed == name).unwrap();
        run(&input)
    }

    /// What the seeds are called is what happens.
    #[test]
    fn seeds_reach_every_outcome() {
        use Outcome::{Accepted, Created, GivenBack, Rejected};
        let said = |name| reached(name).books.said.into_iter().collect::<Vec<_>>();
        assert_eq!(said("nothing"), []);
        assert_eq!(said("committed"), [(0, 0, Accepted), (0, 1, Accepted), (0, 2, Created)]);
        let aborted = said("aborted");
        for entry in [(2, 1, Rejected), (2, 2, Accepted), (2, 2, GivenBack)] {
            assert!(aborted.contains(&entry), "{entry:?} {aborted:?}");
        }
        let spent = said("given-back-and-spent");
        assert!(spent.contains(&(4, 2, Accepted)) && spent.contains(&(4, 1, Created)), "{spent:?}");
        assert!(!said("false-proofs").iter().any(|(.., outcome)| *outcome == Created));
        assert_eq!(said("corrupt"), said("committed"));
        assert_eq!(said("late"), [(6, 0, Rejected), (7, 2, Accepted)]);
        assert!(!said("epochs").iter().any(|(.., outcome)| *outcome == Created));
    }

    #[test]
    fn a_second_creation_and_a_lost_coin_are_noticed() {
        let noticed = |act: fn(&mut World)| {
            let mut world = reached("committed");
            std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| act(&mut world))).is_err()
        };
        assert!(!noticed(|world| world.books.audit(&world.city)));
        assert!(noticed(|world| world.books.enter(0, 2, Outcome::Created)));
        assert!(noticed(|world| world.books.enter(0, 0, Outcome::GivenBack)));
        assert!(noticed(|world| world.books.enter(1, 0, Outcome::Accepted)));
        assert!(noticed(|world| {
            world.books.unspent.pop_first();
            world.books.audit(&world.city);
        }));
    }
}
