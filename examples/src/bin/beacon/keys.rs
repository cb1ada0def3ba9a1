//! The keys of servers and client, and where they are kept.

use std::{
    fs::DirBuilder,
    io,
    path::{Path, PathBuf},
};

use cosi::{
    keys::Seed,
    roster::MAX_MEMBERS,
    transcript::fresh,
    wire::{BoundedVec, Wire},
};
use examples::{
    entropy,
    files::{FileError, create, is_private, read},
};
use randhound::{Candidate, CandidatesError, Committee};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Why there are no servers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeysError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("{} is not 32 secret bytes, as `beacon run --dir` writes them", .0.display())]
    Seed(PathBuf),
    #[error("{} holds no servers, as `beacon run --dir` writes them", .0.display())]
    Form(PathBuf),
    #[error("{}: {why}", path.display())]
    Candidates { path: PathBuf, why: CandidatesError },
    #[error("{} holds {have} servers; give --servers {have}, or another --dir", path.display())]
    Number { path: PathBuf, have: usize },
}

/// Who takes part, but for the servers' secrets.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) candidates: BoundedVec<Candidate, MAX_MEMBERS>,
    pub(crate) committee: Committee,
    pub(crate) client: Seed,
}

/// A directory with the keys of servers and client, each in a file of its own, and their
/// journals.
#[derive(Debug)]
pub(crate) struct Town {
    path: PathBuf,
    /// Removes the directory in the end, when it is not to stay.
    _temporary: Option<TempDir>,
}

/// A fresh seed.
fn seed() -> Seed {
    Seed::from_bytes(*fresh(&mut entropy()))
}

/// Makes the keys of servers and client. Nothing is written.
pub(crate) fn make(servers: u16) -> Result<(Vec<Seed>, Cast), CandidatesError> {
    let seeds: Vec<_> = (0..servers).map(|_| seed()).collect();
    let mut rng = entropy();
    let candidates = seeds.iter().map(|seed| Candidate::new(seed, &mut rng)).collect();
    let cast = Cast::new(BoundedVec::new(candidates).unwrap_or_default(), seed())?;
    Ok((seeds, cast))
}

impl Cast {
    fn new(
        candidates: BoundedVec<Candidate, MAX_MEMBERS>,
        client: Seed,
    ) -> Result<Self, CandidatesError> {
        Ok(Self { committee: Committee::of(&candidates)?, candidates, client })
    }
}

impl Town {
    /// A directory that is gone when this is.
    pub(crate) fn temporary() -> Result<Self, KeysError> {
        let made = tempfile::Builder::new().prefix("beacon-").tempdir();
        let made =
            made.map_err(|error| KeysError::Directory { path: std::env::temp_dir(), error })?;
        Ok(Self { path: made.path().into(), _temporary: Some(made) })
    }

    /// The directory at `path`, made for its owner alone if it is not there.
    pub(crate) fn at(path: &Path) -> Result<Self, KeysError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(path);
        made.map_err(|error| KeysError::Directory { path: path.into(), error })?;
        Ok(Self { path: path.into(), _temporary: None })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Who takes part: the keys that are there, or fresh ones, which are written.
    pub(crate) fn cast(&self, servers: u16) -> Result<Cast, KeysError> {
        if !candidates_path(&self.path).exists() {
            return self.found(servers);
        }
        let (candidates, _) = load(&self.path)?;
        let cast = Cast::new(candidates, secret(&self.path, None)?);
        let cast = cast.map_err(|why| self.bad(why))?;
        let have = cast.candidates.len();
        if have == usize::from(servers) {
            Ok(cast)
        } else {
            Err(KeysError::Number { path: self.path.clone(), have })
        }
    }

    /// The public keys are written last, so with them everything is there.
    fn found(&self, servers: u16) -> Result<Cast, KeysError> {
        let seeds: Vec<_> = (0..servers).map(|_| fresh(&mut entropy())).collect();
        for (server, bytes) in (0..).zip(&seeds) {
            create(&seed_path(&self.path, Some(server)), &**bytes, true)?;
        }
        let client = fresh(&mut entropy());
        create(&seed_path(&self.path, None), &*client, true)?;
        let mut rng = entropy();
        let candidate =
            |bytes: &Zeroizing<[u8; 32]>| Candidate::new(&Seed::from_bytes(**bytes), &mut rng);
        let candidates = seeds.iter().map(candidate).collect();
        let candidates = BoundedVec::new(candidates).unwrap_or_default();
        create(&candidates_path(&self.path), &candidates.encode(), false)?;
        Cast::new(candidates, Seed::from_bytes(*client)).map_err(|why| self.bad(why))
    }

    fn bad(&self, why: CandidatesError) -> KeysError {
        KeysError::Candidates { path: candidates_path(&self.path), why }
    }
}

/// The servers of a directory.
pub(crate) fn load(
    directory: &Path,
) -> Result<(BoundedVec<Candidate, MAX_MEMBERS>, Committee), KeysError> {
    let path = candidates_path(directory);
    let bytes = read(&path, 1 << 24, "a list of servers")?;
    let candidates = BoundedVec::<Candidate, MAX_MEMBERS>::decode(&bytes);
    let candidates = candidates.map_err(|_| KeysError::Form(path.clone()))?;
    let committee = Committee::of(&candidates);
    let committee = committee.map_err(|why| KeysError::Candidates { path, why })?;
    Ok((candidates, committee))
}

/// The secret of a server, or of the client.
pub(crate) fn secret(directory: &Path, server: Option<u16>) -> Result<Seed, KeysError> {
    let path = seed_path(directory, server);
    is_private(&path)?;
    let bytes = Zeroizing::new(read(&path, 64, "a secret")?);
    let bytes: Result<[u8; 32], _> = bytes.as_slice().try_into();
    bytes.map(Seed::from_bytes).map_err(|_| KeysError::Seed(path))
}

fn candidates_path(directory: &Path) -> PathBuf {
    directory.join("servers.pub")
}

fn seed_path(directory: &Path, server: Option<u16>) -> PathBuf {
    match server {
        Some(server) => directory.join(format!("server-{server:04}.seed")),
        None => directory.join("client.seed"),
    }
}
