//! What a section is, and what it finds.

use crate::exhibit::Exhibit;

/// Some rows that belong together.
#[derive(Debug)]
pub(crate) struct Section {
    /// What the command line calls it.
    pub(crate) name: &'static str,
    /// What it is about, in a line.
    pub(crate) about: &'static str,
    /// Where its references come from.
    pub(crate) references: &'static str,
    /// Adds all its rows.
    pub(crate) run: fn(&mut Findings<'_>) -> Result<(), Unsound>,
}

/// Which rows, and how thoroughly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Only those whose metric contains this.
    pub(crate) only: Option<String>,
    /// Whether a tenth of the samples will do.
    pub(crate) quick: bool,
    /// Whether to measure what has no target too.
    pub(crate) peers: bool,
    /// Whether to make exhibits.
    pub(crate) exhibits: bool,
}

impl Ask {
    /// How many samples to take where `full` are usual.
    pub(crate) const fn samples(&self, full: usize) -> usize {
        if self.quick { full.div_ceil(10) } else { full }
    }
}

/// Work gave a wrong result, so that how long it took means nothing.
#[derive(Debug, thiserror::Error)]
#[error("{metric}: {what}")]
pub(crate) struct Unsound {
    /// The row.
    pub(crate) metric: &'static str,
    /// What is wrong.
    pub(crate) what: String,
}

/// What a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A real clock.
    Measured,
    /// A simulation's clock.
    Simulated,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Simulated => "simulated",
        }
    }
}

/// What is to be reached. Less is better.
#[derive(Debug)]
pub(crate) struct Target {
    /// Its name, without a comma.
    pub(crate) metric: &'static str,
    pub(crate) kind: Kind,
    /// What the reference takes, quoted; `None` where nobody says.
    pub(crate) reference: Option<f64>,
    pub(crate) at_most: f64,
    /// Of all three numbers.
    pub(crate) unit: &'static str,
}

/// A number, and where it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// `None`: there is none, and `how` says why.
    pub(crate) here: Option<f64>,
    /// How it was found.
    pub(crate) how: String,
}

/// A target, and what is reached.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) target: &'static Target,
    pub(crate) found: Found,
}

impl Found {
    /// A number, in thousandths rounded up, as it is printed and judged: a target missed by a hair
    /// is missed.
    pub(crate) fn new(here: f64, how: String) -> Self {
        let here = (here * 1000.0).ceil() / 1000.0;
        Self { here: Some(here).filter(|here| here.is_finite()), how }
    }
}

impl Row {
    pub(crate) fn is_met(&self) -> bool {
        self.found.here.is_some_and(|here| here <= self.target.at_most)
    }
}

/// What stands beside the rows: no target, for comparison.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) work: &'static str,
    pub(crate) here: f64,
    pub(crate) unit: &'static str,
}

/// All that a section found.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) rows: Vec<Row>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) exhibits: Vec<Exhibit>,
}

impl<'a> Findings<'a> {
    pub(crate) const fn new(ask: &'a Ask) -> Self {
        Self { ask, rows: Vec::new(), peers: Vec::new(), exhibits: Vec::new() }
    }

    /// Finds a row, if it is asked for.
    pub(crate) fn row(
        &mut self,
        target: &'static Target,
        find: impl FnOnce(&Ask) -> Result<Found, String>,
    ) -> Result<(), Unsound> {
        let metric = target.metric;
        if self.ask.only.as_ref().is_some_and(|only| !metric.contains(only.as_str())) {
            return Ok(());
        }
        eprintln!("{metric} …");
        let found = find(self.ask).map_err(|what| Unsound { metric, what })?;
        self.rows.push(Row { target, found });
        Ok(())
    }

    /// Finds what peers take, if that is asked for.
    pub(crate) fn peers(
        &mut self,
        name: &'static str,
        find: impl FnOnce(&Ask) -> Result<Vec<Peer>, String>,
    ) -> Result<(), Unsound> {
        if !self.ask.peers {
            return Ok(());
        }
        eprintln!("{name} …");
        let found = find(self.ask).map_err(|what| Unsound { metric: name, what })?;
        self.peers.extend(found);
        Ok(())
    }

    /// Makes an exhibit, if that is asked for.
    pub(crate) fn exhibit(
        &mut self,
        name: &'static str,
        make: impl FnOnce(&Ask) -> Result<Exhibit, String>,
    ) -> Result<(), Unsound> {
        if !self.ask.exhibits {
            return Ok(());
        }
        eprintln!("{name} …");
        let made = make(self.ask).map_err(|what| Unsound { metric: name, what })?;
        self.exhibits.push(made);
        Ok(())
    }
}
