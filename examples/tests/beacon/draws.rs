//! Winners that anyone can draw again.

use serde_json::{Value, json};

use crate::common::{Scratch, text};

fn winners(drawn: &Value) -> Vec<(u64, String)> {
    let winner = |winner: &Value| {
        (winner["line"].as_u64().unwrap(), winner["name"].as_str().unwrap().to_owned())
    };
    drawn["winners"].as_array().unwrap().iter().map(winner).collect()
}

#[test]
fn winners_are_distinct_and_the_same_for_everybody() {
    let scratch = Scratch::new();
    let run = scratch.draw("--servers 4 --group-size 4 --simulated --out draw.bin");
    let names: Vec<_> = (1..=50).map(|at| format!("participant {at}")).collect();
    scratch.write("names.txt", names.join("\n") + "\n");
    let which = format!("--roster-id {} --purpose test --slot 1", text(&run["roster_id"]));
    let draw = |list: &str, winners: &str| {
        scratch.beacon(&format!("draw draw.bin --from {list} --winners {winners} {which} --json"))
    };
    let drawn = draw("names.txt", "10").json(0);
    assert_eq!((&drawn["output"], &drawn["participants"]), (&run["output"], &json!(50)));
    let ten = winners(&drawn);
    for (line, name) in &ten {
        assert_eq!(*name, format!("participant {line}"));
    }
    assert_eq!(std::collections::BTreeSet::from_iter(&ten).len(), 10);
    assert_eq!(winners(&draw("names.txt", "10").json(0)), ten);
    assert_eq!(winners(&draw("names.txt", "3").json(0)), ten[..3]);
    assert_eq!(winners(&draw("names.txt", "50").json(0)).len(), 50);
    // Any other list draws anew.
    scratch.write("more.txt", names.join("\n") + "\nparticipant 51\n");
    assert_ne!(winners(&draw("more.txt", "10").json(0)), ten);

    draw("names.txt", "51").says(2, "draw 1 to 50");
    draw("names.txt", "0").says(2, "draw 1 to 50");
    draw("nowhere.txt", "1").says(2, "nowhere.txt: ");
    scratch.write("twice.txt", "ann\nbob\nann\n");
    draw("twice.txt", "1").says(2, "twice.txt, line 3: the same as line 1");
    scratch.write("blank.txt", "ann\n\nbob\n");
    draw("blank.txt", "1").says(2, "blank.txt, line 2: blank");

    // A file may be drawn from for what it says of itself, and that is said.
    let own = scratch.beacon("draw draw.bin --from names.txt --winners 10 --json").json(0);
    assert_eq!((&own["as_asked"], &drawn["as_asked"]), (&json!(false), &json!(true)));
    assert_eq!(winners(&own), ten);
    let own = "draw draw.bin --from names.txt --winners 10";
    scratch.beacon(own).says(0, "WHOSE DRAW THIS IS WAS NOT CHECKED");
    assert!(!scratch.beacon(&format!("{own} {which}")).ok().contains("NOT CHECKED"));
    scratch.beacon(&format!("{own} --slot 1")).says(2, "--roster-id");

    // A draw from a file that does not hold is none.
    let mut bytes = std::fs::read(scratch.path("draw.bin")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write("draw.bin", bytes);
    let refused = draw("names.txt", "1").json(1);
    assert_eq!(refused["valid"], json!(false));
    assert!(text(&refused["reason"]).starts_with("invalid: shares: "));
    assert_eq!(refused.get("winners"), None);
    scratch.beacon(own).says(1, "invalid: shares: ");
}

#[test]
fn help_is_complete_and_bad_usage_is_refused() {
    let scratch = Scratch::new();
    let help = scratch.beacon("--help").ok();
    assert!(help.contains("Exit codes:") && help.contains("beacon run --servers 16"), "{help}");
    assert!(!help.contains("Is one server"), "{help}");
    for (verb, words) in [
        ("run", ["--after", "Exit codes:", "fewer than a third"]),
        ("verify", ["certificate", "Exit codes:", "proves nothing"]),
        ("draw", ["SHA-512", "Exit codes:", "public before the draw"]),
    ] {
        let help = scratch.beacon(&format!("{verb} --help")).ok();
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.iter().all(|words| flat.contains(words)), "{help}");
    }
    for bad in [
        "",
        "run",
        "run --servers 3 --purpose p --out o",
        "run --servers 4097 --purpose p --out o",
        "run --servers 8 --group-size 0 --purpose p --out o",
        "run --servers 8 --group-size 129 --purpose p --out o",
        "run --servers 8 --purpose p --out o --simulated --dir d",
        "run --servers 8 --purpose p --out nowhere/o",
        "run --servers 8 --purpose p --out o --timeout 0",
        "verify",
        "draw",
    ] {
        scratch.beacon(bad).code(2);
    }
    let empty = ["run", "--servers", "4", "--purpose", "", "--out", "o"];
    scratch.run(env!("CARGO_BIN_EXE_beacon"), &empty).says(2, "say what the output is for");
}
