//! What a machine target reads from its input.

/// The most actions of an input. What follows is ignored.
const MOST: usize = 400;

/// An input, as actions: the upper three bits of a byte say what to do, and the others to whom.
pub(crate) struct Actions<'a>(core::iter::Take<core::slice::Iter<'a, u8>>);

impl<'a> Actions<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        Self(input.iter().take(MOST))
    }

    /// A byte that an action takes beside its own, or 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    /// The next action.
    pub(crate) fn next(&mut self) -> Option<(u8, u8)> {
        self.0.next().map(|byte| (byte.wrapping_shr(5), byte & 31))
    }
}
