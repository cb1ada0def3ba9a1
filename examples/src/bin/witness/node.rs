//! A member at work: its machine behind the network, and its log, which answers for it.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use cosi::{
    CollectiveSignature, Policy, cosigner,
    keys::{PublicKey, SigningKey},
    leader,
    machine::{Fault, Index},
    message::Message,
    session::Digest,
    tokio::{Disk, DiskError, Memory, Notice, Request, SystemClock, Tcp, run, tcp},
    witness::{self, Command, Config, Event, Witness},
};
use examples::Seen;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use crate::{
    cli, entropy,
    files::hex,
    keys::{self, KeyFileError},
    log::{self, Answer, Entry, Log},
    members::{Members, MembersError},
    release::Release,
};

/// What hosts call what they speak.
const PROTOCOL: &[u8] = b"witness 1";

/// Why a member cannot work, or not on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NodeError {
    #[error(transparent)]
    Key(#[from] KeyFileError),
    #[error(transparent)]
    Members(#[from] MembersError),
    #[error("the key of {} is not in the roster {}; give a member's key", key.display(), roster.display())]
    Stranger { key: PathBuf, roster: PathBuf },
    #[error("{name} is at work in another process, which has its log {}; stop that first", path.display())]
    Busy { name: String, path: PathBuf },
    #[error("{}: {why}", path.display())]
    Log { path: PathBuf, why: DiskError },
    #[error("cannot listen at {address}: {why}; {name} may be serving already, or give --listen")]
    Listen { address: SocketAddr, why: std::io::Error, name: String },
    #[error(transparent)]
    Network(#[from] tcp::Error),
    #[error(transparent)]
    Machine(#[from] witness::RestoreError),
    #[error(transparent)]
    Command(#[from] witness::Error),
    #[error("cannot listen to signals: {0}")]
    Signal(std::io::Error),
    #[error("the network is gone")]
    Gone,
}

/// What happens to a member at work.
#[derive(Debug)]
pub(crate) enum News {
    /// Another member wants a release cosigned; this one agrees if it is new, or the same again.
    Asked { leader: Index, release: Release, answer: Answer },
    /// Another member wants something else signed, and this one refuses.
    Nonsense { leader: Index },
    /// What this member led is signed.
    Signed(CollectiveSignature),
    /// What this member led is not signed in time. Who owes an answer.
    Failed(Vec<Index>),
    /// A member broke a rule.
    Fault(Fault<Index>),
}

/// A member at work.
pub(crate) struct Node {
    pub(crate) members: Members,
    pub(crate) me: Index,
    pub(crate) log: Log<Disk>,
    log_path: PathBuf,
    handle: tcp::Handle<Index>,
    commands: mpsc::Sender<Request<Witness>>,
    notices: mpsc::Receiver<Notice<Event, Index>>,
}

/// How a member leads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leading {
    pub(crate) timing: leader::Timing,
    pub(crate) shape: cosi::tree::Shape,
}

impl Node {
    /// Starts a member within a tokio runtime. `seen` is told of every message that comes.
    pub(crate) async fn start(
        args: &cli::Member,
        members: Members,
        leading: Leading,
        seen: impl FnMut(Index, &Message) + Send + 'static,
    ) -> Result<Self, NodeError> {
        let key = keys::secret(&args.key)?;
        let me = members.index_of(key.public()).ok_or_else(|| NodeError::Stranger {
            key: args.key.clone(),
            roster: args.roster.clone(),
        })?;
        let log_path = args.log.clone().unwrap_or_else(|| args.key.with_extension("log"));
        let log = open(&log_path, key.public()).await.map_err(|why| {
            if why == DiskError::Locked {
                let name = members.name(me.get()).to_owned();
                return NodeError::Busy { name, path: log_path.clone() };
            }
            NodeError::Log { path: log_path.clone(), why }
        })?;

        let address = args.listen.or_else(|| members.address(me)).ok_or(NodeError::Gone)?;
        let listener = TcpListener::bind(address).await.map_err(|why| NodeError::Listen {
            address,
            why,
            name: members.name(me.get()).to_owned(),
        })?;
        let mut config = tcp::Config::of(&members.roster, key.clone())?;
        config.protocol = PROTOCOL.to_vec();
        let located = members.roster.indices().map(|index| Some((index, members.address(index)?)));
        config.addresses = located.flatten().collect();
        let network = Tcp::<Index, Message>::start(listener, config)?;
        let handle = network.handle();

        let machine = machine(&members, me, key, leading)?;
        let (commands, orders) = mpsc::channel(16);
        let (news, notices) = mpsc::channel(16);
        let network = Seen::new(network, seen);
        let (clock, rng) = (SystemClock::new(), entropy());
        let step = witness::Step::none();
        tokio::spawn(run((machine, step), network, Memory::new(), clock, rng, orders, news));
        Ok(Self { members, me, log, log_path, handle, commands, notices })
    }

    /// Has a release signed, which this member's log must have admitted.
    pub(crate) async fn announce(
        &self,
        statement: Vec<u8>,
        policy: Policy,
    ) -> Result<(), NodeError> {
        self.command(Command::Lead(leader::Command::Announce { statement, policy })).await
    }

    /// Decides on a release, durably.
    pub(crate) async fn admit(
        &mut self,
        publisher: Index,
        release: &Release,
    ) -> Result<Answer, NodeError> {
        let publisher = self.members.roster.key(publisher).ok_or(NodeError::Gone)?.to_bytes();
        let admitted = self.log.admit(Entry { release: release.clone(), publisher }).await;
        admitted.map_err(|why| NodeError::Log { path: self.log_path.clone(), why })
    }

    /// What happens next. Statements of others are judged on the way. Cancel safe only where the
    /// node is dropped then.
    pub(crate) async fn next(&mut self) -> Result<News, NodeError> {
        loop {
            let event = match self.notices.recv().await.ok_or(NodeError::Gone)? {
                Notice::Fault(fault) => return Ok(News::Fault(fault)),
                Notice::Event(event) => event,
            };
            return match event {
                Event::Led(leader::Event::Signed { signature, .. }) => Ok(News::Signed(signature)),
                Event::Led(leader::Event::Failed { absent, .. }) => Ok(News::Failed(absent)),
                Event::Cosigned(cosigner::Event::Validate { leader, digest, statement }) => {
                    self.judge(leader, digest, &statement).await
                }
                Event::Led(_) | Event::Cosigned(_) | _ => continue,
            };
        }
    }

    /// Where this member listens.
    pub(crate) fn address(&self) -> String {
        self.handle.local_address().map_or_else(String::new, |address| address.to_string())
    }

    /// How it stands with a member that says nothing.
    pub(crate) fn why_silent(&self, member: Index) -> &'static str {
        let counters = self.handle.counters().get(&member).copied().unwrap_or_default();
        match (counters.connected, counters.connects) {
            (true, _) => "connected, but silent: it may refuse, and its own output says why",
            (false, 0) => "not reached",
            (false, _) => "the connection broke",
        }
    }

    async fn judge(
        &mut self,
        leader: Index,
        digest: Digest,
        statement: &[u8],
    ) -> Result<News, NodeError> {
        let (news, accept) = match Release::from_signed(statement) {
            None => (News::Nonsense { leader }, false),
            Some(release) => {
                let answer = self.admit(leader, &release).await?;
                let accept = matches!(answer, Answer::New | Answer::Again);
                (News::Asked { leader, release, answer }, accept)
            }
        };
        let verdict = cosigner::Command::Validated { digest, accept };
        self.command(Command::Cosign(verdict)).await?;
        Ok(news)
    }

    async fn command(&self, command: Command) -> Result<(), NodeError> {
        let (reply, done) = oneshot::channel();
        self.commands.send((command, reply)).await.map_err(|_| NodeError::Gone)?;
        Ok(done.await.map_err(|_| NodeError::Gone)??)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("me", &self.me).finish_non_exhaustive()
    }
}

/// The log of a key's owner, made when it is not there.
async fn open(path: &Path, key: &PublicKey) -> Result<Log<Disk>, DiskError> {
    let label = format!("witness log 1 of {}", hex(&key.to_bytes()));
    Log::open(Disk::open(path, label).await?, log::LIMIT).await
}

/// A member that signs beside however few others: its readers have a threshold of their own, and
/// the signature says who signed.
fn machine(
    members: &Members,
    me: Index,
    key: Arc<SigningKey>,
    leading: Leading,
) -> Result<Witness, NodeError> {
    let mut config = Config::new(members.roster.clone(), me, key);
    config.leader.timing = leading.timing;
    config.leader.shape = leading.shape;
    config.cosigner.policy = Policy::Weight(1);
    config.cosigner.limits.calls = 8;
    Ok(Witness::new(config)?)
}
