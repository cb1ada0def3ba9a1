//! Checks signatures.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    Failure,
    cli::Verify,
    files::{self, with_suffix},
    members::Members,
    raw,
    release::{Release, measure},
    report::{Cosigned, Invalid, Raw, print},
    signed::{ForOpenssl, Refusal, Signed},
};

/// Why a signature file does not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum VerifyError {
    #[error("invalid: {0}")]
    Refused(#[from] Refusal),
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error(
        "a threshold of {threshold} makes no sense for {members} members; ask for 1 to {members}"
    )]
    Threshold { threshold: usize, members: usize },
}

/// Runs the command.
pub(crate) fn run(args: &Verify) -> Result<(), Failure> {
    let checked = match args {
        Verify {
            keys: Some(keys),
            message_hex: Some(message),
            signature_hex: Some(signature),
            ..
        } => check_raw(args, keys, message, signature),
        Verify { file: Some(file), roster: Some(roster), .. } => check(args, file, roster),
        _ => Err(Failure::NothingToVerify),
    };
    if let Err(failure) = &checked
        && failure.exit_code() == 1
        && args.json
    {
        let reason = failure.to_string();
        print(&Invalid { valid: false, reason }, true, |_| String::new());
    }
    checked
}

fn check_raw(args: &Verify, keys: &Path, message: &str, signature: &str) -> Result<(), Failure> {
    let valid = raw::verify(keys, message, signature, args.threshold)?;
    print(&Raw::new(&valid), args.json, Raw::line);
    Ok(())
}

fn check(args: &Verify, file: &Path, roster: &Path) -> Result<(), Failure> {
    let members = Members::load(roster)?;
    let path = args.signature.clone().unwrap_or_else(|| with_suffix(file, ".cosig"));
    let signed: Signed = files::load(&path)?;
    let measured = measure(file);
    let measured = measured.map_err(|error| VerifyError::Read { path: file.into(), error })?;
    let threshold = threshold(&members, args.threshold)?;

    let signature = signed.verify(&members, threshold).map_err(VerifyError::Refused)?;
    let release = signed.release();
    matches(&release, measured, args).map_err(VerifyError::Refused)?;
    let openssl = match &args.openssl {
        None => None,
        Some(prefix) => Some(ForOpenssl::write(prefix, &members, &release, &signature)?),
    };
    let path = path.display().to_string();
    let cosigned = Cosigned::new(&members, &release, &signature, threshold, path, openssl);
    print(&cosigned, args.json, Cosigned::table);
    Ok(())
}

/// Whether the release is of this file, and under the name and version asked for.
fn matches(release: &Release, measured: (u64, [u8; 64]), args: &Verify) -> Result<(), Refusal> {
    let Release { name, version, size, sha512 } = release;
    if *size != measured.0 {
        return Err(Refusal::File("length"));
    }
    if *sha512 != measured.1 {
        return Err(Refusal::File("SHA-512"));
    }
    for (said, asked) in [(&**name, &args.name), (version, &args.version)] {
        if let Some(asked) = asked.as_ref().filter(|asked| *asked != said) {
            return Err(Refusal::Label(said.to_owned(), asked.clone()));
        }
    }
    Ok(())
}

/// How many members must sign, if it makes sense.
pub(crate) fn threshold(members: &Members, asked: Option<usize>) -> Result<usize, VerifyError> {
    let quorum = usize::try_from(members.roster.quorum()).unwrap_or(usize::MAX);
    let (threshold, members) = (asked.unwrap_or(quorum), members.roster.size());
    if (1..=members).contains(&threshold) {
        Ok(threshold)
    } else {
        Err(VerifyError::Threshold { threshold, members })
    }
}
