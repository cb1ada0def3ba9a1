//! The results, for people and for programs.

use comfy_table::{Table, presets::NOTHING};
use cosi::CollectiveSignature;
use examples::report::Rows;
pub(crate) use examples::report::print;
use serde::Serialize;

use crate::{
    files,
    keys::Generated,
    members::{Listing, Members},
    raw,
    release::Release,
    signed::ForOpenssl,
};

/// A signature that does not hold.
#[derive(Debug, Serialize)]
pub(crate) struct Invalid {
    pub(crate) valid: bool,
    pub(crate) reason: String,
}

/// A release that is signed.
#[derive(Debug, Serialize)]
pub(crate) struct Cosigned {
    pub(crate) valid: bool,
    name: String,
    version: String,
    size: u64,
    sha512: String,
    roster: String,
    members: usize,
    threshold: usize,
    quorum: u64,
    signers: Vec<String>,
    missing: Vec<String>,
    /// The signature file.
    signature: String,
    openssl: Option<ForOpenssl>,
}

impl Cosigned {
    pub(crate) fn new(
        members: &Members,
        release: &Release,
        signature: &CollectiveSignature,
        threshold: usize,
        file: String,
        openssl: Option<ForOpenssl>,
    ) -> Self {
        let named = |signed: bool| {
            let all = members.roster.indices().map(|index| index.get());
            let some = all.filter(|at| signature.mask.contains(*at) == signed);
            some.map(|at| members.name(at).to_owned()).collect()
        };
        Self {
            valid: true,
            name: release.name.to_string(),
            version: release.version.to_string(),
            size: release.size,
            sha512: files::hex(&release.sha512),
            roster: members.id(),
            members: members.roster.size(),
            threshold,
            quorum: members.roster.quorum(),
            signers: named(true),
            missing: named(false),
            signature: file,
            openssl,
        }
    }

    pub(crate) fn table(&self) -> String {
        let Self { members, threshold, quorum, .. } = self;
        let mut said = format!(
            "valid: {} of {members} members signed, and {threshold} had to",
            self.signers.len()
        );
        if u64::try_from(*threshold).is_ok_and(|threshold| threshold < *quorum) {
            said += &format!(
                "; that is less than the quorum, {quorum}: two files might both have so many"
            );
        }
        let mut rows = Rows::new();
        rows.add("release", format!("{} {}", self.name, self.version));
        rows.add("file", format!("{} bytes, SHA-512 {}", self.size, lines(&self.sha512)));
        rows.add("roster", &self.roster);
        rows.add("signed by", self.signers.join(", "));
        rows.add(
            "missing",
            if self.missing.is_empty() { "nobody".into() } else { self.missing.join(", ") },
        );
        rows.add("signature", &self.signature);
        if let Some(openssl) = &self.openssl {
            rows.add("for OpenSSL", openssl.command());
        }
        format!("{said}\n\n{}", rows.text())
    }
}

/// A raw signature that holds.
#[derive(Debug, Serialize)]
pub(crate) struct Raw {
    valid: bool,
    keys: usize,
    threshold: usize,
    /// By position from 0.
    signers: Vec<u16>,
    absent: Vec<u16>,
}

impl Raw {
    pub(crate) fn new(valid: &raw::Valid) -> Self {
        let raw::Valid { signers, keys, threshold } = valid;
        let all = (0..=u16::MAX).take(*keys);
        let absent = all.filter(|at| !signers.contains(at)).collect();
        Self { valid: true, keys: *keys, threshold: *threshold, signers: signers.clone(), absent }
    }

    pub(crate) fn line(&self) -> String {
        let Self { keys, threshold, signers, absent, .. } = self;
        let signers = signers.len();
        let absent = match &absent[..] {
            [] => String::new(),
            some => format!("; absent, by position from 0: {some:?}"),
        };
        format!("valid: {signers} of {keys} keys signed, and {threshold} had to{absent}")
    }
}

/// A roster.
pub(crate) fn roster(listing: &Listing) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["", "name", "address", "key"]);
    for row in &listing.members {
        let (position, address) = (row.position.to_string(), row.address.to_string());
        table.add_row([&position, &row.name, &address, &row.key]);
    }
    let mut rows = Rows::new();
    rows.add("roster", &listing.roster);
    let (n, f) = (listing.members.len(), listing.faulty);
    rows.add("members", format!("{n}, of which {f} may be faulty"));
    rows.add("quorum", listing.quorum.to_string());
    rows.add("aggregate key", &listing.aggregate);
    format!("{}\n\n{}", table.trim_fmt(), rows.text())
}

/// A new witness.
pub(crate) fn generated(made: &Generated) -> String {
    let mut rows = Rows::new();
    rows.add("witness", &made.name);
    rows.add("key", &made.key);
    rows.add("secret", format!("{}: keep it to yourself", made.secret_file.display()));
    let public = made.public_file.display();
    rows.add("registration", format!("{public}: give it to who makes the roster"));
    rows.text()
}

/// 128 hex digits on two lines.
fn lines(hex: &str) -> String {
    let (first, second) = hex.split_at(hex.len() / 2);
    format!("\n{first}\n{second}")
}
