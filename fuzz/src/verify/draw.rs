//! What convinces of a draw, and of the shared secrets in it.

use std::sync::LazyLock;

use cosi::{
    Certificate,
    machine::Evidence,
    wire::{BoundedVec, Wire},
};
use pvss::{Chosen, Deal, DecryptedShare, Registration, Scheme, ShareKeys, Sharing};
use randhound::{
    GroupTranscript, Publication, Transcript, Void,
    vrf::{self, VrfSecret},
};

use super::taken;
use crate::{
    committee::{self, CAST, DRAW, SERVERS},
    decode::samples::vrf,
    rescuing,
    town::{key, rng},
};

/// The transcript without the shares, of which any two of a group's will do: a row of their own
/// holds them.
pub(super) fn transcript(bytes: &[u8]) -> Option<Vec<u8>> {
    let transcript = Transcript::<Certificate>::decode(bytes).ok()?;
    let output = transcript.verify(&CAST.committee, &CAST.terms).ok()?;
    assert_eq!(output, DRAW.output, "another output of one draw");
    Some(bare(transcript)?.encode())
}

/// A transcript that holds, without its shares.
fn bare(transcript: Transcript) -> Option<Transcript> {
    let known = DRAW.shares();
    let groups = (0..).zip(transcript.groups.iter()).map(|(group, part)| {
        for share in part.shares.iter() {
            assert!(known.contains(&(group, share.clone())), "a share that nobody opened");
        }
        GroupTranscript { deals: part.deals.clone(), shares: BoundedVec::default() }
    });
    let groups = BoundedVec::new(groups.collect())?;
    Some(Transcript { groups, ..transcript })
}

/// The publication without the shares.
pub(super) fn publication(bytes: &[u8]) -> Option<Vec<u8>> {
    let publication = Publication::<Certificate>::decode(bytes).ok()?;
    let (roster, terms) = (CAST.committee.roster().id(), &CAST.terms);
    let output = publication.verify(roster, &terms.purpose, terms.slot).ok()?;
    assert_eq!(output, DRAW.output, "another output of one draw");
    let transcript = bare(publication.transcript)?;
    Some(Publication { transcript, ..publication }.encode())
}

pub(super) fn publications() -> Vec<Vec<u8>> {
    vec![DRAW.publication().encode()]
}

pub(super) fn transcripts() -> Vec<Vec<u8>> {
    vec![DRAW.transcript.encode()]
}

/// Which sharings there are, with the dealers' positions.
fn sharings() -> Vec<(u16, Sharing)> {
    let own = (0..SERVERS).map(|at| (at, CAST.sharing(CAST.group(at)).clone()));
    own.chain([(0, committee::schoenmakers().0)]).collect()
}

pub(super) fn deal(bytes: &[u8]) -> Option<Vec<u8>> {
    static SHARINGS: LazyLock<Vec<(u16, Sharing)>> = LazyLock::new(sharings);
    taken(bytes, |deal: &Deal| {
        SHARINGS.iter().any(|(dealer, sharing)| deal.verify(sharing, &CAST.owner(*dealer)).is_ok())
    })
}

pub(super) fn deals() -> Vec<Vec<u8>> {
    let deals = DRAW.deals().into_iter().map(|said| said.what.deal);
    deals.chain([committee::schoenmakers().1]).map(|deal| deal.encode()).collect()
}

pub(super) fn share(bytes: &[u8]) -> Option<Vec<u8>> {
    static CHOSEN: LazyLock<[Chosen; 2]> = LazyLock::new(|| [0, 1].map(|group| DRAW.chosen(group)));
    taken(bytes, |share: &DecryptedShare| CHOSEN.iter().any(|chosen| share.verify(chosen).is_ok()))
}

pub(super) fn shares() -> Vec<Vec<u8>> {
    DRAW.shares().iter().map(|(_, share)| share.encode()).collect()
}

pub(super) fn registration(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |registration: &Registration| {
        let keys = CAST.session.roster().indices().filter_map(|at| CAST.session.roster().key(at));
        let mut single = keys.map(|key| ShareKeys::new(Scheme::Dhpvss, [(*key, *registration)]));
        single.any(|keys| keys.is_ok())
    })
}

pub(super) fn registrations() -> Vec<Vec<u8>> {
    CAST.registrations.iter().map(Wire::encode).collect()
}

pub(super) fn conviction(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |evidence: &Evidence| randhound::blame::verify(evidence, &CAST.session).is_some())
}

pub(super) fn convictions() -> Vec<Vec<u8>> {
    committee::convictions().iter().map(Wire::encode).collect()
}

/// The proof without the fragments, any f + 1 of which will do.
pub(super) fn void(bytes: &[u8]) -> Option<Vec<u8>> {
    let void = Void::decode(bytes).ok()?;
    void.verify(&CAST.committee, &CAST.terms).ok()?;
    assert!(rescuing::shown(&void), "a fragment that the client did not make");
    Some(Void { fragments: BoundedVec::default(), ..void }.encode())
}

pub(super) fn voids() -> Vec<Vec<u8>> {
    rescuing::voids().iter().map(Wire::encode).collect()
}

/// A proof of a member's own random value.
pub(super) fn value(bytes: &[u8]) -> Option<Vec<u8>> {
    static SECRET: LazyLock<VrfSecret> = LazyLock::new(vrf);
    let (own, output) = SECRET.prove(b"input");
    taken(bytes, |proof: &vrf::Proof| {
        let found = SECRET.key().verify(b"input", proof);
        assert!(found.is_err() || found == Ok(output), "another output than by {own:?}");
        found.is_ok()
    })
}

pub(super) fn values() -> Vec<Vec<u8>> {
    vec![vrf().prove(b"input").0.encode()]
}

pub(super) fn vrf_key(bytes: &[u8]) -> Option<Vec<u8>> {
    taken(bytes, |registration: &vrf::Registration| registration.verify(key(0).public()).is_ok())
}

pub(super) fn vrf_keys() -> Vec<Vec<u8>> {
    vec![vrf().register(key(0).public(), &mut rng(31)).encode()]
}
