//! What convicts a replica before anyone who has the roster: two statements of one kind, height
//! and view, both signed by it, on different digests.
//!
//! No correct replica signs two such statements, crash or no crash: each is recorded before it
//! leaves. Statements of different views convict nobody: an honest member commits in a view and
//! again in a later one.

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    Statement as _, certificate, domain,
    keys::Signature,
    machine::{Evidence, Index, Signed},
    roster::Roster,
    wire::{BoundedBytes, BoundedVec, Wire},
};

use crate::statement::{Kind, Statement};

/// A statement, and who is said to have signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Testimony {
    signer: u16,
    statement: Statement,
}

/// The evidence that `signer` made both statements: proposals and view changes signed under
/// [`domain::BYZCOIN`], votes as [`certificate::sign`] signs them.
pub fn contradiction(signer: Index, statements: [(Statement, Signature); 2]) -> Option<Evidence> {
    let signed = statements.map(|(statement, signature)| {
        let testimony = Testimony { signer: signer.get(), statement };
        let statement = BoundedBytes::new(testimony.encode()).unwrap_or_default();
        Signed { statement, signature }
    });
    let statements = BoundedVec::new(signed.into())?;
    Some(Evidence { domain: domain::BYZCOIN_BLAME, statements })
}

/// The member of `roster` that the evidence convicts, if it convicts one.
pub fn verify(evidence: &Evidence, roster: &Roster) -> Option<Index> {
    let [first, second] = &evidence.statements[..] else { return None };
    let [a, b] = [first, second].map(|signed| Testimony::decode(&signed.statement).ok());
    let (a, b) = a.zip(b)?;
    let signer = roster.index(a.signer)?;
    let same_slot = Statement { digest: b.statement.digest, ..a.statement } == b.statement;
    let contradicts = evidence.domain == domain::BYZCOIN_BLAME
        && a.signer == b.signer
        && a.statement.roster == roster.id()
        && a.statement.kind != Kind::Body
        && same_slot
        && a.statement.digest != b.statement.digest;
    let signed = |Testimony { statement, .. }: &Testimony, Signed { signature, .. }: &Signed| {
        match statement.kind {
            Kind::Prepare | Kind::Commit => {
                certificate::verify_single(roster, signer, &statement.to_signed(), signature)
            }
            Kind::Proposal | Kind::ViewChange | Kind::Body => {
                roster.verify(signer, &domain::BYZCOIN, &statement.encode(), signature)
            }
        }
    };
    (contradicts && signed(&a, first) && signed(&b, second)).then_some(signer)
}
