//! The results, for people and for programs.

use examples::{files::hex, report::Rows};
use randhound::Session;
use serde::Serialize;

use crate::{cli::Which, list::List, publication::Checked, run::Drawn};

/// A draw that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Ran {
    pub(crate) simulated: bool,
    pub(crate) purpose: String,
    pub(crate) slot: u64,
    pub(crate) output: String,
    pub(crate) roster_id: String,
    pub(crate) file: String,
    pub(crate) bytes: usize,
    pub(crate) servers: usize,
    /// Where the keys are.
    pub(crate) kept: Option<String>,
    pub(crate) rounds: Vec<Round>,
    /// In seconds.
    pub(crate) verified_in: f64,
}

/// What it took to draw one slot.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    slot: u64,
    groups: usize,
    /// In seconds.
    took: f64,
    client_cpu: Option<f64>,
    client_sent: u64,
    client_received: u64,
    transcript_bytes: usize,
    /// Whether all who acknowledged made one signature.
    collective: bool,
    acknowledged: usize,
    /// Who did not acknowledge.
    missing: Vec<u16>,
    /// How many rules servers broke.
    faults: u64,
}

impl Round {
    pub(crate) fn new(slot: u64, session: &Session, drawn: &Drawn) -> Self {
        let certificate = &drawn.transcript.certificate;
        let signers = certificate.signers();
        let all = session.roster().indices().map(|index| index.get());
        Self {
            slot,
            groups: session.groups().len(),
            took: drawn.took.as_secs_f64(),
            client_cpu: drawn.client_cpu.map(|cpu| cpu.as_secs_f64()),
            client_sent: drawn.sent,
            client_received: drawn.received,
            transcript_bytes: cosi::wire::Wire::encode(&drawn.transcript).len(),
            collective: matches!(certificate, cosi::Certificate::Collective(_)),
            acknowledged: signers.count(),
            missing: all.filter(|server| !signers.contains(*server)).collect(),
            faults: drawn.faults,
        }
    }

    fn line(&self, simulated: bool) -> String {
        let Self { groups, took, client_sent, client_received, acknowledged, .. } = self;
        let virtually = if simulated { " of virtual time" } else { "" };
        let cpu = self.client_cpu.map_or_else(String::new, |cpu| {
            format!(", {:.0} ms of the client's processor", cpu * 1e3)
        });
        let form = if self.collective { "in one signature" } else { "one by one" };
        let missing = match &self.missing[..] {
            [] => "nobody missing".to_owned(),
            some => format!("missing: {}", positions(some)),
        };
        let faults = if self.faults == 0 {
            String::new()
        } else {
            format!("; {} rules broken", self.faults)
        };
        format!(
            "{groups} groups, {took:.2} s{virtually}{cpu}\nthe client sent {} and received {}\n\
             {acknowledged} acknowledged, {form}; {missing}{faults}",
            size(*client_sent),
            size(*client_received),
        )
    }
}

impl Ran {
    pub(crate) fn table(&self) -> String {
        let Self { purpose, slot, output, roster_id, file, bytes, servers, .. } = self;
        let how = if self.simulated { "simulated servers" } else { "servers, each a process" };
        let mut rows = Rows::new();
        rows.add("output", output);
        rows.add(
            "roster id",
            format!("{roster_id}\nkeep it apart from the file: it says whose draw it is"),
        );
        for round in &self.rounds {
            rows.add(&format!("slot {}", round.slot), round.line(self.simulated));
        }
        rows.add(
            "file",
            format!(
                "{file}, {}, verified in {:.1} ms",
                size(u64::try_from(*bytes).unwrap_or(u64::MAX)),
                self.verified_in * 1e3,
            ),
        );
        rows.add(
            "keys",
            match &self.kept {
                Some(dir) => format!("in {dir}, for the slots that come"),
                None => "gone, and the roster with them".into(),
            },
        );
        let purpose = quoted(purpose);
        format!(
            "drawn: slot {slot} of {purpose}, by {servers} {how}\n\n{}\n\nVerify it:\n  beacon verify \
             {file} --roster-id {roster_id} --purpose {purpose} --slot {slot}",
            rows.text(),
        )
    }
}

/// A file that does not hold.
#[derive(Debug, Serialize)]
pub(crate) struct Invalid {
    pub(crate) valid: bool,
    pub(crate) reason: String,
}

/// A file that holds.
#[derive(Debug, Serialize)]
pub(crate) struct Verified {
    valid: bool,
    purpose: String,
    slot: u64,
    output: String,
    roster_id: String,
    servers: usize,
    faulty: usize,
    quorum: usize,
    acknowledged: usize,
    groups: usize,
    deals: usize,
    shares: usize,
    client: String,
    prior: String,
    bytes: usize,
}

impl Verified {
    pub(crate) fn new(checked: &Checked, which: &Which) -> Self {
        let transcript = &checked.publication.transcript;
        let servers = checked.publication.members.len();
        let faulty = servers.saturating_sub(1) / 3;
        Self {
            valid: true,
            purpose: which.purpose.clone(),
            slot: which.slot,
            output: hex(&checked.output.0),
            roster_id: hex(&which.roster_id),
            servers,
            faulty,
            quorum: servers.saturating_sub(faulty),
            acknowledged: transcript.certificate.signers().count(),
            groups: transcript.groups.len(),
            deals: transcript.groups.iter().map(|group| group.deals.len()).sum(),
            shares: transcript.groups.iter().map(|group| group.shares.len()).sum(),
            client: hex(&transcript.config.client),
            prior: hex(&checked.publication.prior),
            bytes: checked.bytes,
        }
    }

    pub(crate) fn table(&self) -> String {
        let Self { servers, faulty, quorum, acknowledged, groups, deals, shares, .. } = self;
        let mut rows = Rows::new();
        rows.add("output", &self.output);
        rows.add("servers", format!(
            "{servers} of the roster, each with proofs of possession; up to {faulty} may be faulty"
        ));
        rows.add(
            "groups",
            format!("{groups}, dealt by roster, purpose, slot and the prior {}", self.prior),
        );
        rows.add(
            "deals",
            format!("{deals} chosen, more than a third of {servers}, and all verify"),
        );
        rows.add(
            "quorum",
            format!(
                "{acknowledged} signed the choice before any share was opened, and {quorum} had to"
            ),
        );
        rows.add("shares", format!("{shares}, enough in each group, and all verify"));
        format!(
            "valid: slot {} of {}, {} bytes\n\n{}",
            self.slot,
            quoted(&self.purpose),
            self.bytes,
            rows.text(),
        )
    }
}

/// Who wins.
#[derive(Debug, Serialize)]
pub(crate) struct Winners {
    valid: bool,
    /// Whether the roster, the purpose and the slot are those asked for. If not, they are the
    /// file's own.
    as_asked: bool,
    output: String,
    list: String,
    participants: usize,
    list_sha512: String,
    winners: Vec<Winner>,
}

#[derive(Debug, Serialize)]
struct Winner {
    line: usize,
    name: String,
}

impl Winners {
    pub(crate) fn new(checked: &Checked, as_asked: bool, list: &List, lines: Vec<usize>) -> Self {
        let winner = |line: usize| {
            let name = list.names.get(line.saturating_sub(1)).cloned().unwrap_or_default();
            Winner { line, name }
        };
        Self {
            valid: true,
            as_asked,
            output: hex(&checked.output.0),
            list: list.path().display().to_string(),
            participants: list.names.len(),
            list_sha512: hex(&list.hash),
            winners: lines.into_iter().map(winner).collect(),
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut rows = Rows::new();
        for (at, Winner { line, name }) in (1..).zip(&self.winners) {
            rows.add(&at.to_string(), format!("{name} (line {line})"));
        }
        let whose = if self.as_asked {
            ""
        } else {
            "\n\nWHOSE DRAW THIS IS WAS NOT CHECKED: the file holds for the roster, the purpose and \
             the slot that it\nbrings itself, as anybody's own draw does. Give --roster-id, --purpose \
             and --slot as they were\nannounced before it."
        };
        format!(
            "{} of {} in {}, by the output {}\nSHA-512 of the list: {}\n\n{}{whose}",
            self.winners.len(),
            self.participants,
            self.list,
            self.output,
            self.list_sha512,
            rows.text(),
        )
    }
}

/// Ranges of positions: 3, 5-7.
fn positions(some: &[u16]) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for at in some {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*at) => *last = *at,
            _ => ranges.push((*at, *at)),
        }
    }
    let range = |(first, last)| {
        if first == last { format!("{first}") } else { format!("{first}-{last}") }
    };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(", ")
}

fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    let bytes_float = bytes as f64;
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", bytes_float / 1e3),
        _ => format!("{:.1} MB", bytes_float / 1e6),
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''").replace(char::is_control, "?"))
    }
}
