//! Servers in one process, in virtual time.

use serde_json::json;

use crate::common::{Scratch, text};

#[test]
fn sixty_four_simulated_servers_draw_as_processes_do() {
    let scratch = Scratch::new();
    let run = "--servers 64 --group-size 16 --simulated --absent 10 --kill 11 --out draw.bin";
    let drawn = scratch.draw(run);
    assert_eq!(drawn["simulated"], json!(true));
    for round in drawn["rounds"].as_array().unwrap() {
        assert_eq!((&round["groups"], &round["acknowledged"]), (&json!(4), &json!(43)));
        assert_eq!(round["missing"], json!(Vec::from_iter(43..64)));
        // Three round trips of 200 ms at least, in virtual time.
        assert!(round["took"].as_f64() > Some(0.6), "{round}");
    }
    scratch.verify("draw.bin", text(&drawn["roster_id"]), 1).ok();
}

#[test]
fn more_servers_than_processes_are_simulated_and_that_is_said() {
    let scratch = Scratch::new();
    let run = "run --servers 65 --group-size 13 --purpose test --out draw.bin";
    let said = scratch.beacon(run).ok();
    for words in ["SIMULATED in one process", "by 65 simulated servers", "of virtual time"] {
        assert!(said.contains(words), "{said}");
    }
    let few = "run --servers 65 --group-size 13 --purpose test --out few.bin --absent 22";
    scratch.beacon(&format!("{few} --timeout 5")).says(1, "not drawn: ");
}

#[test]
fn a_draw_of_a_thousand_servers_verifies_from_its_file_and_the_rosters_id() {
    let scratch = Scratch::new();
    let drawn = scratch.draw("--servers 1024 --slot 0 --out draw.bin");
    let roster = text(&drawn["roster_id"]);
    let verified = scratch.verify("draw.bin", roster, 0).json(0);
    assert_eq!((&verified["output"], &verified["servers"]), (&drawn["output"], &json!(1024)));
    assert_eq!((&verified["groups"], &verified["quorum"]), (&json!(32), &json!(683)));
    let mut bytes = std::fs::read(scratch.path("draw.bin")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    scratch.write("changed.bin", bytes);
    scratch.verify("changed.bin", roster, 0).says(1, "invalid: deals: ");
}
