//! The comparison of Syta et al. (IEEE S&P 2017), each cell with the code that shows its mark.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a demonstration fails by panicking"
)]

#[allow(dead_code, reason = "shared with the tests of RandHound")]
#[path = "../../randhound/common.rs"]
mod common;
pub(crate) mod published;
pub(crate) mod randhound;
pub(crate) mod randshare;
pub(crate) mod strawmen;

/// A way to draw randomness together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Design {
    StrawmanI,
    StrawmanII,
    StrawmanIII,
    RandShare,
    /// RandHound as it was published: in the paper, and for its verifier in code.
    Published,
    /// RandHound in this crate.
    RandHound,
}

impl Design {
    pub(crate) const ALL: [Self; 6] = [
        Self::StrawmanI,
        Self::StrawmanII,
        Self::StrawmanIII,
        Self::RandShare,
        Self::Published,
        Self::RandHound,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::StrawmanI => "Strawman I",
            Self::StrawmanII => "Strawman II",
            Self::StrawmanIII => "Strawman III",
            Self::RandShare => "RandShare",
            Self::Published => "RandHound as published",
            Self::RandHound => "RandHound",
        }
    }
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Property {
    /// Faulty servers do not keep honest ones from an output.
    Availability,
    /// Nobody knows the output before honest servers open it.
    Unpredictability,
    /// Nobody chooses it, nor among several.
    Unbiasability,
    /// A record convinces a third party, and only if it is true.
    Verifiability,
    /// A server's work does not grow with the number of servers.
    Scalability,
}

impl Property {
    pub(crate) const ALL: [Self; 5] = [
        Self::Availability,
        Self::Unpredictability,
        Self::Unbiasability,
        Self::Verifiability,
        Self::Scalability,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Unpredictability => "unpredictability",
            Self::Unbiasability => "unbiasability",
            Self::Verifiability => "verifiability",
            Self::Scalability => "scalability",
        }
    }
}

/// A cell of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) design: Design,
    pub(crate) property: Property,
    /// The mark in the published table.
    pub(crate) published: bool,
    /// The mark that `run` shows.
    pub(crate) shown: bool,
    /// Why the two differ; empty where they do not.
    pub(crate) why: &'static str,
    /// The name of the test that runs it, in the test target `comparison` of `randhound`.
    pub(crate) name: &'static str,
    /// Panics unless the mark is shown.
    pub(crate) run: fn(),
}

macro_rules! table {
    ($($design:ident {
        $($property:ident: $published:literal, $shown:literal $(because $why:literal)?,
            $module:ident::$name:ident;)*
    })*) => {
        /// Every cell, design by design.
        pub(crate) const TABLE: &[Cell] = &[$($(Cell {
            design: Design::$design,
            property: Property::$property,
            published: $published,
            shown: $shown,
            why: concat!($($why)?),
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: $module::$name,
        }),*),*];
    };
}

table! {
    StrawmanI {
        Availability: false, false, strawmen::one_silent_server_stalls;
        Unpredictability: false, false, strawmen::the_last_server_chooses_the_output;
        Unbiasability: false, false, strawmen::the_last_server_chooses_the_output;
        Verifiability: false, false, strawmen::records_are_made_up_by_one_alone;
        Scalability: false, false, strawmen::everybody_hears_from_everybody;
    }
    StrawmanII {
        Availability: false, false, strawmen::one_silent_server_stalls;
        Unpredictability: true, true, strawmen::nobody_knows_the_output_before_a_reveal;
        Unbiasability: false, false, strawmen::who_does_not_reveal_chooses_between_two_outputs;
        Verifiability: false, false, strawmen::records_are_made_up_by_one_alone;
        Scalability: false, false, strawmen::everybody_hears_from_everybody;
    }
    StrawmanIII {
        Availability: true, true, strawmen::silent_servers_stop_no_sharing;
        Unpredictability: true, true, strawmen::too_few_shares_fit_every_secret;
        Unbiasability: true, false
            because "nobody checks shares, so whoever discloses last chooses what others recover",
            strawmen::bad_shares_choose_what_servers_recover;
        Verifiability: false, false, strawmen::records_are_made_up_by_one_alone;
        Scalability: false, false, strawmen::everybody_hears_from_everybody;
    }
    RandShare {
        Availability: true, true, randshare::faulty_servers_stop_nothing;
        Unpredictability: true, true, randshare::nobody_knows_the_output_before_a_disclosure;
        Unbiasability: true, true, randshare::nobody_drops_out;
        Verifiability: false, false, randshare::a_record_is_made_up_by_one_alone;
        Scalability: false, false, randshare::work_grows_with_the_cube;
    }
    Published {
        Availability: true, true, published::silent_servers_stop_nothing;
        Unpredictability: true, true, published::too_few_shares_recover_nothing;
        Unbiasability: true, false
            because "servers agree on who deals and not on what, so a dealer deals again later",
            published::a_second_deal_chooses_the_output;
        Verifiability: true, false
            because "the published verifier takes thresholds from the transcript that it checks",
            published::one_server_convinces_the_published_verifier;
        Scalability: true, true, published::work_a_server_does_not_grow;
    }
    RandHound {
        Availability: true, true, randhound::faulty_servers_stop_nothing;
        Unpredictability: true, true, randhound::nothing_is_opened_before_a_quorum_decides;
        Unbiasability: true, true, randhound::nobody_drops_out_or_deals_again;
        Verifiability: true, true, randhound::whoever_tampers_is_refused;
        Scalability: true, true, randhound::work_a_server_does_not_grow;
    }
}
