//! What a witness has: a secret key, and the registration by which others know it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use cosi::{
    keys::{ProofOfPossession, SigningKey},
    roster::Member,
    transcript::fresh,
};
use pem_rfc7468::LineEnding;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    entropy,
    files::{self, Document, FileError, Hex, create, is_free, is_private, read, with_suffix},
    label::Label,
};

/// A PKCS#8 document (RFC 8410, section 7) up to the seed, which ends it.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The label of an unencrypted private key in PEM.
const PEM: &str = "PRIVATE KEY";

/// Longer is no key file. Private keys beside other text, as some tools write them, fit.
const LIMIT: u64 = 65_536;

/// What others need to know of a witness.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    format: Format,
    /// What people call the witness.
    pub(crate) name: Label<32>,
    /// Its Ed25519 key.
    pub(crate) key: Hex<[u8; 32]>,
    /// Its proof of possession: K and z.
    pub(crate) proof: Hex<[u8; 64]>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Format {
    #[serde(rename = "witness registration, version 1")]
    V1,
}

impl Document for Registration {
    const KIND: &'static str = "a witness's registration";
    const LIMIT: u64 = 4096;
}

impl Registration {
    fn new(name: Label<32>, key: &SigningKey) -> Self {
        let Member { key, proof, .. } = Member::new(key, &mut entropy());
        let ProofOfPossession { commitment, response } = proof;
        let mut proof = [0; 64];
        let (first, second) = proof.split_at_mut(32);
        first.copy_from_slice(&commitment);
        second.copy_from_slice(&response);
        Self { format: Format::V1, name, key: Hex(key), proof: Hex(proof) }
    }
}

/// Why a key file is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum KeyFileError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "{} holds no Ed25519 key in PKCS#8, as `witness keygen` and `openssl genpkey -algorithm \
         ed25519` write it",
        .0.display()
    )]
    NoKey(PathBuf),
    #[error(
        "{} is encrypted; decrypt it with `openssl pkey -in {} -out FILE`",
        .0.display(),
        .0.display()
    )]
    Encrypted(PathBuf),
    #[error("{:?} names no witness: {why}; give --name", path.display())]
    Name { path: PathBuf, why: String },
}

/// What [`generate`] wrote.
#[derive(Debug, Serialize)]
pub(crate) struct Generated {
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) secret_file: PathBuf,
    pub(crate) public_file: PathBuf,
}

/// Writes `prefix.key` and `prefix.pub`: with the key of a PKCS#8 file, or with a fresh one.
pub(crate) fn generate(
    prefix: &Path,
    name: Option<&str>,
    pkcs8: Option<&Path>,
) -> Result<Generated, KeyFileError> {
    let name = match name {
        Some(name) => name.to_owned(),
        None => prefix.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let name = Label::new(&name);
    let name =
        name.map_err(|why| KeyFileError::Name { path: prefix.into(), why: why.to_string() })?;
    let [secret_file, public_file] = [".key", ".pub"].map(|suffix| with_suffix(prefix, suffix));
    is_free(&secret_file)?;
    is_free(&public_file)?;

    let document = match pkcs8 {
        Some(path) => document(path)?,
        None => Zeroizing::new([&PKCS8[..], &*fresh(&mut entropy())].concat()),
    };
    let key = SigningKey::from_pkcs8_der(&document);
    let key = key.map_err(|_| KeyFileError::NoKey(pkcs8.unwrap_or(prefix).into()))?;
    let text = pem_rfc7468::encode_string(PEM, LineEnding::LF, &document).map(Zeroizing::new);
    let text = text.map_err(|_| KeyFileError::NoKey(secret_file.clone()))?;
    let registration = Registration::new(name, &key);
    create(&secret_file, text.as_bytes(), true)?;
    create(&public_file, files::text(&registration).as_bytes(), false)?;
    let key = files::hex(&registration.key.0);
    Ok(Generated { name: registration.name.to_string(), key, secret_file, public_file })
}

/// Loads a secret key that nobody but its owner may read.
pub(crate) fn secret(path: &Path) -> Result<Arc<SigningKey>, KeyFileError> {
    let document = document(path)?;
    is_private(path)?;
    let key = SigningKey::from_pkcs8_der(&document);
    key.map(Arc::new).map_err(|_| KeyFileError::NoKey(path.into()))
}

/// The PKCS#8 document in a file, in DER or PEM.
fn document(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let bytes = Zeroizing::new(read(path, LIMIT, "a key")?);
    if bytes.first() == PKCS8.first() {
        return Ok(bytes);
    }
    match pem_rfc7468::decode_vec(&bytes) {
        Ok((PEM, document)) => Ok(Zeroizing::new(document)),
        Ok(("ENCRYPTED PRIVATE KEY", _)) => Err(KeyFileError::Encrypted(path.into())),
        _ => Err(KeyFileError::NoKey(path.into())),
    }
}
