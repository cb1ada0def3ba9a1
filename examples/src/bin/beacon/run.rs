//! Draws the output of a slot.

use std::{io, path::Path, time::Duration};

use cosi::{keys::Seed, tokio::tcp, wire::Wire};
use examples::{
    Bar, Stopwatch,
    files::{create, has_directory, is_free},
    report::print,
};
use randhound::{
    CandidatesError, Publication, PublicationError, Randomness, Session, Terms, Transcript,
    client::{self, Abort},
};

use crate::{
    Failure, cli,
    keys::{self, Cast, Town},
    processes, purpose,
    report::{Ran, Round},
    runtime,
    serve::{JournalError, NetworkError},
    simulated,
    slots::Slots,
};

/// More servers than this are simulated.
const MAX_PROCESSES: u16 = 64;

/// Why nothing is drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RunError {
    #[error(
        "more than {MAX_PROCESSES} servers are simulated, and simulated servers keep nothing; \
         leave out --dir, or take fewer servers"
    )]
    NothingKept,
    #[error("{gone} of {servers} servers cannot be gone; see --absent and --kill")]
    Gone { gone: u32, servers: u16 },
    #[error(
        "not drawn: {0}; have more servers take part, or take larger groups; with --dir, run the \
         same again once they are back"
    )]
    Aborted(Abort),
    #[error("the servers: {0}")]
    Candidates(#[from] CandidatesError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the client: {0}")]
    Client(#[from] client::SetupError),
    #[error("cannot listen: {0}")]
    Listen(io::Error),
    #[error("server {server} does not start: {error}")]
    Start { server: u16, error: io::Error },
    #[error("server {0} does not start; its own output says why")]
    Silent(u16),
    #[error("the network is gone")]
    Disconnected,
    #[error("the simulation: {0}")]
    Simulation(String),
    #[error("what was drawn does not hold, and is not written: {0}")]
    Unsound(#[from] PublicationError),
}

impl From<tcp::Error> for RunError {
    fn from(error: tcp::Error) -> Self {
        Self::Network(error.into())
    }
}

impl RunError {
    /// Whether too few servers took part.
    pub(crate) const fn is_shortage(&self) -> bool {
        matches!(self, Self::Aborted(_))
    }
}

/// Which servers fail on purpose: the last ones never start, those before them are killed once
/// they have dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    absent_from: u16,
    killed_from: u16,
}

impl Gone {
    fn of(args: &cli::Run) -> Result<Self, RunError> {
        let cli::Run { servers, absent, kill, .. } = *args;
        let gone = u32::from(absent).saturating_add(kill.into());
        let absent_from = servers.checked_sub(absent);
        let killed_from = absent_from.and_then(|from| from.checked_sub(kill));
        match absent_from.zip(killed_from) {
            Some((absent_from, killed_from)) => Ok(Self { absent_from, killed_from }),
            None => Err(RunError::Gone { gone, servers }),
        }
    }

    pub(crate) const fn is_absent(self, server: u16) -> bool {
        server >= self.absent_from
    }

    pub(crate) const fn is_killed(self, server: u16) -> bool {
        server >= self.killed_from && !self.is_absent(server)
    }
}

/// The output of a session, and what it took the client.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) output: Randomness,
    pub(crate) transcript: Transcript,
    pub(crate) took: Duration,
    /// The client's processor time, where it is measured.
    pub(crate) client_cpu: Option<Duration>,
    /// Bytes that the client sent.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// How many rules the client saw servers break.
    pub(crate) faults: u64,
}

impl Drawn {
    pub(crate) const fn new(output: Randomness, transcript: Transcript, took: Duration) -> Self {
        Self { output, transcript, took, client_cpu: None, sent: 0, received: 0, faults: 0 }
    }
}

/// Where the servers are.
enum Stage {
    Processes(Town),
    Simulation(Vec<Seed>),
}

/// Runs the command.
pub(crate) fn run(args: &cli::Run) -> Result<(), Failure> {
    let gone = Gone::of(args)?;
    is_free(&args.out)?;
    has_directory(&args.out)?;
    let bar = Bar::new("{elapsed:>4} [{bar:40}] {pos} of {len} {msg}");
    let (stage, cast) = stage(args)?;
    let purpose = purpose(&args.purpose);
    let slots = Slots::of(args, &cast, &purpose)?;
    let (roster, how) = (cast.committee.roster(), how(&stage));
    bar.say(&format!(
        "{} servers, {how}; {} may be faulty, and {} are a quorum",
        roster.size(),
        roster.faulty(),
        roster.quorum(),
    ));

    let (mut prior, mut rounds, mut publication) = (slots.prior, Vec::new(), None);
    for slot in slots.first..=slots.last {
        let terms = Terms {
            purpose,
            slot,
            attempt: 0,
            client: cast.client.signing_key().public().to_bytes(),
            group_size: args.group_size,
            prior,
        };
        let session = Session::new(cast.committee.clone(), &terms)?;
        let use_of =
            if slot < slots.last { ", whose output only seeds the groups of slot 1" } else { "" };
        bar.say(&format!("slot {slot}{use_of}: {} groups", session.groups().len()));
        // I2 to a third of the servers takes half as long at 100 Mbps.
        let straggle = Duration::from_millis(args.servers.into()).max(Duration::from_millis(500));
        let client = client::Setup {
            session: session.clone(),
            key: cast.client.signing_key(),
            retry: straggle.saturating_mul(2).min(args.timeout),
            grace: straggle.min(args.timeout),
            patience: args.timeout,
            rounds: 2,
        };
        let drawn = match &stage {
            Stage::Processes(town) => {
                let draw = processes::draw(town, &cast, &terms, client, gone, &bar);
                runtime()?.block_on(draw)?
            }
            Stage::Simulation(seeds) => simulated::draw(seeds, &session, client, gone, &bar)?,
        };
        rounds.push(Round::new(slot, &session, &drawn));
        let Drawn { output, transcript, .. } = drawn;
        let members = cast.candidates.clone();
        publication = Some((output, Publication { members, prior, transcript }));
        prior = output.0;
    }
    bar.finish();
    let Some((output, publication)) = publication else { return Ok(()) };
    let (bytes, checked) = write(&args.out, &publication, output, &cast, &purpose)?;
    let ran = Ran {
        simulated: matches!(stage, Stage::Simulation(_)),
        purpose: args.purpose.clone(),
        slot: slots.last,
        output: examples::files::hex(&output.0),
        roster_id: examples::files::hex(&cast.committee.roster().id().0),
        file: args.out.display().to_string(),
        bytes,
        servers: cast.committee.roster().size(),
        kept: args.dir.as_ref().map(|dir| dir.display().to_string()),
        rounds,
        verified_in: checked.as_secs_f64(),
    };
    print(&ran, args.json, Ran::table);
    Ok(())
}

/// The servers, and who they are.
fn stage(args: &cli::Run) -> Result<(Stage, Cast), Failure> {
    if args.simulated || args.servers > MAX_PROCESSES {
        if args.dir.is_some() {
            return Err(RunError::NothingKept.into());
        }
        let (seeds, cast) = keys::make(args.servers).map_err(RunError::Candidates)?;
        return Ok((Stage::Simulation(seeds), cast));
    }
    let town = match &args.dir {
        Some(path) => Town::at(path)?,
        None => Town::temporary()?,
    };
    let cast = town.cast(args.servers)?;
    Ok((Stage::Processes(town), cast))
}

fn how(stage: &Stage) -> String {
    match stage {
        Stage::Processes(_) => "each a process".into(),
        Stage::Simulation(_) => format!(
            "SIMULATED in one process: virtual time, round trips of {} ms, {} Mbit/s, measured \
             processors",
            simulated::LATENCY.saturating_mul(2).as_millis(),
            simulated::BYTES_A_SECOND.saturating_mul(8) / 1_000_000,
        ),
    }
}

/// Writes a publication, once its bytes convinced. Returns how many they are, and how long that
/// took.
fn write(
    path: &Path,
    publication: &Publication,
    output: Randomness,
    cast: &Cast,
    purpose: &[u8; 32],
) -> Result<(usize, Duration), Failure> {
    let bytes = publication.encode();
    let (roster, slot) = (cast.committee.roster().id(), publication.transcript.config.slot);
    let stopwatch = Stopwatch::start();
    let checked = publication.verify(roster, purpose, slot).map_err(RunError::Unsound)?;
    let took = stopwatch.elapsed();
    debug_assert_eq!(checked, output, "a client and a verifier come to the same");
    create(path, &bytes, false)?;
    Ok((bytes.len(), took))
}
