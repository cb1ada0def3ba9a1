//! The wall between the foundation and the signing modules: the foundation could be a crate.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The modules that the other crates stand on.
const FOUNDATION: [&str; 10] = [
    "domain",
    "keys",
    "machine",
    "mask",
    "merkle",
    "opening",
    "roster",
    "step",
    "transcript",
    "wire",
];

/// Modules for hosts and tests, which neither side of the wall owns.
const ADAPTERS: [&str; 2] = ["sim", "tokio"];

/// What the crate exports from the foundation at its root: its macros.
const MACROS: [&str; 1] = ["impl_machine"];

fn source() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

fn is_name(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

fn name(text: &str) -> &str {
    let end = text.bytes().position(|byte| !is_name(byte)).unwrap_or(text.len());
    &text[..end]
}

/// The modules that a crate's root declares.
fn declared(root: &str) -> BTreeSet<String> {
    let lines =
        root.lines().map(|line| line.trim_start_matches("pub ").trim_start_matches("pub(crate) "));
    let modules = lines.filter_map(|line| line.strip_prefix("mod "));
    modules.map(|rest| name(rest).to_owned()).collect()
}

/// The first names of all paths in `text` that start at the crate's root, in groups too.
fn roots(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "cosi::", "super::super::"] {
        for (at, _) in text.match_indices(start) {
            let own_word = at == 0 || !is_name(text.as_bytes()[at - 1]);
            let rest = text[at + start.len()..].trim_start();
            if let Some(group) = rest.strip_prefix('{') {
                found.extend(group_roots(group));
            } else if own_word {
                found.insert(name(rest).to_owned());
            }
        }
    }
    found
}

/// The names that begin the items of a `use` group, given from after its brace.
fn group_roots(group: &str) -> BTreeSet<String> {
    let (mut depth, mut item, mut found) = (0, String::new(), BTreeSet::new());
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.insert(name(item.trim()).to_owned());
                item.clear();
            }
            other if depth == 0 => item.push(other),
            _ => {}
        }
    }
    found.insert(name(item.trim()).to_owned());
    found.remove("");
    found
}

/// The sources of a module: its file and its folder.
fn files(module: &Path, found: &mut BTreeMap<String, String>) {
    let file = module.with_extension("rs");
    if let Ok(text) = fs::read_to_string(&file) {
        found.insert(file.display().to_string(), text);
    }
    for entry in fs::read_dir(module).into_iter().flatten() {
        files(&entry.unwrap().path().with_extension(""), found);
    }
}

/// The paths of `text` into what is not the foundation.
fn trespasses(text: &str, others: &BTreeSet<String>) -> BTreeSet<String> {
    let allowed =
        |name: &String| FOUNDATION.contains(&name.as_str()) || MACROS.contains(&name.as_str());
    let mut found: BTreeSet<_> = roots(text).into_iter().filter(|name| !allowed(name)).collect();
    found.extend(others.iter().filter(|other| text.contains(&format!("super::{other}"))).cloned());
    found
}

fn others() -> BTreeSet<String> {
    let mut modules = declared(&fs::read_to_string(source().join("lib.rs")).unwrap());
    for module in FOUNDATION {
        assert!(modules.remove(module), "{module} is a module of the crate");
    }
    modules.retain(|module| !ADAPTERS.contains(&module.as_str()));
    modules
}

#[test]
fn the_foundation_names_no_signing_module() {
    let others = others();
    assert!(others.contains("signature"), "there is something to keep out: {others:?}");
    let mut seen = 0;
    for module in FOUNDATION {
        let mut sources = BTreeMap::new();
        files(&source().join(module), &mut sources);
        assert!(!sources.is_empty(), "{module} has a source");
        for (file, text) in sources {
            assert_eq!(trespasses(&text, &others), BTreeSet::new(), "{file}");
            seen += 1;
        }
    }
    assert!(seen >= FOUNDATION.len() + 2, "the folders too");
}

#[test]
fn the_wall_sees_every_way_over_it() {
    let others = BTreeSet::from(["signature".to_owned(), "leader".to_owned()]);
    let sees = |text: &str, what: &[&str]| {
        let found = trespasses(text, &others);
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), what, "{text}");
    };
    sees("use crate::signature::Mode;", &["signature"]);
    sees(
        "use crate::{\n    keys::{Seed, signature},\n    leader::{self, Leader},\n};",
        &["leader"],
    );
    sees("fn f(_: crate::CollectiveSignature) {}", &["CollectiveSignature"]);
    sees("pub use crate::{step::Step, Certificate};", &["Certificate"]);
    sees("//! See [`Leader`](crate::leader::Leader).", &["leader"]);
    sees("use super::leader;", &["leader"]);
    sees("use super::super::leader;", &["leader"]);
    sees("//! use cosi::{keys, Mode};", &["Mode"]);
    sees("$crate::signature!();", &["signature"]);
    sees("use crate::{keys::Signature, wire::Wire}; let signature = 1;", &[]);
}

#[test]
fn only_one_file_makes_domain_tags() {
    let mut sources = BTreeMap::new();
    files(source(), &mut sources);
    let makers = sources.iter().filter(|(_, text)| text.contains("/v1/"));
    let makers: Vec<_> = makers.map(|(file, _)| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(makers, ["domain.rs"]);
}

#[test]
fn tags_have_one_length_and_differ_whatever_follows_them() {
    let tags = cosi::domain::ALL;
    for (name, tag) in tags {
        let text = name.bytes().chain(std::iter::repeat(0)).take(16);
        assert!(text.eq(*tag), "{name} is its own tag");
        assert!(name.len() <= 16 && name.contains("/v1/"), "{name}");
        assert_eq!(tags.iter().filter(|(_, other)| other == tag).count(), 1, "{name}");
    }
    // A tree's leaves and nodes begin with 0 and 1, and so with no tag.
    assert!(tags.iter().all(|(_, tag)| tag[0] > 1));
}
