//! RandShare: randomness among a few servers, who alone can be sure of it.
//!
//! Source: Syta et al., "Scalable Bias-Resistant Distributed Randomness" (IEEE S&P 2017),
//! Section III, with the broadcast of Bracha (Information and Computation 1987) and the agreement
//! of Crain, Gramoli, Larrea and Raynal, "DBFT" (NCA 2018). It is the baseline that
//! [RandHound](crate) improves upon: n³ messages, and nothing to show to a third party.
//!
//! # What it guarantees
//!
//! With at most f = ⌊(n − 1)/3⌋ Byzantine servers:
//!
//! - **agreement**: all honest servers tell the same output;
//! - **unpredictability**: nobody learns anything about it before an honest server discloses its
//!   shares, and that one knows then who contributes;
//! - **unbiasability**: at least n − f dealers contribute, so that honest ones do. What a faulty
//!   one dealt is recovered without it, so it cannot drop out. With shares that arrive in time,
//!   every honest dealer contributes;
//! - **availability**: every honest server tells an output.
//!
//! The first three hold however slow the network is. The last one holds where messages that are
//! sent again and again arrive, and from some time on do so within a bound that need not be known.
//!
//! Unpredictability and unbiasability rest on discrete logarithms, and on a hash that behaves like
//! a random function: \[Z\]G is public from the deals on, where Z is the sum of the secrets.
//!
//! **It is not publicly verifiable.** Nothing is signed, so whoever runs n servers by itself has
//! the same record of any output that it likes.
//!
//! # How it works
//!
//! ```text
//!  i → j    Deal         A_i0, …, A_if, and to j alone its share s_i(j)
//!  j → all  Echo(H(A_i)) the share is valid
//!           Ready        a quorum of echoes, or f + 1 who are ready; a quorum of them delivers
//!           EST, AUX, …  one agreement a dealer on whether it contributes
//!  j → all  Disclosed    once all agreements are over: s_i(j) of all i that contribute
//!     output = H(roster, session, who contributes, Σ s_i(0))
//! ```
//!
//! Where this departs from the paper:
//!
//! - Commitments are broadcast reliably. A dealer that sends some servers other commitments has
//!   them recover other secrets, all of which "verify".
//! - The paper decides a secret by 2f + 1 positive votes or f + 1 negative ones, then 2f + 1 votes
//!   to commit. With a share that is bad for one honest server of four, and a faulty voter, neither
//!   number is reached; or it votes both ways, and honest servers decide differently. Here DBFT
//!   decides, which is safe at any speed of the network, and ends where it is synchronous for long
//!   enough. No protocol without randomness ends for sure in the paper's network, which need never
//!   be synchronous (Fischer, Lynch and Paterson, JACM 1985).
//! - A missing deal is no negative vote by itself: a server says no to a dealer once n − f others
//!   are agreed on, and `grace` is over (Ben-Or, Kelmer and Rabin, PODC 1994). The paper waits for
//!   the shares of all.
//! - Disclosed shares are checked, and a server that lacks a dealer's commitments asks for them.
//! - Secrets are added up, and the output is a hash of that. A dealer that deals last knows
//!   \[s_i(0)\]G of all others, and can choose its secret so that \[Σ s_i(0)\]G has any property
//!   that it likes.

mod ballot;
mod dealing;
mod machine;
mod opening;
mod restore;
mod set;
mod words;

pub use self::{
    machine::{RandShare, RandShareStep},
    words::{
        Commitments, Deal, DealId, Disclosed, Event, MAX_COMMITMENTS, MAX_SERVERS, MAX_VOTES,
        Message, Record, Setup, SetupError, Values, Vote, Word,
    },
};
