//! Nonce pairs, and a client that asks for parts as it likes.

use cosi::{
    Statement as _,
    machine::Cx,
    nonce::NoncePair,
    round::{Asking, Offer},
};
use randhound::{
    Message, Peer,
    message::{Ask, round},
};

use super::{World, server};
use crate::committee::CAST;

impl World {
    /// Takes note of what a server offers. With a part it offers another pair than ever before,
    /// since the last one is spent.
    pub(super) fn note(&mut self, at: u16, offer: Offer, with_part: bool) {
        let known = self.offered.entry(at).or_default();
        let Some(same) = known.iter().find(|known| known.nonce == offer.nonce) else {
            known.push(offer);
            return;
        };
        assert_eq!(same.points, offer.points, "server {at} gives two pairs one name");
        assert!(!with_part, "server {at} answers with a pair, and keeps it");
    }

    /// The client asks everybody for a part in a round of its own, with the pairs offered last.
    pub(super) fn ask(&mut self, second: bool) {
        let Some((statement, choice)) = self.choices.iter().next() else { return };
        let (statement, signed) = (*statement, choice.statement.to_signed());
        let attempt = u8::from(second);
        let latest = |(at, offers): (&u16, &Vec<Offer>)| Some((*at, *offers.last()?));
        let offers: Vec<_> = self.offered.iter().filter_map(latest).collect();
        let points =
            offers.iter().filter_map(|(at, offer)| Some((CAST.index(*at), offer.decode()?)));
        let name = round(statement, attempt);
        let asking = Asking::new(CAST.session.roster(), &name, points, &signed);
        let Some(asking) = asking else { return };
        self.liars.insert(Peer::Client);
        for (at, Offer { nonce, .. }) in offers {
            let ask = Ask::Part { attempt, question: asking.question().clone(), nonce };
            self.send(Peer::Client, server(at), &Message::Ask(statement, ask));
        }
    }
}

/// A pair for the client, and its public half.
pub(super) fn offer(cx: &mut Cx<'_>, at: u16) -> (Offer, NoncePair) {
    let (roster, session) = (CAST.session.roster().id(), CAST.session.id().0);
    Offer::draw(cx, CAST.key(at), &roster, &session, &mut 0)
}
