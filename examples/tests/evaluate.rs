//! The program as its users run it. What is measured here is a debug build, so no target is held.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

const HEADER: &str = "metric,kind,reference,here,target,unit,met";

fn evaluate(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_evaluate")).args(arguments).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn list_names_each_section_with_a_line() {
    let (code, list, errors) = evaluate(&["list"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for section in ["cosi ", "pvss ", "randhound "] {
        let tells = |line: &str| line.starts_with(section) && line.len() > 20;
        assert!(list.lines().any(tells), "{section}: {list}");
    }
}

#[test]
fn help_tells_what_there_is() {
    let (code, help, _) = evaluate(&["--help"]);
    assert_eq!(code, 0);
    for word in ["list", "--csv", "--only", "--quick", "--check", "--out", "Exit codes", HEADER] {
        assert!(help.contains(word), "{word} in {help}");
    }
}

#[test]
fn bad_usage_is_told_apart_and_explained() {
    let cases: [(&[&str], &str); 5] = [
        (&[], "SECTION"),
        (&["nothing"], "cosi"),
        (&["cosi", "--no-such-flag"], "--no-such-flag"),
        (&["cosi", "--only", "no such row"], "--only"),
        (&["list", "cosi"], "cosi"),
    ];
    for (arguments, word) in cases {
        let (code, printed, errors) = evaluate(arguments);
        assert_eq!((code, printed.as_str()), (2, ""), "{arguments:?}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
    }
}

/// A reader that has seen enough, as `head`, is no failure.
#[test]
fn whoever_stops_reading_ends_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let line = ["list"];
    let output =
        Command::new(env!("CARGO_BIN_EXE_evaluate")).args(line).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

/// Each row of a section that holds these words.
#[test]
fn rows_are_picked_by_their_words() {
    let opening = "decrypt and prove a share by ";
    let (code, csv, errors) = evaluate(&["pvss", "--only", opening, "--quick", "--csv"]);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!((code, lines.len(), lines[0]), (0, 3, HEADER), "{csv}{errors}");
    for (line, scheme) in lines[1..].iter().zip(["DHPVSS", "Schoenmakers"]) {
        assert!(line.starts_with(&format!("{opening}{scheme},measured,0.83,")), "{line}");
    }
}

/// With `--check` the exit code follows the last column, and that the two before it.
#[test]
fn csv_is_all_there_is_on_standard_output() {
    let line = ["cosi", "--only", "decode", "--quick", "--csv", "--check"];
    let (code, csv, errors) = evaluate(&line);
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!((lines.len(), lines[0]), (2, HEADER), "{csv}");
    let fields: Vec<_> = lines[1].split(',').collect();
    let [metric, kind, reference, here, target, unit, met] = fields[..] else {
        unreachable!("seven columns: {csv}")
    };
    assert_eq!((metric, kind, unit), ("decode 4096 keys", "measured", "ms"));
    assert_eq!((reference, target), ("24.7", "15"));
    let is_met = here.parse::<f64>().unwrap() <= 15.0;
    assert_eq!((met, code), if is_met { ("yes", 0) } else { ("no", 1) }, "{errors}");
    assert!(errors.contains("decode"), "progress: {errors}");

    // Without it, to have measured is success; and people learn on what.
    let (code, table, _) = evaluate(&["cosi", "--only", "decode", "--quick"]);
    assert_eq!(code, 0);
    for word in
        ["reference", "target", "decode 4096 keys", "≤ 15", "kyber", "debug build", "fastest"]
    {
        assert!(table.contains(word), "{word} in {table}");
    }
}
