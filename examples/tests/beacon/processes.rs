//! Servers that are processes, some of which fail.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::{Scratch, text};

#[test]
fn a_draw_among_processes_convinces_whoever_knows_the_roster_id() {
    let scratch = Scratch::new();
    let drawn = scratch.draw("--servers 7 --group-size 4 --out draw.bin");
    assert_eq!((&drawn["simulated"], &drawn["slot"]), (&json!(false), &json!(1)));
    assert_eq!((&drawn["kept"], &drawn["servers"]), (&json!(null), &json!(7)));
    for (slot, round) in [0, 1].into_iter().zip(drawn["rounds"].as_array().unwrap()) {
        assert_eq!((&round["slot"], &round["groups"]), (&json!(slot), &json!(2)));
        assert_eq!((&round["missing"], &round["acknowledged"]), (&json!([]), &json!(7)));
        assert_eq!((&round["collective"], &round["faults"]), (&json!(true), &json!(0)));
        assert!(round["client_sent"].as_u64() > round["client_received"].as_u64());
    }
    let verified = scratch.verify("draw.bin", text(&drawn["roster_id"]), 1).json(0);
    assert_eq!((&verified["output"], &verified["valid"]), (&drawn["output"], &json!(true)));
    assert_eq!((&verified["servers"], &verified["quorum"]), (&json!(7), &json!(5)));

    // Nothing is overwritten, and the next roster is another one.
    let again = "run --servers 7 --group-size 4 --purpose test --out draw.bin";
    scratch.beacon(again).says(2, "draw.bin exists already");
    let other = scratch.draw("--servers 7 --group-size 4 --out other.bin --slot 0");
    assert_ne!(other["roster_id"], drawn["roster_id"]);
    assert_eq!(other["rounds"].as_array().unwrap().len(), 1);
    scratch.verify("other.bin", text(&other["roster_id"]), 0).ok();
}

#[test]
fn with_f_servers_gone_a_draw_completes_and_names_them() {
    let scratch = Scratch::new();
    // f = 3 of 10: two never start, and one is killed once it has dealt.
    let drawn = scratch.draw("--servers 10 --group-size 5 --out draw.bin --absent 2 --kill 1");
    for round in drawn["rounds"].as_array().unwrap() {
        assert_eq!((&round["missing"], &round["acknowledged"]), (&json!([7, 8, 9]), &json!(7)));
    }
    scratch.verify("draw.bin", text(&drawn["roster_id"]), 1).ok();

    // One group, which has deals enough: what is missing is a quorum.
    let run = "run --servers 10 --group-size 10 --purpose test --out few.bin --timeout 1.5";
    scratch.beacon(&format!("{run} --absent 4")).says(1, "servers acknowledged of 7");
    scratch.beacon(&format!("{run} --absent 2 --kill 2")).says(1, "servers acknowledged of 7");
    assert!(!scratch.path("few.bin").exists());
    scratch.beacon(&format!("{run} --absent 6 --kill 5")).says(2, "11 of 10 servers");
}

#[test]
fn what_is_kept_is_drawn_once_and_goes_on() {
    let scratch = Scratch::new();
    let run = "--servers 4 --group-size 4 --dir town";
    let first = scratch.draw(&format!("{run} --out 1.bin"));
    assert_eq!(first["kept"], json!("town"));
    let again = scratch.draw(&format!("{run} --out again.bin"));
    assert_eq!((&again["output"], &again["roster_id"]), (&first["output"], &first["roster_id"]));

    let second = scratch.draw(&format!("{run} --after 1.bin --out 2.bin"));
    assert_eq!((&second["slot"], &second["roster_id"]), (&json!(2), &first["roster_id"]));
    assert_ne!(second["output"], first["output"]);
    let verified = scratch.verify("2.bin", text(&first["roster_id"]), 2).json(0);
    assert_eq!(verified["prior"], first["output"], "the groups follow from the output before");

    // The same slot on other terms would be another draw.
    let refused = |arguments: &str, code, mend: &str| {
        scratch.beacon(&format!("run --purpose test --out x.bin {arguments}")).says(code, mend);
    };
    refused("--servers 4 --group-size 2 --dir town", 2, "a slot is drawn once");
    refused(
        &format!("{run} --slot 2"),
        2,
        "takes the output of slot 1; give its file with --after",
    );
    refused(&format!("{run} --slot 2 --after 2.bin"), 2, "does not come after slot 2");
    refused("--servers 5 --group-size 4 --dir town", 2, "town holds 4 servers");
    refused("--servers 65 --group-size 4 --dir town", 2, "simulated servers keep nothing");
    refused("--servers 4 --after 1.bin", 2, "--dir");
    let other = "--servers 4 --group-size 4 --dir other --after 1.bin";
    refused(other, 1, "--after invalid: roster: ");
    let mut bytes = fs::read(scratch.path("1.bin")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write("changed.bin", bytes);
    refused(&format!("{run} --after changed.bin"), 1, "--after invalid: shares: ");
    refused(&format!("{run} --after nowhere.bin"), 2, "nowhere.bin: ");

    let seed = scratch.path("town/server-0002.seed");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(seed.clone()), mode(scratch.path("town"))), (0o600, 0o700));
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o640)).unwrap();
    refused(&format!("{run} --after 2.bin --timeout 1"), 2, "server 2 does not start");
    fs::set_permissions(scratch.path("town/client.seed"), fs::Permissions::from_mode(0o604))
        .unwrap();
    refused(&format!("{run} --after 2.bin"), 2, "others may read");
}

/// The client is killed while it waits for servers. What was dealt stays dealt, no server outlives
/// it, and the same command completes the slot.
#[test]
fn a_draw_whose_client_is_killed_goes_on() {
    let scratch = Scratch::new();
    let run = "run --servers 10 --group-size 5 --purpose test --dir town --out draw.bin --json";
    let mut killed = Command::new(env!("CARGO_BIN_EXE_beacon"))
        .args(run.split_whitespace())
        .args(["--absent", "2", "--kill", "2"])
        .current_dir(scratch.dir())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Eight dealt, and six cannot acknowledge.
    let journal = || {
        let entries = fs::read_dir(scratch.path("town")).into_iter().flatten();
        let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|name| name.starts_with("server-0005-"))
    };
    let is_there = (0..2000).any(|_| {
        thread::sleep(Duration::from_millis(5));
        journal().is_some()
    });
    assert!(is_there, "the servers do not start");
    thread::sleep(Duration::from_millis(500));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!scratch.path("draw.bin").exists());

    // The servers end once their input does.
    let again = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_beacon"));
        command.args(run.split_whitespace()).current_dir(scratch.dir()).output().unwrap()
    };
    let done = (0..100).find_map(|_| {
        thread::sleep(Duration::from_millis(50));
        Some(again()).filter(|output| output.status.success())
    });
    let done = done.expect("the servers outlive their client");
    let drawn: Value = serde_json::from_slice(&done.stdout).unwrap();
    scratch.verify("draw.bin", text(&drawn["roster_id"]), 1).ok();
}
