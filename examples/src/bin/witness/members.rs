//! Who the witnesses are, and where: the roster as a file.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use cosi::{
    keys::{PeerId, ProofOfPossession, PublicKey, PublicKeyBytes},
    roster::{Index, Keys as _, Member, Roster, RosterError},
};
use serde::{Deserialize, Serialize};

use crate::{
    files::{self, Document, FileError, Hex},
    keys::Registration,
    label::Label,
};

/// The file. Its members are those of the roster, in order; names and addresses are not part of
/// what the roster's id names, so that a witness may move.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RosterFile {
    format: Format,
    roster: Hex<[u8; 32]>,
    members: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "witness roster, version 1")]
    V1,
}

/// A registration, and where to find who made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Label<32>,
    address: SocketAddr,
    key: Hex<[u8; 32]>,
    proof: Hex<[u8; 64]>,
}

impl Document for RosterFile {
    const KIND: &'static str = "a roster";
    const LIMIT: u64 = 1 << 25;
}

/// Why there is no roster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MembersError {
    #[error(transparent)]
    File(#[from] FileError),
    /// What somebody registered does not hold.
    #[error("{culprits}: {why}")]
    Refused { culprits: String, why: &'static str },
    #[error("a roster has from 1 to 65,536 members")]
    Size,
    #[error("{0} has no address; write FILE=IP:PORT, or give --ports-from IP:PORT")]
    NoAddress(String),
    #[error("{0} has an address that another member has, or port 0; give each its own")]
    Address(String),
    #[error("{0} has a name that another member has; register it under another one")]
    Name(String),
    #[error(
        "{}: the roster of these members has another id, {id}; somebody edited it: make it anew",
        path.display()
    )]
    Id { path: PathBuf, id: String },
}

impl MembersError {
    /// Whether a key or a proof does not hold, rather than a file be of no use.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Id { .. })
    }
}

/// A roster, and what people call its members and where they are.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    pub(crate) roster: Roster,
    entries: Vec<Entry>,
}

impl Members {
    /// Registers the witnesses of these files, in order, each at its address.
    pub(crate) fn register(files: &[(PathBuf, SocketAddr)]) -> Result<Self, MembersError> {
        let mut entries = Vec::new();
        for (path, address) in files {
            let Registration { name, key, proof, .. } = files::load(path)?;
            entries.push(Entry { name, address: *address, key, proof });
        }
        let named: Vec<_> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        Self::new(entries, &named)
    }

    /// Reads what [`Self::write`] wrote, and checks every key and proof.
    pub(crate) fn load(path: &Path) -> Result<Self, MembersError> {
        let RosterFile { roster, members, .. } = files::load(path)?;
        let named =
            members.iter().map(|entry| format!("{}: member {}", path.display(), entry.name));
        let members = Self::new(members.clone(), &named.collect::<Vec<_>>())?;
        if members.roster.id().0 != roster.0 {
            return Err(MembersError::Id { path: path.into(), id: members.id() });
        }
        Ok(members)
    }

    /// Writes the file, where there is none.
    pub(crate) fn write(&self, path: &Path) -> Result<(), FileError> {
        let (roster, members) = (Hex(self.roster.id().0), self.entries.clone());
        let file = RosterFile { format: Format::V1, roster, members };
        files::create(path, files::text(&file).as_bytes(), false)
    }

    /// `named` says what to call each entry in an error.
    fn new(entries: Vec<Entry>, named: &[String]) -> Result<Self, MembersError> {
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for (entry, named) in entries.iter().zip(named) {
            if !names.insert(entry.name.clone()) {
                return Err(MembersError::Name(named.clone()));
            }
            if entry.address.port() == 0 || !addresses.insert(entry.address) {
                return Err(MembersError::Address(named.clone()));
            }
        }
        let members: Option<Vec<_>> = entries.iter().map(Entry::member).collect();
        let members = members.ok_or_else(|| {
            let bad = entries.iter().map(Entry::member).enumerate();
            let bad = bad.filter(|(_, member)| member.is_none()).map(|(at, _)| at).collect();
            refused(named, bad, "the key is no canonical point of the prime-order group")
        })?;
        let roster = Roster::new(members).map_err(|error| match error {
            RosterError::BadKey { culprits } => {
                refused(named, culprits, "the key is no canonical point of the prime-order group")
            }
            RosterError::Duplicate { culprits } => {
                refused(named, culprits, "the key is registered further up; register it once")
            }
            RosterError::NoPossession { culprits } => refused(
                named,
                culprits,
                "the proof of possession does not hold, so the key may be rogue; refuse it",
            ),
            RosterError::NoWeight { .. } | RosterError::Size | _ => MembersError::Size,
        })?;
        Ok(Self { roster, entries })
    }

    /// The roster's id in hex.
    pub(crate) fn id(&self) -> String {
        files::hex(&self.roster.id().0)
    }

    /// The member's name.
    pub(crate) fn name(&self, position: u16) -> &str {
        self.entries.get(usize::from(position)).map_or("nobody", |entry| &entry.name)
    }

    /// Where the member is.
    pub(crate) fn address(&self, index: Index) -> Option<SocketAddr> {
        self.entries.get(usize::from(index.get())).map(|entry| entry.address)
    }

    /// The member with this key.
    pub(crate) fn index_of(&self, key: &PublicKey) -> Option<Index> {
        self.roster.index_of(PeerId::of(key))
    }

    /// All members, as people and programs read of them.
    pub(crate) fn listing(&self) -> Listing {
        let row = |(position, entry): (usize, &Entry)| Row {
            position,
            name: entry.name.to_string(),
            address: entry.address,
            key: files::hex(&entry.key.0),
        };
        Listing {
            roster: self.id(),
            members: self.entries.iter().enumerate().map(row).collect(),
            faulty: self.roster.faulty(),
            quorum: self.roster.quorum(),
            aggregate: files::hex(&self.roster.sum().to_bytes()),
        }
    }
}

impl Entry {
    /// `None`: no key. The roster checks the proof.
    fn member(&self) -> Option<Member> {
        let key: &PublicKeyBytes = &self.key.0;
        let peer = PeerId::of(&PublicKey::from_bytes(key).ok()?);
        let (commitment, response) = self.proof.0.split_first_chunk()?;
        let response = *response.first_chunk()?;
        let proof = ProofOfPossession { commitment: *commitment, response };
        Some(Member { key: *key, proof, weight: 1, peer, extension: [0; 32] })
    }
}

fn refused(named: &[String], culprits: Vec<usize>, why: &'static str) -> MembersError {
    let names = culprits.into_iter().filter_map(|at| named.get(at).cloned());
    MembersError::Refused { culprits: names.collect::<Vec<_>>().join(", "), why }
}

/// A roster in words.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    pub(crate) roster: String,
    pub(crate) members: Vec<Row>,
    pub(crate) faulty: u64,
    pub(crate) quorum: u64,
    pub(crate) aggregate: String,
}

/// A member in words.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) position: usize,
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
}
