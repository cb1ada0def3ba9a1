//! A cosigned release as files: the signature, and what OpenSSL takes of it.

use std::path::{Path, PathBuf};

use cosi::{
    CollectiveSignature, Mode, Policy, Statement as _, VerifyError, keys::PublicKeyBytes,
    roster::RosterId,
};
use pem_rfc7468::LineEnding;
use serde::{Deserialize, Serialize};

use crate::{
    files::{self, Document, FileError, Hex, replace, with_suffix},
    label::Label,
    members::Members,
    release::Release,
};

/// What SubjectPublicKeyInfo says of an Ed25519 key before the key (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// A signature file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    format: Format,
    roster: Hex<[u8; 32]>,
    name: Label<128>,
    version: Label<64>,
    size: u64,
    sha512: Hex<[u8; 64]>,
    /// R ‖ s ‖ Z.
    signature: Hex,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "witness signature, version 1")]
    V1,
}

impl Document for Signed {
    const KIND: &'static str = "a signature file";
    const LIMIT: u64 = 32_768;
}

/// Why a signature file does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    #[error("it is a signature by members of another roster, {}", files::hex(&.0.0))]
    Roster(RosterId),
    #[error("the file is not the one that was signed: its {0} differs")]
    File(&'static str),
    #[error("it is a signature on {0}, not on {1}")]
    Label(String, String),
    #[error("{signers} of {members} members signed, and {threshold} must")]
    TooFew { signers: usize, members: usize, threshold: usize },
    #[error("{0}")]
    Signature(#[from] VerifyError),
}

impl Signed {
    pub(crate) fn new(roster: RosterId, release: Release, signature: &CollectiveSignature) -> Self {
        let Release { name, version, size, sha512 } = release;
        let (sha512, signature) = (Hex(sha512), Hex(signature.to_bytes()));
        Self { format: Format::V1, roster: Hex(roster.0), name, version, size, sha512, signature }
    }

    /// What is said to be signed.
    pub(crate) fn release(&self) -> Release {
        Release {
            name: self.name.clone(),
            version: self.version.clone(),
            size: self.size,
            sha512: self.sha512.0,
        }
    }

    /// Checks that `threshold` members signed the release.
    pub(crate) fn verify(
        &self,
        members: &Members,
        threshold: usize,
    ) -> Result<CollectiveSignature, Refusal> {
        let roster = &members.roster;
        if self.roster.0 != roster.id().0 {
            return Err(Refusal::Roster(RosterId(self.roster.0)));
        }
        let signature = CollectiveSignature::from_bytes(&self.signature.0, roster.size())?;
        signature.verify(roster, &self.release().to_signed(), &Policy::Weight(1))?;
        let signers = signature.mask.count();
        if signers < threshold {
            return Err(Refusal::TooFew { signers, members: roster.size(), threshold });
        }
        Ok(signature)
    }
}

/// Three files from which OpenSSL alone checks a signature.
#[derive(Debug, Serialize)]
pub(crate) struct ForOpenssl {
    /// The signed bytes: the domain's tag, the roster's id, who signed, and the statement.
    pub(crate) message: PathBuf,
    /// R ‖ s.
    pub(crate) signature: PathBuf,
    /// The sum of the signers' keys, as a public key in PEM.
    pub(crate) key: PathBuf,
}

impl ForOpenssl {
    /// Writes `prefix.msg`, `prefix.sig` and `prefix.pem`.
    pub(crate) fn write(
        prefix: &Path,
        members: &Members,
        release: &Release,
        signature: &CollectiveSignature,
    ) -> Result<Self, FileError> {
        let [message, plain, key] =
            [".msg", ".sig", ".pem"].map(|suffix| with_suffix(prefix, suffix));
        let roster = &members.roster;
        let signed = Mode::Accountable.signed(&roster.id(), &signature.mask, &release.to_signed());
        replace(&message, &signed)?;
        replace(&plain, &[signature.commitment, signature.response].concat())?;
        // A signature that was verified has a key.
        let sum = signature.key(roster).unwrap_or_default();
        replace(&key, pem(&sum).as_bytes())?;
        Ok(Self { message, signature: plain, key })
    }

    /// What to tell OpenSSL.
    pub(crate) fn command(&self) -> String {
        format!(
            "openssl pkeyutl -verify -rawin -pubin -inkey {} -sigfile {} -in {}",
            quoted(&self.key),
            quoted(&self.signature),
            quoted(&self.message)
        )
    }
}

fn pem(key: &PublicKeyBytes) -> String {
    let document = [&SPKI[..], key].concat();
    // 44 bytes fit on one line under a label that is one.
    pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, &document).unwrap_or_default()
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
