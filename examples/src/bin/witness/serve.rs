//! Cosigns for other members until told to stop.

use std::io::{self, Write as _};

use crate::{
    Failure, cli, files,
    log::{Answer, Entry},
    members::Members,
    node::{Leading, News, Node, NodeError},
    release::Release,
};

/// Runs the command.
pub(crate) async fn run(args: &cli::Serve) -> Result<(), Failure> {
    let mut stop = std::pin::pin!(stop()?);
    let members = Members::load(&args.member.roster)?;
    let mut node = Node::start(&args.member, members, Leading::default(), |_, _| {}).await?;
    let name = node.members.name(node.me.get()).to_owned();
    let (address, releases) = (node.address(), node.log.len());
    say(&format!("{name} serves at {address}, and remembers {releases} releases"));
    loop {
        let news = tokio::select! {
            () = &mut stop => {
                say(&format!("{name}: stopped"));
                return Ok(());
            }
            news = node.next() => news?,
        };
        say(&format!("{name}: {}", tell(&node.members, &news)));
    }
}

/// Returns once SIGINT or SIGTERM comes.
#[cfg(unix)]
fn stop() -> Result<impl Future<Output = ()>, NodeError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(NodeError::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(NodeError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns once Ctrl-C comes.
#[cfg(not(unix))]
fn stop() -> Result<impl Future<Output = ()>, NodeError> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// One line on standard output, if anybody reads that.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// News in words.
pub(crate) fn tell(members: &Members, news: &News) -> String {
    match news {
        News::Asked { leader, release, answer } => {
            let (release, leader) = (described(release), members.name(leader.get()));
            match answer {
                Answer::New => format!("agrees to sign {release}, for {leader}"),
                Answer::Again => format!("agrees again to sign {release}, for {leader}"),
                Answer::Taken(Entry { release: before, publisher }) => format!(
                    "REFUSES to sign {release}, for {leader}: has agreed to another file, {}, for {}",
                    described(before),
                    publisher_name(members, publisher),
                ),
                Answer::Full => format!(
                    "REFUSES to sign {release}: {leader} has had as many releases cosigned as one may"
                ),
            }
        }
        News::Nonsense { leader } => {
            format!("REFUSES to sign for {} what is no release", members.name(leader.get()))
        }
        News::Signed(_) => "signed".into(),
        News::Failed(_) => "not signed".into(),
        News::Fault(fault) => {
            let culprit = members.name(fault.culprit.get());
            format!("{culprit} broke a rule: {}", fault.kind.name().replace('_', " "))
        }
    }
}

fn described(release: &Release) -> String {
    let Release { name, version, size, sha512 } = release;
    let hash: String = files::hex(sha512).chars().take(16).collect();
    format!("{name} {version} ({size} bytes, SHA-512 {hash}…)")
}

/// A publisher may be of another roster than today's.
fn publisher_name(members: &Members, key: &[u8; 32]) -> String {
    let key_of = |position| members.roster.index(position).and_then(|at| members.roster.key(at));
    let mut positions = members.roster.indices().map(|index| index.get());
    let position = positions.find(|at| key_of(*at).is_some_and(|known| known.to_bytes() == *key));
    position.map_or_else(|| files::hex(key), |position| members.name(position).to_owned())
}
