//! The three strawmen of the paper's Section II, each in a few lines, and how each fails.

use std::cell::Cell;

use curve25519_dalek::{Scalar, rand_core::CryptoRng};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha512};

type Input = [u8; 32];

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn draw(rng: &mut dyn CryptoRng) -> Input {
    let mut input = [0; 32];
    rng.fill_bytes(&mut input);
    input
}

fn xor(inputs: impl IntoIterator<Item = Input>) -> Input {
    let mut sum = [0; 32];
    for input in inputs {
        sum.iter_mut().zip(input).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

/// What came of it.
#[derive(Default)]
struct Run {
    output: Option<Input>,
    /// What each server heard from others.
    heard: Vec<usize>,
}

impl Run {
    fn new(servers: usize) -> Self {
        Self { output: None, heard: vec![0; servers] }
    }

    /// One server speaks to all others.
    fn broadcast(&mut self, from: usize) {
        let others = self.heard.iter_mut().enumerate().filter(|(server, _)| *server != from);
        others.for_each(|(_, heard)| *heard += 1);
    }
}

/// Strawman I: servers tell all others an input, one after the other, and combine them. `input` is
/// told who speaks, and what was said.
fn combine(servers: usize, mut input: impl FnMut(usize, &[Input]) -> Option<Input>) -> Run {
    let (mut run, mut said) = (Run::new(servers), Vec::new());
    for server in 0..servers {
        let Some(input) = input(server, &said) else { return run };
        run.broadcast(server);
        said.push(input);
    }
    run.output = Some(xor(said));
    run
}

/// Knows the output before it is there, and sets it to any value.
pub(crate) fn the_last_server_chooses_the_output() {
    for wish in [[0; 32], [0xff; 32], *b"the lottery is won by my brother"] {
        let mut rng = rng(1);
        let output = combine(10, |server, said| match server {
            9 => Some(xor(said.iter().copied().chain([wish]))),
            _ => Some(draw(&mut rng)),
        });
        assert_eq!(output.output, Some(wish));
    }
}

/// A commitment to an input, which is salt enough for itself.
fn commit(input: &Input) -> Input {
    Sha512::digest(input)[..32].try_into().unwrap()
}

/// Strawman II: servers commit to inputs, then reveal them one after the other. `reveals` is told
/// who is to speak, and what was revealed. Without `leaving_out`, all must reveal.
fn reveal(
    inputs: &[Input],
    leaving_out: bool,
    mut reveals: impl FnMut(usize, &[Input]) -> bool,
) -> Run {
    let (mut run, mut revealed) = (Run::new(inputs.len()), Vec::new());
    let commitments: Vec<_> = inputs.iter().map(commit).collect();
    (0..inputs.len()).for_each(|server| run.broadcast(server));
    for (server, input) in inputs.iter().enumerate() {
        if reveals(server, &revealed) {
            assert_eq!(commit(input), commitments[server]);
            run.broadcast(server);
            revealed.push(*input);
        } else if !leaving_out {
            return run;
        }
    }
    run.output = Some(xor(revealed));
    run
}

/// Strawman I waits for its input, and Strawman II for its reveal.
pub(crate) fn one_silent_server_stalls() {
    let mut rng = rng(2);
    assert!(combine(10, |_, _| Some(draw(&mut rng))).output.is_some());
    assert_eq!(combine(10, |server, _| (server != 4).then(|| draw(&mut rng))).output, None);
    let inputs: Vec<_> = (0..10).map(|_| draw(&mut rng)).collect();
    assert_eq!(reveal(&inputs, false, |_, _| true).output, Some(xor(inputs.clone())));
    assert_eq!(reveal(&inputs, false, |server, _| server != 4).output, None);
}

/// All but one server are faulty, and have all commitments: the output is as likely to begin with
/// a 1 as with a 0, whatever they guess from what they see.
pub(crate) fn nobody_knows_the_output_before_a_reveal() {
    let mut rng = rng(3);
    let (mut right, runs) = (0, 400);
    for _ in 0..runs {
        let inputs: Vec<_> = (0..4).map(|_| draw(&mut rng)).collect();
        let seen = xor([commit(&inputs[0]), inputs[1], inputs[2], inputs[3]]);
        let output = reveal(&inputs, false, |_, _| true).output.unwrap();
        right += usize::from(seen[0] >> 7 == output[0] >> 7);
    }
    // Five deviations of 400 throws of a coin.
    assert!((150..=250).contains(&right), "{right} of {runs}");
}

/// Where those who do not reveal are left out, the last server has two outputs to choose from:
/// what it wishes for at even odds it gets three times of four. Where they are not, it can stop
/// the run and have another one: it gets what it wishes for.
pub(crate) fn who_does_not_reveal_chooses_between_two_outputs() {
    let mut rng = rng(4);
    let (mut got, runs) = (0, 400);
    for _ in 0..runs {
        let inputs: Vec<_> = (0..4).map(|_| draw(&mut rng)).collect();
        let own = inputs[3];
        let wished = |output: &Input| output[0] >= 128;
        let decide = |revealed: &[Input]| {
            let with = xor(revealed.iter().copied().chain([own]));
            wished(&with) || !wished(&xor(revealed.iter().copied()))
        };
        let run = reveal(&inputs, true, |server, revealed| server != 3 || decide(revealed));
        got += usize::from(wished(&run.output.unwrap()));
        let again = (0..).find_map(|_| {
            let inputs: Vec<_> = (0..4).map(|_| draw(&mut rng)).collect();
            let own = inputs[3];
            let wished = |said: &[Input]| xor(said.iter().copied().chain([own]))[0] >= 128;
            reveal(&inputs, false, |server, said| server != 3 || wished(said)).output
        });
        assert!(again.unwrap()[0] >= 128);
    }
    // Five deviations around 300.
    assert!((257..=343).contains(&got), "{got} of {runs}");
}

/// A polynomial of degree f, from its coefficients.
fn value(polynomial: &[Scalar], server: usize) -> Scalar {
    let x = Scalar::from(server as u64 + 1);
    polynomial.iter().rev().fold(Scalar::ZERO, |sum, a| sum * x + a)
}

/// What shares recover at `x`, by Lagrange's formula.
fn recover_at(shares: &[(usize, Scalar)], x: Scalar) -> Scalar {
    let at = |server: usize| Scalar::from(server as u64 + 1);
    let weigh = |(own, share): &(usize, Scalar)| {
        let others = shares.iter().filter(|(other, _)| other != own);
        others.fold(*share, |product, (other, _)| {
            product * (at(*other) - x) * (at(*other) - at(*own)).invert()
        })
    };
    shares.iter().map(weigh).sum()
}

fn recover(shares: &[(usize, Scalar)]) -> Scalar {
    recover_at(shares, Scalar::ZERO)
}

const SERVERS: usize = 7;
const FAULTY: usize = 2;

/// A polynomial of each of so many servers.
fn dealers(servers: usize, seed: u64) -> Vec<Vec<Scalar>> {
    let mut rng = rng(seed);
    let mut scalar = || Scalar::from_bytes_mod_order(draw(&mut rng));
    let degree = (servers - 1) / 3;
    (0..servers).map(|_| (0..=degree).map(|_| scalar()).collect()).collect()
}

fn polynomials(seed: u64) -> Vec<Vec<Scalar>> {
    dealers(SERVERS, seed)
}

/// Strawman III: each server shares a secret with all, discloses all shares that it got, and adds
/// up what the first f + 1 shares of each recover. `disclose` is told the dealer, who discloses, to
/// whom, and the share. What `receiver` makes of it:
fn share(
    polynomials: &[Vec<Scalar>],
    receiver: usize,
    disclose: impl Fn(usize, usize, Scalar) -> Option<Scalar>,
) -> Option<Scalar> {
    let secret = |dealer: usize| {
        let shares = (0..polynomials.len()).filter_map(|server| {
            let share = value(&polynomials[dealer], server);
            let is_own = server == receiver;
            let told = if is_own { Some(share) } else { disclose(dealer, server, share) };
            Some((server, told?))
        });
        let threshold = polynomials[dealer].len();
        let shares: Vec<_> = shares.collect();
        shares.get(..threshold).map(recover)
    };
    (0..polynomials.len()).map(secret).sum()
}

fn sum(polynomials: &[Vec<Scalar>]) -> Scalar {
    polynomials.iter().map(|polynomial| polynomial[0]).sum()
}

/// The first f servers have dealt, and disclose nothing: all others have the same output as if
/// they had.
pub(crate) fn silent_servers_stop_no_sharing() {
    let polynomials = polynomials(5);
    for receiver in FAULTY..SERVERS {
        let output =
            share(&polynomials, receiver, |_, server, share| (server >= FAULTY).then_some(share));
        assert_eq!(output, Some(sum(&polynomials)));
    }
}

/// For every secret there is a polynomial through the f shares that faulty servers have.
pub(crate) fn too_few_shares_fit_every_secret() {
    let polynomial = &polynomials(6)[6];
    let seen: Vec<_> = (0..FAULTY).map(|server| (server, value(polynomial, server))).collect();
    for secret in [0, 1, 77, u64::MAX].map(Scalar::from) {
        // What server 2 would have to have, if this was the secret: x(0), x(1) and the secret at 0
        // make three points.
        let unit = |at: usize| {
            let mut shares: Vec<_> = seen.iter().map(|(at, _)| (*at, Scalar::ZERO)).collect();
            shares.push((2, Scalar::ZERO));
            shares[at].1 = Scalar::ONE;
            recover(&shares)
        };
        let rest = secret - seen[0].1 * unit(0) - seen[1].1 * unit(1);
        let third = rest * unit(2).invert();
        let fitting = [seen[0], seen[1], (2, third)];
        assert_eq!(recover(&fitting), secret);
        for (server, share) in &seen {
            assert_eq!(recover_at(&fitting, Scalar::from(*server as u64 + 1)), *share);
        }
    }
}

/// Nobody sees that a share is bad: honest servers recover different values, or one that is chosen
/// for them.
pub(crate) fn bad_shares_choose_what_servers_recover() {
    bad_shares_have_servers_recover_different_values();
    a_bad_share_chooses_the_output();
}

/// Server 0 tells each server another share of its own secret.
fn bad_shares_have_servers_recover_different_values() {
    let polynomials = polynomials(7);
    let mut outputs = Vec::new();
    for receiver in 1..SERVERS {
        let output = share(&polynomials, receiver, |dealer, server, share| {
            let is_bad = (dealer, server) == (0, 0);
            Some(if is_bad { share + Scalar::from(receiver as u64) } else { share })
        });
        outputs.push(output.unwrap().to_bytes());
    }
    outputs.sort_unstable();
    outputs.dedup();
    assert_eq!(outputs.len(), SERVERS - 1, "as many outputs as honest servers");
}

/// Server 0 hears all others' shares first, knows the output, and has everybody recover another
/// one: what it discloses is one of the f + 1 shares that they take.
fn a_bad_share_chooses_the_output() {
    let polynomials = polynomials(8);
    for wish in [0_u64, 1, 42].map(Scalar::from) {
        let missing = wish - sum(&polynomials);
        // By how much the secret of dealer 6 moves with the share of server 0.
        let unit: Vec<_> = (0..=FAULTY).map(|at| (at, Scalar::from(u64::from(at == 0)))).collect();
        let shift = missing * recover(&unit).invert();
        for receiver in FAULTY + 1..SERVERS {
            let output = share(&polynomials, receiver, |dealer, server, share| {
                Some(if (dealer, server) == (6, 0) { share + shift } else { share })
            });
            assert_eq!(output, Some(wish), "an honest dealer's secret was changed");
        }
    }
}

/// What a third party has of a run: nothing that is signed. Whoever plays all servers by itself
/// makes a record of an output that it likes, and every check of a true record holds.
pub(crate) fn records_are_made_up_by_one_alone() {
    let wish = *b"the lottery is won by my brother";
    // Strawman I: the inputs give the output.
    let mut rng = rng(9);
    let mut forged: Vec<_> = (0..3).map(|_| draw(&mut rng)).collect();
    forged.push(xor(forged.iter().copied().chain([wish])));
    assert_eq!(xor(forged.iter().copied()), wish);
    // Strawman II: and the inputs are those that were committed to.
    let commitments: Vec<_> = forged.iter().map(commit).collect();
    assert!(forged.iter().map(commit).eq(commitments));
    assert_eq!(reveal(&forged, false, |_, _| true).output, Some(wish));
    // Strawman III: and the shares are all of a polynomial.
    let wish = Scalar::from(42_u64);
    let mut forged = polynomials(9);
    let missing = wish - sum(&forged);
    forged[6][0] += missing;
    assert_eq!(share(&forged, 0, |_, _, share| Some(share)), Some(wish));
    for polynomial in &forged {
        let all: Vec<_> = (0..SERVERS).map(|server| (server, value(polynomial, server))).collect();
        assert_eq!(recover(&all[..3]), recover(&all[4..]));
    }
}

/// With twice the servers, each hears twice as much in Strawmen I and II, and in Strawman III
/// four times as many shares.
pub(crate) fn everybody_hears_from_everybody() {
    let heard = |servers: usize| {
        let mut rng = rng(10);
        let first = combine(servers, |_, _| Some(draw(&mut rng)));
        let inputs: Vec<_> = (0..servers).map(|_| draw(&mut rng)).collect();
        let second = reveal(&inputs, false, |_, _| true);
        let shares = Cell::new(0);
        share(&dealers(servers, 10), 0, |_, _, share| {
            shares.set(shares.get() + 1);
            Some(share)
        });
        [first.heard[0], second.heard[0], shares.get()]
    };
    let [few, many] = [10, 20].map(heard);
    let grows = |at: usize| many[at] as f64 / few[at] as f64;
    assert!(grows(0) > 1.9 && grows(1) > 1.9 && grows(2) > 3.8, "{few:?} {many:?}");
}
