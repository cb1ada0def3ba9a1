//! Which slots are drawn, and what seeds their groups.

use crate::{
    cli,
    keys::Cast,
    publication::{CheckError, Checked},
};

/// Why no slot is drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SlotError {
    #[error("--after {0}")]
    After(CheckError),
    #[error("slot {asked} does not come after slot {before}; leave --slot out, or give {next}")]
    NotNext { asked: u64, before: u64, next: u64 },
    #[error("slot {asked} takes the output of slot {before}; give its file with --after")]
    Alone { asked: u64, before: u64 },
    #[error("slot {0} is the last one")]
    Last(u64),
}

impl SlotError {
    /// Whether the file of the slot before was read, and does not hold.
    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self, Self::After(error) if error.is_invalid())
    }
}

/// One slot after the other, each with the output of the one before as its prior.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) first: u64,
    /// The one that is asked for.
    pub(crate) last: u64,
    /// The first one's. Slot 0 has zeros, which its client knows before the roster is closed, so
    /// its output is used for nothing but the groups of slot 1.
    pub(crate) prior: [u8; 32],
}

impl Slots {
    pub(crate) fn of(args: &cli::Run, cast: &Cast, purpose: &[u8; 32]) -> Result<Self, SlotError> {
        let Some(path) = &args.after else { return Self::from_zero(args.slot.unwrap_or(1)) };
        let roster = cast.committee.roster().id().0;
        let checked = Checked::load_any_slot(path, roster, purpose).map_err(SlotError::After)?;
        Self::following(checked.publication.transcript.config.slot, checked.output.0, args.slot)
    }

    fn from_zero(asked: u64) -> Result<Self, SlotError> {
        match asked.checked_sub(1) {
            Some(before @ 1..) => Err(SlotError::Alone { asked, before }),
            Some(0) | None => Ok(Self { first: 0, last: asked, prior: [0; 32] }),
        }
    }

    fn following(before: u64, prior: [u8; 32], asked: Option<u64>) -> Result<Self, SlotError> {
        let next = before.checked_add(1).ok_or(SlotError::Last(before))?;
        match asked {
            Some(asked) if asked != next => Err(SlotError::NotNext { asked, before, next }),
            Some(_) | None => Ok(Self { first: next, last: next, prior }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_follows_the_one_before() {
        let slots = |first, last, prior| Slots { first, last, prior };
        assert_eq!(Slots::from_zero(0).unwrap(), slots(0, 0, [0; 32]));
        assert_eq!(Slots::from_zero(1).unwrap(), slots(0, 1, [0; 32]));
        assert!(matches!(Slots::from_zero(2), Err(SlotError::Alone { asked: 2, before: 1 })));
        for asked in [None, Some(8)] {
            assert_eq!(Slots::following(7, [5; 32], asked).unwrap(), slots(8, 8, [5; 32]));
        }
        for asked in [0, 7, 9] {
            let refused = Slots::following(7, [5; 32], Some(asked));
            assert!(matches!(refused, Err(SlotError::NotNext { next: 8, .. })));
        }
        assert!(matches!(Slots::following(u64::MAX, [5; 32], None), Err(SlotError::Last(_))));
    }
}
