//! What a section shows beside its rows: series and comparisons, for people, programs and plots.

use std::{fmt::Write as _, fs, io, path::Path};

use comfy_table::{CellAlignment, Table, presets::NOTHING};

/// A table without targets, and a picture of it.
#[derive(Debug)]
pub(crate) struct Exhibit {
    /// What its files are called, but for their endings.
    pub(crate) name: &'static str,
    /// What it shows, in a line.
    pub(crate) title: &'static str,
    /// Its columns, each with its unit.
    pub(crate) header: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What has to be said of it.
    pub(crate) note: String,
    /// An SVG.
    pub(crate) plot: Option<String>,
}

impl Exhibit {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(&self.header);
        self.rows.iter().for_each(|row| {
            table.add_row(row);
        });
        let is_number = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.into_iter().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok())
        };
        for at in (0..self.header.len()).filter(|at| is_number(*at)) {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let Self { title, note, .. } = self;
        format!("{title}\n\n{table}\n\n{note}\n")
    }

    /// For programs.
    pub(crate) fn csv(&self) -> String {
        let mut csv = String::new();
        let header = self.header.iter().map(|name| (*name).to_owned()).collect();
        for line in [&header].into_iter().chain(&self.rows) {
            let cells: Vec<_> = line.iter().map(|cell| quoted(cell)).collect();
            let _ = writeln!(csv, "{}", cells.join(","));
        }
        csv
    }

    /// Writes NAME.csv, and NAME.svg if there is a picture. Tells what it wrote.
    pub(crate) fn save(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::create_dir_all(folder)?;
        let files = [("csv", Some(self.csv())), ("svg", self.plot.clone())];
        let mut written = Vec::new();
        for (ending, content) in files {
            let Some(content) = content else { continue };
            let path = folder.join(self.name).with_extension(ending);
            fs::write(&path, content)?;
            written.push(path.display().to_string());
        }
        Ok(written)
    }
}

/// A cell as RFC 4180 has it.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhibit_is_a_table_a_file_and_a_picture() {
        let exhibit = Exhibit {
            name: "squares",
            title: "squares of small numbers",
            header: vec!["n", "square"],
            rows: vec![vec!["2".into(), "4".into()], vec!["3, \"odd\"".into(), "9".into()]],
            note: "by hand".into(),
            plot: Some("<svg/>".into()),
        };
        assert_eq!(exhibit.csv(), "n,square\n2,4\n\"3, \"\"odd\"\"\",9\n");
        assert!(exhibit.text().contains("squares of small numbers"));
        let folder = std::env::temp_dir().join(format!("evaluate-{}", std::process::id()));
        assert_eq!(exhibit.save(&folder).map(|files| files.len()).ok(), Some(2));
        let read = |ending| fs::read_to_string(folder.join("squares").with_extension(ending)).ok();
        assert_eq!((read("csv"), read("svg")), (Some(exhibit.csv()), exhibit.plot));
        let _ = fs::remove_dir_all(folder);
    }
}
