//! Servers as processes of this machine, and the client that drives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use cosi::{
    machine::{Cx, Index},
    tokio::{Clock as _, Journal as _, Notice, SystemClock, run},
};
use examples::{Bar, Seen, Stopwatch, entropy, files::hex};
use randhound::{
    Client, Message, Peer, Session, Terms,
    client::{self, Command, Event},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin},
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    keys::{Cast, Town},
    run::{Drawn, Gone, RunError},
    serve::{broken, journal, listen, network},
};

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's process.
struct Running {
    process: Child,
    /// It ends when this does.
    input: ChildStdin,
    address: SocketAddr,
}

/// Draws the output of one session.
pub(crate) async fn draw(
    town: &Town,
    cast: &Cast,
    terms: &Terms,
    setup: client::Setup,
    gone: Gone,
    bar: &Bar,
) -> Result<Drawn, RunError> {
    let session = setup.session.clone();
    let (path, mut disk) = journal(town.path(), &session, &terms.prior, None).await?;
    let records = disk.replay().await.map_err(|why| broken(path.clone(), why))?;
    let is_fresh = records.is_empty();
    let mut servers = start(town, &session, terms, gone, bar).await?;

    let listener = listen().await.map_err(RunError::Listen)?;
    let own = listener.local_addr().map_err(RunError::Listen)?;
    let key = Arc::new(setup.key.clone());
    let network = network(&cast.committee, &terms.client, Peer::Client, key, listener)?;
    let handle = network.handle();
    tell(&mut servers, &session, own).await;
    for (index, server) in &servers {
        handle.relocate(Peer::Server(*index), server.address);
    }

    let (seen, mut heard) = mpsc::unbounded_channel();
    let network = Seen::new(network, move |from, message: &Message| {
        if let Peer::Server(server) = from {
            let _ = seen.send((server, matches!(message, Message::Dealing(..))));
        }
    });
    let (clock, mut rng) = (SystemClock::new(), entropy());
    let machine = Client::restore(setup, records, &mut Cx::new(clock.now(), &mut rng))?;
    let (commands, orders) = mpsc::channel(1);
    let (news, mut notices) = mpsc::channel(16);
    let driver = tokio::spawn(run(machine, network, disk, clock, rng, orders, news));
    let stopwatch = Stopwatch::start();
    if is_fresh {
        let (reply, _answer) = oneshot::channel();
        commands.send((Command::Start, reply)).await.map_err(|_| RunError::Disconnected)?;
    }
    let all = session.roster().size().saturating_mul(3);
    bar.start(all, "answers");

    let (mut faults, mut dealt, mut answers) = (0_u64, BTreeSet::new(), 0_usize);
    let ended = loop {
        tokio::select! {
            Some((server, deals)) = heard.recv() => {
                answers = answers.saturating_add(1);
                bar.set(answers);
                if deals && dealt.insert(server) && gone.is_killed(server.get())
                    && let Some(mut server) = servers.remove(&server)
                {
                    let _ = server.process.kill().await;
                }
            }
            notice = notices.recv() => match notice {
                Some(Notice::Event(Event::Finished(output, transcript))) => {
                    break Ok(Drawn::new(output, transcript, stopwatch.elapsed()));
                }
                Some(Notice::Event(Event::Aborted(why))) => break Err(RunError::Aborted(why)),
                Some(Notice::Event(_)) => {}
                Some(Notice::Fault(fault)) => {
                    faults = faults.saturating_add(1);
                    let kind = fault.kind.name().replace('_', " ");
                    bar.say(&format!("{:?} broke a rule: {kind}", fault.culprit));
                }
                None => break Err(RunError::Disconnected),
            },
        }
    };
    drop(commands);
    let ran = driver.await;
    let counters = handle.counters();
    stop(servers).await;
    match (ended, ran) {
        (Err(RunError::Disconnected), Ok(Err(why))) => Err(broken(path, why).into()),
        (ended, _) => {
            let sum = |of: fn(&cosi::tokio::tcp::Counters) -> u64| counters.values().map(of).sum();
            let (sent, received) = (sum(|c| c.bytes_out), sum(|c| c.bytes_in));
            Ok(Drawn { sent, received, faults, ..ended? })
        }
    }
}

/// Starts the servers, and waits until they listen.
async fn start(
    town: &Town,
    session: &Session,
    terms: &Terms,
    gone: Gone,
    bar: &Bar,
) -> Result<BTreeMap<Index, Running>, RunError> {
    let here: Vec<_> =
        session.roster().indices().filter(|index| !gone.is_absent(index.get())).collect();
    bar.start(here.len(), "servers started");
    let mut started = Vec::new();
    for index in here {
        let server = index.get();
        let process = spawn(town, terms, server);
        started.push((index, process.map_err(|error| RunError::Start { server, error })?));
    }
    let mut servers = BTreeMap::new();
    for (index, mut process) in started {
        let silent = || RunError::Silent(index.get());
        let output = process.stdout.take().ok_or_else(silent)?;
        let input = process.stdin.take().ok_or_else(silent)?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().ok_or_else(silent)?;
        let address = line.parse().map_err(|_| silent())?;
        servers.insert(index, Running { process, input, address });
        bar.set(servers.len());
    }
    Ok(servers)
}

fn spawn(town: &Town, terms: &Terms, server: u16) -> io::Result<Child> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("serve").arg("--dir").arg(town.path());
    for (name, value) in [
        ("--server", server.to_string()),
        ("--purpose", hex(&terms.purpose)),
        ("--slot", terms.slot.to_string()),
        ("--client", hex(&terms.client)),
        ("--group-size", terms.group_size.to_string()),
        ("--prior", hex(&terms.prior)),
    ] {
        command.arg(name).arg(value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()
}

/// Tells every server where the client is, and the others of its group.
async fn tell(servers: &mut BTreeMap<Index, Running>, session: &Session, client: SocketAddr) {
    let addresses: BTreeMap<_, _> =
        servers.iter().map(|(index, server)| (*index, server.address)).collect();
    for (index, server) in servers {
        let group = session.groups().place(*index).map(|place| place.group);
        let group = group.and_then(|group| session.groups().members(group)).unwrap_or_default();
        let mut lines = format!("client {client}\n");
        for (other, address) in group.iter().filter_map(|other| addresses.get_key_value(other)) {
            if other != index {
                lines += &format!("{} {address}\n", other.get());
            }
        }
        // A server that is gone is missing, and no more.
        let _ = server.input.write_all(lines.as_bytes()).await;
        let _ = server.input.flush().await;
    }
}

/// Ends the servers, and waits until they are gone.
async fn stop(servers: BTreeMap<Index, Running>) {
    let ending: Vec<_> = servers.into_values().map(|server| server.process).collect();
    for mut process in ending {
        if timeout(PATIENCE, process.wait()).await.is_err() {
            let _ = process.kill().await;
        }
    }
}
