//! One server of `beacon run`, in a process of its own.
//!
//! It prints where it listens, and reads on its standard input, a line each, who of the others
//! listens where. When that input ends, so does the server: it outlives no `beacon run`.

use std::{
    io::{self, BufRead as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use cosi::{
    keys::{KeyError, PeerId, PublicKey, PublicKeyBytes, SigningKey},
    machine::Cx,
    tokio::{
        Clock as _, Disk, DiskError, Journal as _, Notice, SystemClock, Tcp, run as drive, tcp,
    },
};
use examples::{entropy, files::hex};
use pvss::{Scheme, ShareSecret};
use randhound::{Committee, Message, Peer, Server, Session, SessionError, Terms, server};
use tokio::{net::TcpListener, sync::mpsc};

use crate::{
    cli,
    keys::{self, KeysError},
};

/// What hosts call what they speak.
const PROTOCOL: &[u8] = b"beacon 1";

/// Why a server does not work, or not on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServeError {
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error("there is no such server")]
    Unknown,
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot listen: {0}")]
    Listen(io::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Machine(#[from] server::SetupError),
    #[error("{0:?} is no server and its address")]
    Line(String),
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NetworkError {
    #[error("the client's key is unsound: {0}")]
    Client(#[from] KeyError),
    #[error(transparent)]
    Tcp(#[from] tcp::Error),
}

/// Why a journal is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum JournalError {
    #[error("{}: {why}", path.display())]
    Disk { path: PathBuf, why: DiskError },
    #[error(
        "{} is of this slot on other terms; a slot is drawn once, so give the --group-size and the \
         --after of the first time, or draw the next slot",
        .0.display()
    )]
    Taken(PathBuf),
    #[error("{} is in use; another `beacon run` has this --dir, so wait for it", .0.display())]
    Busy(PathBuf),
}

/// A party's journal of one slot. It is of one session: on other terms, say with groups of another
/// size, nobody takes part in the same slot again.
pub(crate) async fn journal(
    directory: &Path,
    session: &Session,
    prior: &[u8; 32],
    server: Option<u16>,
) -> Result<(PathBuf, Disk), JournalError> {
    let config = session.config();
    let who = server.map_or_else(|| "client".to_owned(), |server| format!("server-{server:04}"));
    let purpose: String = hex(&config.purpose).chars().take(16).collect();
    let path = directory.join(format!("{who}-{purpose}-{}.redb", config.slot));
    let (session, prior) = (hex(&session.id().0), hex(prior));
    let label = format!("beacon {who} in session {session} after {prior}");
    match Disk::open(&path, label).await {
        Ok(disk) => Ok((path, disk)),
        Err(DiskError::Foreign(_)) => Err(JournalError::Taken(path)),
        Err(DiskError::Locked) => Err(JournalError::Busy(path)),
        Err(why) => Err(broken(path, why)),
    }
}

/// An error of a journal that was open.
pub(crate) const fn broken(path: PathBuf, why: DiskError) -> JournalError {
    JournalError::Disk { path, why }
}

/// A network of all servers and the client, without addresses.
pub(crate) fn network(
    committee: &Committee,
    client: &PublicKeyBytes,
    me: Peer,
    key: Arc<SigningKey>,
    listener: TcpListener,
) -> Result<Tcp<Peer, Message>, NetworkError> {
    let roster = committee.roster();
    let servers = roster.indices().zip(roster.members());
    let servers = servers.map(|(index, member)| (Peer::Server(index), member.peer));
    let client = (Peer::Client, PeerId::of(&PublicKey::from_bytes(client)?));
    let mut config = tcp::Config::new(key, me, servers.chain([client]));
    config.protocol = PROTOCOL.to_vec();
    Ok(Tcp::start(listener, config)?)
}

/// A port of this machine's own.
pub(crate) async fn listen() -> io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", 0)).await
}

/// Runs the command.
pub(crate) async fn run(args: &cli::Serve) -> Result<(), ServeError> {
    let cli::Serve { dir, purpose, slot, client, group_size, prior, .. } = args;
    let (_, committee) = keys::load(dir)?;
    let index = committee.roster().index(args.server).ok_or(ServeError::Unknown)?;
    let seed = keys::secret(dir, Some(args.server))?;
    let terms = Terms {
        purpose: *purpose,
        slot: *slot,
        attempt: 0,
        client: *client,
        group_size: *group_size,
        prior: *prior,
    };
    let session = Session::new(committee.clone(), &terms)?;
    let (path, mut disk) = journal(dir, &session, prior, Some(args.server)).await?;
    let records = disk.replay().await.map_err(|why| broken(path.clone(), why))?;

    let listener = listen().await.map_err(ServeError::Listen)?;
    let key = seed.signing_key();
    let me = Peer::Server(index);
    let network = network(&committee, client, me, Arc::new(key.clone()), listener)?;
    let handle = network.handle();
    if let Some(address) = handle.local_address() {
        let _ = writeln!(io::stdout(), "{address}");
    }

    let secret = Arc::new(ShareSecret::derive(&seed, Scheme::Dhpvss));
    let setup = server::Setup { session, index, key, secret, void: None };
    let (clock, mut rng) = (SystemClock::new(), entropy());
    let machine = Server::restore(setup, records, &mut Cx::new(clock.now(), &mut rng))?;
    let (_commands, orders) = mpsc::channel(1);
    let (news, mut notices) = mpsc::channel(16);
    let mut running = std::pin::pin!(drive(machine, network, disk, clock, rng, orders, news));
    let mut lines = lines();
    loop {
        tokio::select! {
            ended = &mut running => {
                return ended.map_err(|why| broken(path, why).into());
            }
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                let (peer, address) = located(&committee, &line).ok_or(ServeError::Line(line))?;
                handle.relocate(peer, address);
            }
            Some(notice) = notices.recv() => if let Notice::Fault(fault) = notice {
                let kind = fault.kind.name().replace('_', " ");
                eprintln!("server {}: {:?} broke a rule: {kind}", args.server, fault.culprit);
            },
        }
    }
}

/// Who listens where, as one line says it.
fn located(committee: &Committee, line: &str) -> Option<(Peer, SocketAddr)> {
    let (who, address) = line.split_once(' ')?;
    let peer = match who {
        "client" => Peer::Client,
        server => Peer::Server(committee.roster().index(server.parse().ok()?)?),
    };
    Some((peer, address.parse().ok()?))
}

/// The lines of standard input.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
