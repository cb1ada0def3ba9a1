//! What a client shows, and what makes it void.

use std::sync::LazyLock;

use cosi::{Certificate, Statement as _, certificate, keys::Signature, wire::BoundedVec};
use randhound::{
    Statement, StatementId, Void,
    coded::{Coded, Fragment},
    message::{Ask, ByClient, Deals, Shown},
};

use super::QUORUM;
use crate::committee::{CAST, DRAW, SERVERS};

/// What the client may show.
pub(super) struct Plot {
    pub(super) statement: ByClient<Statement>,
    pub(super) deals: Vec<Deals>,
    coded: Coded,
    pub(super) sound: bool,
}

/// Two sound choices, and one whose fragments are no deals.
pub(super) static PLOTS: LazyLock<[Plot; 3]> = LazyLock::new(|| {
    let dealt = DRAW.deals();
    let sound = |last| {
        let (statement, deals) = CAST.choice(&dealt, last).expect("all have dealt");
        let coded = Coded::new(&CAST.session, &deals).expect("short deals");
        Plot { statement, deals, coded, sound: true }
    };
    let [first, last] = [false, true].map(sound);
    let coded = Coded::code(&CAST.session, b"no deals".to_vec()).expect("short bytes");
    let what = Statement { availability: coded.root(), ..first.statement.what.clone() };
    let statement = ByClient::new(&CAST.client, what);
    let void = Plot { statement, deals: first.deals.clone(), coded, sound: false };
    [first, last, void]
});

impl Plot {
    pub(super) fn id(&self) -> StatementId {
        self.statement.what.id()
    }

    pub(super) fn sign(&self, at: u16) -> Signature {
        let roster = CAST.session.roster().id();
        certificate::sign(CAST.key(at), &roster, &self.statement.what.to_signed())
    }

    pub(super) fn shown(&self, at: u16) -> Option<Shown> {
        Some(Shown {
            statement: self.statement.clone(),
            deals: self.deals.get(usize::from(CAST.group(at)))?.clone(),
            fragment: self.coded.fragment(CAST.index(at))?,
            ask: Ask::Single,
        })
    }
}

/// Proofs of the one void statement, by some servers' fragments.
pub(crate) fn voids() -> Vec<Void> {
    let [.., plot] = &*PLOTS;
    let signed = (0..SERVERS).take(QUORUM).map(|at| (CAST.index(at), plot.sign(at)));
    let certificate = Certificate::individual(CAST.session.roster(), signed).expect("five signed");
    let proof = |servers: [u16; 3]| {
        let fragment = |at| Some((at, plot.coded.fragment(CAST.index(at))?));
        let fragments = servers.into_iter().map(fragment).collect::<Option<_>>();
        Void {
            config: CAST.session.config().clone(),
            statement: plot.statement.clone(),
            certificate: certificate.clone(),
            fragments: fragments.and_then(BoundedVec::new).expect("three fragments"),
        }
    };
    [[0, 1, 2], [1, 4, 6]].map(proof).into()
}

/// Fragments of a void statement.
pub(crate) fn fragments() -> Vec<Fragment> {
    let [.., plot] = &*PLOTS;
    CAST.session.roster().indices().filter_map(|at| plot.coded.fragment(at)).take(1).collect()
}

/// Whether these are the fragments that were shown.
pub(crate) fn shown(void: &Void) -> bool {
    let [.., plot] = &*PLOTS;
    let known = |at: u16| {
        let index = CAST.session.roster().index(at)?;
        plot.coded.fragment(index)
    };
    void.fragments.iter().all(|(at, fragment)| known(*at).as_ref() == Some(fragment))
}
