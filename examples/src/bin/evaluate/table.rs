//! Findings, for people and for programs.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use crate::{
    platform,
    section::{Findings, Row, Section},
};

/// The sections, with a line each.
pub(crate) fn list(sections: &[Section]) -> String {
    let mut list = String::new();
    for Section { name, about, .. } in sections {
        let _ = writeln!(list, "{name:<10} {about}");
    }
    list
}

/// The rows as CSV, without anything else.
pub(crate) fn csv(rows: &[Row]) -> String {
    let mut csv = String::from("metric,kind,reference,here,target,unit,met\n");
    for row in rows {
        let Row { target, found } = row;
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{}",
            target.metric,
            target.kind.name(),
            number(target.reference),
            number(found.here),
            number(Some(target.at_most)),
            target.unit,
            met(row)
        );
    }
    csv
}

/// All findings as a table, and what they come from.
pub(crate) fn table(section: &Section, findings: &Findings<'_>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["work", "reference", "here", "target", "unit", "kind", "met"]);
    for row in &findings.rows {
        let Row { target, found } = row;
        table.add_row([
            target.metric,
            &number(target.reference),
            &number(found.here),
            &format!("≤ {}", number(Some(target.at_most))),
            target.unit,
            target.kind.name(),
            met(row),
        ]);
    }
    for peer in &findings.peers {
        table.add_row([peer.work, "", &number(Some(peer.here)), "", peer.unit, "measured", ""]);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n\nHow:\n");
    for Row { target, found } in &findings.rows {
        let _ = writeln!(text, "  {}: {}", target.metric, found.how);
    }
    for exhibit in &findings.exhibits {
        let _ = write!(text, "\n{}", exhibit.text());
    }
    let _ = writeln!(text, "\nreferences: {}", section.references);
    let _ = writeln!(text, "here: {}", platform::describe());
    text
}

fn met(row: &Row) -> &'static str {
    if row.is_met() { "yes" } else { "no" }
}

/// In thousandths, or nothing.
fn number(value: Option<f64>) -> String {
    let text = value.map_or_else(String::new, |value| format!("{value:.3}"));
    // There is a point in it, so no zero before the point goes.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SECTIONS,
        section::{Found, Kind, Target},
    };

    static TARGET: Target =
        Target { metric: "m", kind: Kind::Simulated, reference: None, at_most: 2.5, unit: "s" };

    fn row(here: f64) -> Row {
        Row { target: &TARGET, found: Found::new(here, String::new()) }
    }

    /// What is printed is what is judged.
    #[test]
    fn a_row_is_met_up_to_its_target() {
        let rows = [2.0, 2.5, 2.500_4, 2.501, 1e9, f64::INFINITY, f64::NAN].map(row);
        let expected = "metric,kind,reference,here,target,unit,met\n\
                        m,simulated,,2,2.5,s,yes\n\
                        m,simulated,,2.5,2.5,s,yes\n\
                        m,simulated,,2.501,2.5,s,no\n\
                        m,simulated,,2.501,2.5,s,no\n\
                        m,simulated,,1000000000,2.5,s,no\n\
                        m,simulated,,,2.5,s,no\n\
                        m,simulated,,,2.5,s,no\n";
        assert_eq!(csv(&rows), expected);
        assert_eq!(number(Some(0.05)), "0.05");
        assert_eq!(number(Some(100.0)), "100");
    }

    #[test]
    fn names_are_words_and_abouts_are_lines() {
        for section in SECTIONS {
            assert!(section.name.chars().all(|letter| letter.is_ascii_lowercase()));
            assert!(!section.about.contains('\n') && !section.about.is_empty());
        }
        assert_eq!(list(SECTIONS).lines().count(), SECTIONS.len());
    }
}
