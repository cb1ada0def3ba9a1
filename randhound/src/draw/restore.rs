//! What a server in a draw does after a crash.

use alloc::collections::BTreeMap;
use core::time::Duration;

use cosi::{
    machine::{Cx, Output, Step, To},
    wire::BoundedVec,
};
use pvss::{DecryptedShare, MAX_TRUSTEES};

use super::{Draw, DrawStep, Gathering, Message, Opening, Record, Role, Setup, SetupError, State};
use crate::{
    choice::{Checked, Choice},
    gather::Gathered,
    message::{MAX_GROUPS, Opened},
    peer::Blamed,
    seat::Seat,
};

impl Draw {
    /// The server that wrote `records`, and the step that sends its share again, if it opened one.
    /// Without records, a fresh one that deals.
    pub fn restore(
        setup: Setup,
        records: impl IntoIterator<Item = Record>,
        cx: &mut Cx<'_>,
    ) -> Result<(Self, DrawStep), SetupError> {
        let Setup { session, index, key, secret, retry, grace } = setup;
        let seat = Seat::new(session, index, key, secret, None)?;
        let mut records = records.into_iter();
        let (dealt, mut step) = match records.next() {
            None => {
                let dealt = seat.deal(cx).ok_or(SetupError::Keys)?;
                (dealt.clone(), Step::none().record(Record::Dealt(dealt)))
            }
            Some(Record::Dealt(dealt)) => (dealt, Step::none()),
            Some(_) => return Err(SetupError::Foreign),
        };
        let mut deals = Gathered::new(&seat.session);
        let kept = deals.keep(&seat.session, index, dealt.clone());
        if !matches!(kept, Ok(Some(_))) {
            return Err(SetupError::Foreign);
        }
        let (checked, early) = (None, BTreeMap::new());
        let state = State::Gathering(Gathering { role: Role::Idle, deals, checked, early });
        let retry = retry.max(Duration::from_nanos(1));
        let mut draw = Self { seat, retry, grace, dealt, state, blamed: Blamed::default() };
        let mut decided = None;
        for record in records {
            match (record, decided.take()) {
                (Record::Decided(choice), None) => decided = Some(draw.recheck(*choice)?),
                (Record::Opened(opened), Some(checked)) => draw.reopen(cx, checked, opened)?,
                (Record::Drawn(shares), None) => step = step.and(draw.redraw(shares)?),
                _ => return Err(SetupError::Foreign),
            }
        }
        let step = match decided {
            Some(checked) => step.and(draw.open(cx, checked)),
            None => step.and(draw.repeat()),
        };
        Ok((draw, step))
    }

    /// Sends the own share again, and asks for others.
    fn repeat(&self) -> DrawStep {
        let opened = match &self.state {
            State::Gathering(_) => return Step::none(),
            State::Opening(Opening { opened, .. }) | State::Drawn(opened) => opened,
        };
        Step::none().send(To::All, Message::Opened(opened.clone())).and(self.ask())
    }

    /// Takes up what was decided before a crash, every deal checked anew.
    fn recheck(&self, choice: Choice) -> Result<Checked, SetupError> {
        let undecided = matches!(self.state, State::Gathering(_));
        let checked = Checked::new(&self.seat.session, choice).ok().filter(|_| undecided);
        checked.ok_or(SetupError::Foreign)
    }

    /// Takes up what was opened before a crash.
    fn reopen(&mut self, cx: &Cx<'_>, checked: Checked, opened: Opened) -> Result<(), SetupError> {
        if !self.seat.is_own(&opened) || opened.statement != checked.id {
            return Err(SetupError::Foreign);
        }
        self.begin_opening(cx.now(), checked, opened);
        Ok(())
    }

    /// Takes up what was recovered before a crash, and tells it again.
    fn redraw(
        &mut self,
        shares: BoundedVec<BoundedVec<DecryptedShare, MAX_TRUSTEES>, MAX_GROUPS>,
    ) -> Result<DrawStep, SetupError> {
        let session = &self.seat.session;
        let State::Opening(opening) = &mut self.state else { return Err(SetupError::Foreign) };
        for (group, shares) in (0..).zip(shares.into_inner()) {
            for share in shares.into_inner() {
                let members = session.groups().members(group).unwrap_or_default();
                let from = members.get(usize::from(share.trustee)).ok_or(SetupError::Foreign)?;
                let opened = Opened { statement: opening.checked.id, group, share };
                let _ = opening.insert(session, *from, opened);
            }
        }
        let Output { events, .. } = self.finish().into_records().1.release();
        if events.is_empty() {
            return Err(SetupError::Foreign);
        }
        Ok(events.into_iter().fold(Step::none(), Step::event))
    }
}
