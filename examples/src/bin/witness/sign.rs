//! Has a file cosigned.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use cosi::{
    CollectiveSignature, Policy, Statement as _, leader::Timing, machine::Index, message::Message,
};
use serde::Serialize;

use crate::{
    Failure, cli,
    files::{self, has_directory, replace, with_suffix},
    label::Label,
    log::{Answer, Entry},
    members::Members,
    node::{Leading, News, Node},
    release::Release,
    report::{Cosigned, print},
    serve::tell,
    signed::{ForOpenssl, Signed},
    verify::threshold,
};

/// Why a file is not cosigned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SignError {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("--{flag} {text:?}: {why}")]
    Label { flag: &'static str, text: String, why: String },
    #[error(
        "this member has agreed to another file as {} {}, of {} bytes, with SHA-512 {}; give the \
         file another --version",
        .0.name, .0.version, .0.size, files::hex(&.0.sha512)
    )]
    Taken(Release),
    #[error("this member has published as many releases as its log takes; publish as another one")]
    Full,
    #[error(
        "not signed in {} s: {needed} of {of} must sign; missing: {}; have them serve and sign \
         again, or ask for fewer with --threshold",
        within.as_secs_f64(), missing.join(", ")
    )]
    Missing { within: Duration, needed: usize, of: usize, missing: Vec<String> },
}

impl SignError {
    /// Whether the witnesses, or this one, did not agree.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Taken(_) | Self::Full | Self::Missing { .. })
    }
}

/// Runs the command.
pub(crate) async fn run(args: &cli::Sign) -> Result<(), Failure> {
    let prefix = args.out.as_ref().unwrap_or(&args.file);
    let path = with_suffix(prefix, ".cosig");
    has_directory(&path)?;
    let release = release(args)?;
    let members = Members::load(&args.member.roster)?;
    let needed = threshold(&members, args.threshold)?;
    let leading = leading(args, &members);
    let node =
        Node::start(&args.member, members.clone(), leading, watcher(members.clone())).await?;
    let signed = cosign(node, args, &release, needed).await;
    if let Err(Failure::Sign(error @ SignError::Missing { missing, .. })) = &signed
        && args.json
    {
        let (reason, missing) = (error.to_string(), missing.clone());
        print(&Unsigned { valid: false, reason, missing }, true, |_| String::new());
    }
    let signature = signed?;

    let signed = Signed::new(members.roster.id(), release.clone(), &signature);
    replace(&path, files::text(&signed).as_bytes())?;
    let openssl = Some(ForOpenssl::write(prefix, &members, &release, &signature)?);
    let path = path.display().to_string();
    let cosigned = Cosigned::new(&members, &release, &signature, needed, path, openssl);
    print(&cosigned, args.json, Cosigned::table);
    Ok(())
}

/// What no threshold of witnesses signed.
#[derive(Debug, Serialize)]
struct Unsigned {
    valid: bool,
    reason: String,
    missing: Vec<String>,
}

/// The release that is to be signed.
fn release(args: &cli::Sign) -> Result<Release, SignError> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => args.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let bad = |flag, text: &str, why: &dyn ToString| SignError::Label {
        flag,
        text: text.to_owned(),
        why: why.to_string(),
    };
    let version = Label::new(&args.version).map_err(|why| bad("version", &args.version, &why))?;
    let name = Label::new(&name).map_err(|why| bad("name", &name, &why))?;
    let path = args.file.clone();
    Release::of(&args.file, name, version).map_err(|error| SignError::Read { path, error })
}

/// Patience grows with the time there is, so that a tree and several attempts fit into it.
fn leading(args: &cli::Sign, members: &Members) -> Leading {
    let tenth = args.timeout.checked_div(10).unwrap_or_default();
    let patience = tenth.clamp(Duration::from_millis(100), Duration::from_secs(2));
    let patience = patience.max(args.grace);
    // Signed together or not at all: OpenSSL is to check one signature.
    let timing = Timing { patience, grace: args.grace, limit: args.timeout, individual: None };
    Leading { timing, shape: args.shape.over(members.roster.size()) }
}

async fn cosign(
    mut node: Node,
    args: &cli::Sign,
    release: &Release,
    needed: usize,
) -> Result<CollectiveSignature, Failure> {
    match node.admit(node.me, release).await? {
        Answer::New | Answer::Again => {}
        Answer::Taken(Entry { release, .. }) => return Err(SignError::Taken(release).into()),
        Answer::Full => return Err(SignError::Full.into()),
    }
    let of = node.members.roster.size();
    eprintln!("{} {}: {needed} of {of} members must sign", release.name, release.version);
    let weight = u64::try_from(needed).unwrap_or(u64::MAX);
    node.announce(release.to_signed(), Policy::Weight(weight)).await?;
    loop {
        match node.next().await? {
            News::Signed(signature) => {
                let missing = node.members.roster.indices();
                let missing = missing.filter(|at| !signature.mask.contains(at.get()));
                tell_missing(&node, missing);
                return Ok(signature);
            }
            News::Failed(absent) => {
                tell_missing(&node, absent.iter().copied());
                let missing = absent.iter().map(|at| node.members.name(at.get()).to_owned());
                let missing = missing.collect();
                return Err(SignError::Missing { within: args.timeout, needed, of, missing }.into());
            }
            news @ (News::Asked { .. } | News::Nonsense { .. } | News::Fault(_)) => {
                eprintln!("{}", tell(&node.members, &news));
            }
        }
    }
}

fn tell_missing(node: &Node, missing: impl Iterator<Item = Index>) {
    for member in missing {
        eprintln!("{} is missing: {}", node.members.name(member.get()), node.why_silent(member));
    }
}

/// Shows who has answered, as it happens, once each.
fn watcher(members: Members) -> impl FnMut(Index, &Message) + Send {
    let mut told = BTreeSet::new();
    move |from, message| {
        let did = match message {
            Message::Commitment(_) => "committed".to_owned(),
            Message::Response(_) => "signed".to_owned(),
            Message::Tuple(said, _) => match said.what.mask.count() {
                0 | 1 => "committed".to_owned(),
                count => format!("committed, with {} below it", count.saturating_sub(1)),
            },
            Message::Sum(..) => "signed, with all below it".to_owned(),
            Message::Refusal(_)
            | Message::Announcement(..)
            | Message::Challenge(..)
            | Message::Call(..)
            | _ => return,
        };
        let line = format!("{} {did}", members.name(from.get()));
        if told.insert((from, did)) {
            eprintln!("{line}");
        }
    }
}
