//! `verify --raw`: every vector of the Go reference, and input that is none.

use std::path::Path;

use serde_json::Value;

use crate::common::{Ran, Scratch};

const VECTORS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../cosi/tests/signing/cosi-reference.json");

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_slice(&std::fs::read(Path::new(VECTORS)).unwrap()).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn vector(name: &str) -> Value {
    vectors().into_iter().find(|vector| vector["name"] == name).unwrap()
}

fn keys(vector: &Value) -> Vec<&str> {
    crate::common::names(&vector["public_keys"])
}

fn verify(scratch: &Scratch, message: &str, signature: &str, more: &[&str]) -> Ran {
    let arguments = [
        "verify",
        "--raw",
        "--keys",
        "keys",
        "--message-hex",
        message,
        "--signature-hex",
        signature,
    ];
    scratch.run(env!("CARGO_BIN_EXE_witness"), &[&arguments, more].concat())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn every_check_of_the_reference_has_its_strict_answer() {
    let scratch = Scratch::new();
    let mut checks = 0;
    for vector in vectors() {
        scratch.write("keys", keys(&vector).join("\n"));
        let (message, signature) = (text(&vector["message"]), text(&vector["signature"]));
        for check in vector["checks"].as_array().unwrap() {
            let threshold = check["k"].as_u64().unwrap_or(0).to_string();
            let policy: &[&str] = match text(&check["policy"]) {
                "complete" => &[],
                "threshold" => &["--threshold", &threshold],
                other => panic!("{other}"),
            };
            let expected = check.get("expect_strict").unwrap_or(&check["expect"]);
            let code = if expected.as_bool().unwrap() { 0 } else { 1 };
            let said = verify(&scratch, message, signature, policy).code(code);
            let word = if code == 0 { "valid: " } else { "invalid: " };
            assert!(said.contains(word), "{} {check}: {said}", vector["name"]);
            checks += 1;
        }
    }
    assert_eq!(checks, 35);
}

#[test]
fn keys_may_be_written_as_people_and_windows_write_them() {
    let scratch = Scratch::new();
    let vector = vector("n3-without-1");
    let (message, signature) = (text(&vector["message"]), text(&vector["signature"]));
    let [a, b, c] = keys(&vector).try_into().unwrap();
    let upper = b.to_uppercase();
    scratch.write("keys", format!("\r\n{a}\r\n\n  {upper}\t\n{c}"));
    let upper = [message, signature].map(str::to_uppercase);
    verify(&scratch, &upper[0], &upper[1], &["--threshold", "2"]).ok();
    let json = verify(&scratch, message, signature, &["--threshold", "2", "--json"]).json(0);
    assert_eq!(
        json.to_string(),
        r#"{"absent":[1],"keys":3,"signers":[0,2],"threshold":2,"valid":true}"#
    );
    let json = verify(&scratch, message, signature, &["--json"]).json(1);
    assert_eq!(json["valid"], false);
    assert_eq!(json["reason"], "invalid: 2 of 3 keys signed, and 3 must");
    // The same keys in another order are other keys.
    scratch.write("keys", [b, a, c].join("\n"));
    verify(&scratch, message, signature, &["--threshold", "2"]).says(1, "does not hold");
}

#[test]
fn what_is_no_input_is_told_from_what_does_not_hold() {
    let scratch = Scratch::new();
    let vector = vector("n3-without-1");
    let (message, signature) = (text(&vector["message"]), text(&vector["signature"]));
    let good = keys(&vector).join("\n");

    for (lines, mend) in [
        (String::new(), "keys: 0 keys; there must be from 1"),
        ("\n\n \r\n".into(), "0 keys"),
        (format!("{good}\nabc"), "line 4: 3 hex digits are no whole number of bytes"),
        (format!("\n{good}\nabcd"), "line 5: 2 bytes are no key; a key has 32"),
        (format!("{good}\n{}", "ab".repeat(33)), "line 4: 33 bytes"),
        (format!("{good}\n{}", "zz".repeat(32)), "line 4: 'z' is no hex digit"),
        (format!("0x{good}"), "line 1: hex has no prefix here; leave the 0x out"),
        (good.replacen('\n', " ", 1), "line 1: ' ' is no hex digit"),
        // y = 2 is on no curve point; y = p + 1 is a second name of y = 1.
        (format!("{good}\n02{}", "00".repeat(31)), "line 4: the bytes are not the canonical"),
        (format!("{good}\nee{}7f", "ff".repeat(30)), "line 4: the bytes are not the canonical"),
    ] {
        scratch.write("keys", &lines);
        verify(&scratch, message, signature, &["--threshold", "2"]).says(2, mend);
    }
    scratch.write("keys", vec![0xff; 100]);
    verify(&scratch, message, signature, &[]).says(2, "line 1");
    scratch.write("keys", vec![b'\n'; (1 << 23) + 1]);
    verify(&scratch, message, signature, &[]).says(2, "longer than");
    std::fs::remove_file(scratch.path("keys")).unwrap();
    verify(&scratch, message, signature, &[]).says(2, "No such file");
    std::fs::create_dir(scratch.path("keys")).unwrap();
    verify(&scratch, message, signature, &[]).says(2, "directory");
    std::fs::remove_dir(scratch.path("keys")).unwrap();

    scratch.write("keys", &good);
    for (message, signature, mend) in [
        ("0x00", signature, "--message-hex: hex has no prefix"),
        ("0", signature, "--message-hex: 1 hex digits"),
        ("0 ", signature, "--message-hex: ' ' is no hex digit"),
        (message, "g0", "--signature-hex: 'g'"),
        (message, &signature[1..], "--signature-hex: 129 hex digits"),
    ] {
        verify(&scratch, message, signature, &["--threshold", "2"]).says(2, mend);
    }
    for threshold in ["0", "4", "18446744073709551615"] {
        let verify = verify(&scratch, message, signature, &["--threshold", threshold]);
        verify.says(2, "makes no sense for 3 keys; ask for 1 to 3");
    }
    for threshold in ["-1", "two", "18446744073709551616"] {
        verify(&scratch, message, signature, &["--threshold", threshold]).code(2);
    }
    // Of any length: it does not hold.
    for signature in ["", "00", &signature[..126], &signature[..128], &format!("{signature}00")] {
        verify(&scratch, message, signature, &["--threshold", "2"]).says(1, "invalid: ");
    }

    let raw = "verify --raw --keys keys";
    scratch.witness(raw).says(2, "--message-hex");
    scratch.witness("verify --keys keys --message-hex 00 --signature-hex 00").code(2);
    scratch.witness(&format!("{raw} --message-hex 00 --signature-hex 00 file")).code(2);
}

/// Small order: a key that is a point, and whose signature no strict verifier accepts.
#[test]
fn a_key_of_small_order_is_a_key_and_signs_nothing() {
    let scratch = Scratch::new();
    // The identity: [s]B = R + [c]O holds for R = O, s = 0 and any message.
    let identity = format!("01{}", "00".repeat(31));
    scratch.write("keys", &identity);
    let signature = format!("{identity}{}01", "00".repeat(32));
    verify(&scratch, "abcd", &signature, &[]).says(1, "does not hold");
}
