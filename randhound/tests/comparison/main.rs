//! Six designs and five properties: every cell of the comparison, shown by running code.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod table;

use std::collections::BTreeSet;

use table::{Design, Property, TABLE};

macro_rules! tests {
    ($($module:ident { $($name:ident)* })*) => {
        $(mod $module {
            $(#[test] fn $name() {
                crate::run(concat!(stringify!($module), "::", stringify!($name)));
            })*
        })*
        const TESTS: &[&str] =
            &[$($(concat!(stringify!($module), "::", stringify!($name))),*),*];
    };
}

tests! {
    strawmen {
        the_last_server_chooses_the_output
        one_silent_server_stalls
        nobody_knows_the_output_before_a_reveal
        who_does_not_reveal_chooses_between_two_outputs
        silent_servers_stop_no_sharing
        too_few_shares_fit_every_secret
        bad_shares_choose_what_servers_recover
        records_are_made_up_by_one_alone
        everybody_hears_from_everybody
    }
    randshare {
        faulty_servers_stop_nothing
        nobody_knows_the_output_before_a_disclosure
        nobody_drops_out
        a_record_is_made_up_by_one_alone
        work_grows_with_the_cube
    }
    published {
        silent_servers_stop_nothing
        too_few_shares_recover_nothing
        a_second_deal_chooses_the_output
        one_server_convinces_the_published_verifier
        work_a_server_does_not_grow
    }
    randhound {
        faulty_servers_stop_nothing
        nothing_is_opened_before_a_quorum_decides
        nobody_drops_out_or_deals_again
        whoever_tampers_is_refused
        work_a_server_does_not_grow
    }
}

/// Runs the demonstration of this name.
fn run(name: &str) {
    let cell = TABLE.iter().find(|cell| cell.name == name).unwrap();
    (cell.run)();
}

#[test]
fn every_cell_is_there_once_and_every_demonstration_is_a_test() {
    let cells: BTreeSet<_> = TABLE.iter().map(|cell| (cell.design, cell.property)).collect();
    assert_eq!((cells.len(), TABLE.len()), (Design::ALL.len() * Property::ALL.len(), 30));
    let shown: BTreeSet<_> = TABLE.iter().map(|cell| cell.name).collect();
    let tests: BTreeSet<_> = TESTS.iter().copied().collect();
    assert_eq!(shown, tests);
}

/// Whatever differs from the published table is said in its cell.
#[test]
fn cells_that_contradict_the_published_table_say_why() {
    for cell in TABLE {
        let (design, property) = (cell.design.name(), cell.property.name());
        println!("{design}, {property}: {} by {} {}", cell.shown, cell.name, cell.why);
        assert_eq!(cell.published != cell.shown, !cell.why.is_empty(), "{}", cell.name);
    }
    let marks = |design: Design| {
        let of = TABLE.iter().filter(|cell| cell.design == design);
        of.map(|cell| if cell.published { 'y' } else { 'n' }).collect::<String>()
    };
    let published = ["nnnnn", "nynnn", "yyynn", "yyynn", "yyyyy", "yyyyy"];
    assert_eq!(Design::ALL.map(marks), published);
}
