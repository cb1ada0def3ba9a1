//! The proof that what was decided can never have an output.

use alloc::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Attests, Certificate, Policy, VerifyError, machine::Index, roster::MAX_MEMBERS,
    wire::BoundedVec,
};

use crate::{
    choice::{Checked, Choice},
    coded::{self, Fragment},
    message::{ByClient, Config, Statement},
    session::{Committee, Session, SessionError, Terms},
    verify::StatementError,
};

/// The proof that a statement which a quorum certified is void: its coded deals are not the deals
/// that it names.
///
/// A server that acknowledges has seen the deals of its own group, and its own fragment. So a
/// client gets a certificate on deals that do not hold in a group that is its own, and on fragments
/// that no deals make.
///
/// **The verdict is one.** Where the statement's root is that of its sound deals, any f + 1
/// fragments under it rebuild them, and nobody voids the statement. Where it is not, no f + 1
/// fragments do, and no [`Transcript`](crate::Transcript) of the statement verifies, since a verifier
/// codes the deals anew. Which holds is settled before the first honest server opens a share.
///
/// **Nobody gains from it.** Only such a proof opens the slot's next attempt, and a quorum decides
/// one statement a session. Whoever learns what a void statement's groups open learns what could
/// never be an output, and the next attempt's deals are fresh and bound to another session. A
/// client that does not like an output cannot have it voided. What it gains by voiding before it
/// knows is one more draw that it does not know, and its own conviction: the statement bears its
/// signature.
///
/// An uncertified statement opens nothing: a client could sign one beside the one that is decided.
///
/// # Example
///
/// ```
/// # use std::sync::Arc;
/// # use cosi::{Certificate, Statement as _, certificate::sign, keys::Seed, roster::{Member, Roster}};
/// # use cosi::{machine::{Cx, Time}, mask::Mask, wire::BoundedVec};
/// # use pvss::{Scheme, ShareKeys, ShareSecret};
/// # use randhound::{Committee, Server, Session, Statement, Terms, Void, VoidError};
/// # use randhound::{coded::{Coded, enough}, message::ByClient, server::Setup};
/// # use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
/// # let mut rng = ChaCha20Rng::seed_from_u64(7);
/// # let seeds = [1, 2, 3, 4].map(|seed| Seed::from_bytes([seed; 32]));
/// # let keys = seeds.each_ref().map(Seed::signing_key);
/// # let secrets = seeds.map(|seed| Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss)));
/// # let roster = Roster::new(keys.iter().map(|key| Member::new(key, &mut rng)))?;
/// # let shares: Vec<_> = keys.iter().zip(&secrets)
/// #     .map(|(key, secret)| (*key.public(), secret.register(key.public(), &mut rng)))
/// #     .collect();
/// # let committee = Committee::new(roster.clone(), ShareKeys::new(Scheme::Dhpvss, shares)?)?;
/// # let key = Seed::from_bytes([9; 32]).signing_key();
/// # let client = key.public().to_bytes();
/// # let (purpose, slot, attempt, prior) = ([0; 32], 1, 0, [5; 32]);
/// # let terms = Terms { purpose, slot, attempt, client, group_size: 4, prior };
/// // A client that codes anything but deals, and servers that see a fragment each.
/// let session = Session::new(committee.clone(), &terms)?;
/// let coded = Coded::code(&session, b"no deals".to_vec()).unwrap();
/// let statement = Statement {
///     session: session.id(),
///     dealers: Mask::of(4, [0, 1]),
///     roots: BoundedVec::new(vec![[1; 32]]).unwrap(),
///     availability: coded.root(),
/// };
/// let signed = statement.to_signed();
/// let signatures = roster.indices().zip(&keys)
///     .map(|(index, key)| (index, sign(key, &roster.id(), &signed)));
///
/// // Any f + 1 of them show it, to whoever has the servers' keys and the terms.
/// let fragments = roster.indices().take(enough(&session))
///     .map(|server| (server.get(), coded.fragment(server).unwrap()));
/// let void = Void {
///     config: session.config().clone(),
///     statement: ByClient::new(&key, statement),
///     certificate: Certificate::individual(&roster, signatures).unwrap(),
///     fragments: BoundedVec::new(fragments.collect()).unwrap(),
/// };
/// assert_eq!(void.verify(&committee, &terms), Ok(()));
///
/// // So a server serves the next attempt.
/// let session = Session::new(committee, &Terms { attempt: 1, ..terms })?;
/// let (index, key) = (roster.index(0).unwrap(), keys[0].clone());
/// let setup = Setup { session, index, key, secret: secrets[0].clone(), void: Some(void) };
/// Server::restore(setup, [], &mut Cx::new(Time::default(), &mut rng))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Void {
    /// What the session was about.
    pub config: Config,
    /// The statement, under the client's signature.
    pub statement: ByClient<Statement>,
    /// What says that the servers decided it.
    pub certificate: Certificate,
    /// The fragments of f + 1 servers, each after its server's position, in the roster's order.
    pub fragments: BoundedVec<(u16, Fragment), MAX_MEMBERS>,
}

/// The check that a proof of a void statement fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoidError {
    /// The verifier's own terms make no session.
    #[error("the terms make no session: {0}")]
    Session(#[from] SessionError),
    /// The proof is about other servers, or on other terms.
    #[error("config: the proof is of another roster, purpose, slot, attempt, client or group size")]
    Config,
    /// The statement is none of this session.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The client did not sign the statement.
    #[error("client: its signature on the statement does not hold")]
    Client,
    /// The servers did not decide the statement.
    #[error("certificate: {0}")]
    Certificate(#[from] VerifyError),
    /// Not one fragment each of f + 1 servers, in their order.
    #[error("fragments: give those of {need} servers, in the order of the roster")]
    Fragments {
        /// How many there must be.
        need: usize,
    },
    /// A fragment is not its server's under the statement's root.
    #[error("fragments: that of server {server} does not stand under the statement's root")]
    Fragment {
        /// The server's position in the roster.
        server: u16,
    },
    /// The fragments rebuild the deals that the statement names, and these hold.
    #[error("the statement is sound; show its certificate to the servers, and they open it")]
    Sound,
}

impl Void {
    /// Checks that the statement is void, on the terms of the attempt that it was made in.
    ///
    /// # Errors
    ///
    /// The first check that fails, in the order of [`VoidError`].
    pub fn verify(&self, committee: &Committee, terms: &Terms) -> Result<(), VoidError> {
        let session = Session::new(committee.clone(), terms)?;
        let statement = &self.statement.what;
        if self.config != *session.config() {
            return Err(VoidError::Config);
        }
        session.check(statement)?;
        if !self.statement.verify(session.client()) {
            return Err(VoidError::Client);
        }
        self.certificate.attests(statement, session.roster(), &Policy::Quorum)?;
        let fragments = self.check_fragments(&session)?;
        match session.rebuild(statement, &fragments) {
            Some(_) => Err(VoidError::Sound),
            None => Ok(()),
        }
    }

    fn check_fragments(&self, session: &Session) -> Result<BTreeMap<Index, Fragment>, VoidError> {
        let (roster, need) = (session.roster(), coded::enough(session));
        let ordered = self.fragments.is_sorted_by(|(one, _), (next, _)| one < next);
        if self.fragments.len() != need || !ordered {
            return Err(VoidError::Fragments { need });
        }
        let check = |(server, fragment): &(u16, Fragment)| {
            let index = roster.index(*server);
            let root = &self.statement.what.availability;
            let index = index.filter(|index| fragment.verify(roster, root, *index));
            Ok((index.ok_or(VoidError::Fragment { server: *server })?, fragment.clone()))
        };
        self.fragments.iter().map(check).collect()
    }
}

/// Why a session's attempt is not to be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// Nothing opens the attempt.
    #[error(
        "only the proof that the attempt before is void opens attempt {0}; give it, or allot 0"
    )]
    Closed(u32),
    /// A proof comes with the first attempt.
    #[error("no attempt comes before the first; give no proof with it")]
    First,
    /// The proof does not say that the attempt before is void.
    #[error("the attempt before is not shown to be void: {0}")]
    Void(#[from] VoidError),
}

impl Session {
    /// Checks that this attempt at the slot is open: the first one, with no proof, or a later one
    /// with the proof that the one before is void. Another client may have made that one.
    pub fn check_attempt(&self, void: Option<&Void>) -> Result<(), AttemptError> {
        let terms = self.terms();
        match (terms.attempt.checked_sub(1), void) {
            (None, None) => Ok(()),
            (None, Some(_)) => Err(AttemptError::First),
            (Some(_), None) => Err(AttemptError::Closed(terms.attempt)),
            (Some(attempt), Some(void)) => {
                // A quorum certified a statement of this client's session, so it was allotted.
                let before = Terms { attempt, client: void.config.client, ..terms.clone() };
                Ok(void.verify(self.committee(), &before)?)
            }
        }
    }

    /// The choice that a statement makes, from f + 1 fragments under its root. `None`: the
    /// statement is void, whichever fragments these are.
    pub(crate) fn rebuild(
        &self,
        statement: &Statement,
        fragments: &BTreeMap<Index, Fragment>,
    ) -> Option<Checked> {
        let deals = coded::rebuild(self, fragments)?;
        Checked::new(self, Choice { statement: statement.clone(), deals }).ok()
    }
}
