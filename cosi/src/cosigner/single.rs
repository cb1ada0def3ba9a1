//! How a cosigner signs alone, for the certificate that needs no nonces.

use super::{Cosigner, Step, pool::Verdict};
use crate::{
    certificate,
    keys::Signature,
    machine::{FaultKind, Index, To},
    message::{Message, Single},
    session::{Digest, Session},
    signature::Mode,
};

impl Cosigner {
    /// The leader asks for a single signature.
    pub(super) fn polled(&mut self, leader: Index, session: &Session, statement: &[u8]) -> Step {
        if session.mode != Mode::Accountable || !self.signs(session, statement) {
            return self.blame(leader, FaultKind::InvalidPayload, None);
        }
        let digest = session.statement;
        let verdict = self.case(leader, digest, leader).verdict;
        if verdict == Verdict::Refused {
            return self.decline(leader, session);
        }
        // Made before the verdict, and said after it: the statement need not be kept.
        let single = certificate::sign(&self.config.key, &self.config.roster.id(), statement);
        if verdict == Verdict::Accepted {
            return self.say_single(leader, digest, single);
        }
        self.case(leader, digest, leader).single = Some(single);
        self.ask(leader, session, statement)
    }

    pub(super) fn say_single(
        &self,
        leader: Index,
        statement: Digest,
        signature: Signature,
    ) -> Step {
        let single = Single { statement, member: self.config.me.get(), signature };
        Step::none().send(To::One(leader), Message::Single(single))
    }
}
