//! RandHound at scale, beside the paper's figures.

#[path = "../../../../randhound/benches/randhound/byzantine.rs"]
mod byzantine;
#[path = "../../../../randhound/tests/comparison/table/mod.rs"]
mod comparison;
#[path = "../../../../randhound/benches/randhound/work.rs"]
mod work;

use std::{cell::LazyCell, panic, sync::Arc, time::Duration};

use self::{
    byzantine::Strategy,
    comparison::{Cell, Design, Property, TABLE},
    work::{Acknowledging, Run, World},
};
use crate::{
    exhibit::Exhibit,
    plot::{self, Line},
    samples::sample,
    section::{Ask, Findings, Found, Kind, Section, Target, Unsound},
};

pub(crate) const SECTION: Section = Section {
    name: "randhound",
    about: "public randomness: what a run of a thousand servers and its verification take",
    references: "processor times are the Go implementation's primitives added up, on another \
                 machine of this class; times of runs are the paper's, of a prototype with two \
                 round trips and without collective signing",
    run,
};

const SERVERS: u16 = 1024;
const GROUP: u16 = 32;

const CLIENT: Target = Target {
    metric: "client of a run by 1024 servers in groups of 32",
    kind: Kind::Measured,
    reference: Some(52.7),
    at_most: 0.25,
    unit: "s",
};
const VERIFY: Target = Target {
    metric: "verify a transcript by 1024 servers with the roster built",
    kind: Kind::Measured,
    reference: Some(18.4),
    at_most: 0.12,
    unit: "s",
};
const SERVER: Target = Target {
    metric: "one of 1024 servers with a collective acknowledgement",
    kind: Kind::Measured,
    reference: None,
    at_most: 6.0,
    unit: "ms",
};
const SERVER_ALONE: Target = Target {
    metric: "one of 1024 servers with individual acknowledgements",
    kind: Kind::Measured,
    reference: None,
    at_most: 20.0,
    unit: "ms",
};
const TRANSCRIPT: Target = Target {
    metric: "transcript by 1024 servers with a collective acknowledgement",
    kind: Kind::Measured,
    reference: None,
    at_most: 0.55,
    unit: "MB",
};
const WALL: Target = Target {
    metric: "run by 1024 servers with 200 ms round trips at 100 Mbps",
    kind: Kind::Simulated,
    reference: Some(290.0),
    at_most: 2.5,
    unit: "s",
};

/// A committee and a run by it.
type Done = (World, Run);

fn run(findings: &mut Findings<'_>) -> Result<(), Unsound> {
    let collective = LazyCell::new(|| done(SERVERS, Acknowledging::Collective));
    let of = |find: fn(&Done, &Ask) -> Result<Found, String>| {
        let collective = &collective;
        move |ask: &Ask| find(collective.as_ref().map_err(String::clone)?, ask)
    };
    findings.row(&CLIENT, of(client))?;
    findings.row(&VERIFY, of(verify))?;
    findings.row(&SERVER, of(|(_, run), _| Ok(server(run))))?;
    findings.row(&SERVER_ALONE, |_| {
        let (_, run) = done(SERVERS, Acknowledging::Individual)?;
        Ok(server(&run))
    })?;
    findings.row(&TRANSCRIPT, of(|(_, run), _| Ok(size(run))))?;
    findings.row(&WALL, of(|(_, run), _| Ok(wall(run))))?;
    findings.exhibit("the comparison of designs", compare)?;
    findings.exhibit("cost at 64 to 4096 servers", costs)?;
    findings.exhibit("1024 servers of which 341 are Byzantine", attacks)
}

fn done(servers: u16, acknowledging: Acknowledging) -> Result<Done, String> {
    let world = World::new(servers, GROUP)?;
    let run = world.run(acknowledging)?;
    if run.is_sound(&world) {
        Ok((world, run))
    } else {
        Err("the transcript does not tell the output, or tells one when it is tampered with".into())
    }
}

fn client((_, run): &Done, _: &Ask) -> Result<Found, String> {
    let how = format!(
        "the processor time of all that the client of one run handles, decoding included; it sends \
         {} and receives {}; the transcript verifies, and with a bit flipped it does not",
        megabytes(run.client.sent.bytes),
        megabytes(run.client.received.bytes),
    );
    Ok(Found::new(run.client.busy.as_secs_f64(), how))
}

fn verify((world, run): &Done, ask: &Ask) -> Result<Found, String> {
    let samples = sample(ask.samples(20), 1, || {
        assert!(run.verify(world).is_ok_and(|output| output == run.output));
    });
    let how = format!(
        "the fastest of {} times, their median is {:.3} s; from committee and terms to the output, \
         the grouping and everything else included",
        samples.count(),
        samples.median(),
    );
    Ok(Found::new(samples.least(), how))
}

fn server(run: &Run) -> Found {
    let most = run.servers.iter().max().copied().unwrap_or_default();
    let how = format!(
        "the mean processor time of the {} servers of one run, decoding included; the most is \
         {:.1} ms",
        run.servers.len(),
        most.as_secs_f64() * 1e3,
    );
    Found::new(mean(&run.servers).as_secs_f64() * 1e3, how)
}

fn size(run: &Run) -> Found {
    let how = format!("{} bytes, encoded", run.bytes);
    Found::new(float(run.bytes) / 1e6, how)
}

fn wall(run: &Run) -> Found {
    let how = format!(
        "from the first invitation to the output; {} messages and {} in all; each node has a \
         processor of its own that takes as long as this one for the same work, and does all of it",
        run.total.sent.messages,
        megabytes(run.total.sent.bytes),
    );
    Found::new(run.took.as_secs_f64(), how)
}

/// What the authors measured in groups of 32: servers, and the seconds to generate and to verify.
const PAPER: [(f64, f64, f64); 2] = [(512.0, 155.0, 104.0), (1024.0, 290.0, 160.0)];

/// What a run costs whom, at growing size.
fn costs(ask: &Ask) -> Result<Exhibit, String> {
    let sizes = (6..=12).map(|power| 1_u16 << power);
    let mut rows = Vec::new();
    let (mut generation, mut verification) = (Vec::new(), Vec::new());
    for servers in sizes {
        eprintln!("  {servers} servers …");
        let (world, run) = done(servers, Acknowledging::Collective)?;
        let verify = sample(ask.samples(10), 1, || {
            assert!(run.verify(&world).is_ok_and(|output| output == run.output));
        });
        let (n, all) = (f64::from(servers), run.servers.iter().sum::<Duration>());
        let busy = |time: Duration| time.as_secs_f64() * 1e3;
        let kilobytes = |bytes: u64| format!("{:.1}", float(bytes) / 1e3);
        let per_server = run.total.sent.bytes.saturating_sub(run.client.sent.bytes);
        rows.push(vec![
            servers.to_string(),
            format!("{:.3}", run.took.as_secs_f64()),
            format!("{:.4}", verify.least()),
            format!("{:.1}", busy(run.client.busy)),
            format!("{:.2}", busy(mean(&run.servers))),
            format!("{:.2}", busy(run.client.busy.saturating_add(all)) / n),
            kilobytes(run.client.sent.bytes),
            kilobytes(run.client.received.bytes),
            format!("{:.1}", float(per_server) / n / 1e3),
            format!("{:.1}", float(run.bytes) / 1e3),
        ]);
        generation.push((n, run.took.as_secs_f64()));
        verification.push((n, verify.least()));
    }
    let line = |name, colour, quoted, points| Line { name, colour, quoted, points };
    let lines = [
        line("generation, here (simulated network)", 0, false, generation),
        line("verification, here (measured)", 1, false, verification),
        line("generation, the paper", 0, true, PAPER.map(|(n, took, _)| (n, took)).to_vec()),
        line("verification, the paper", 1, true, PAPER.map(|(n, _, took)| (n, took)).to_vec()),
    ];
    let title = "RandHound in groups of 32: one run and its verification";
    Ok(Exhibit {
        name: "randhound-cost",
        title: "Cost of a run in groups of 32, without faults, 200 ms round trips at 100 Mbps",
        header: vec![
            "servers",
            "run [s]",
            "verify [s]",
            "client CPU [ms]",
            "server CPU [ms]",
            "CPU a node [ms]",
            "client sends [kB]",
            "client receives [kB]",
            "server sends [kB]",
            "transcript [kB]",
        ],
        rows,
        note: "The run is simulated, with the processor time of every node measured; verification \
               is measured. The paper: 155 and 104 s at 512 servers, 290 and 160 s at 1,024."
            .into(),
        plot: Some(plot::draw(title, ["servers", "seconds"], &lines)?),
    })
}

/// The paper's table of designs: each cell's demonstration is run here and now.
fn compare(_: &Ask) -> Result<Exhibit, String> {
    let mut rows = Vec::new();
    for design in Design::ALL {
        for property in Property::ALL {
            let is_it = |cell: &&Cell| (cell.design, cell.property) == (design, property);
            let cell = TABLE.iter().find(is_it);
            let cell = cell.ok_or_else(|| format!("no cell for {design:?} and {property:?}"))?;
            let shown = panic::catch_unwind(cell.run);
            shown.map_err(|_| format!("{} does not hold", cell.name))?;
            let mark = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
            rows.push(vec![
                design.name().into(),
                property.name().into(),
                mark(cell.published),
                mark(cell.shown),
                cell.name.into(),
                cell.why.into(),
            ]);
        }
    }
    Ok(Exhibit {
        name: "randhound-comparison",
        title: "The comparison of designs, shown by running code",
        header: vec!["design", "property", "published", "shown", "by the test", "because"],
        rows,
        note: "Every test named passed in this call: `cargo test -p randhound --test comparison` runs \
               them too."
            .into(),
        plot: None,
    })
}

/// What a run ends with when as many servers as may be are Byzantine.
fn attacks(_: &Ask) -> Result<Exhibit, String> {
    let world = Arc::new(World::new(SERVERS, GROUP)?);
    let alone = Strategy::ALL.into_iter().map(|strategy| (format!("{strategy:?}"), vec![strategy]));
    let mut rows = Vec::new();
    for (name, strategies) in alone.chain([("All of these".into(), Strategy::ALL.to_vec())]) {
        eprintln!("  {name} …");
        let ended = world.attacked(&strategies).map_err(|why| format!("{name}: {why}"))?;
        rows.push(vec![
            name,
            ended.byzantine.to_string(),
            ended.blamed.to_string(),
            if ended.collective { "collective" } else { "individual" }.into(),
            format!("{:.1}", ended.took.as_secs_f64()),
            format!("{:?}", ended.output).chars().skip(11).take(8).collect(),
        ]);
    }
    Ok(Exhibit {
        name: "randhound-byzantine",
        title: "Runs of 1,024 servers with f Byzantine ones",
        header: vec!["they", "servers", "blamed", "certificate", "run [s]", "output"],
        rows,
        note:
            "Simulated, with processors that take no time. In each row the client, the transcript \
               and a rescuer that knows the session alone come to one output, and nobody honest is \
               blamed."
                .into(),
        plot: None,
    })
}

fn mean(times: &[Duration]) -> Duration {
    let number = u32::try_from(times.len()).unwrap_or(u32::MAX);
    times.iter().sum::<Duration>().checked_div(number).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn float(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", float(bytes) / 1e6)
}
