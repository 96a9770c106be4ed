//! A table for a terminal: columns as wide as they need to be, figures to the right.
//!
//! ```
//! use corelane_benches::table::Table;
//!
//! let mut table = Table::new(&["server", "req/s"]);
//! table.row(["floor".to_owned(), "140000".to_owned()]);
//! assert_eq!(table.render(false), "server   req/s\nfloor   140000\n");
//! ```

use std::io::IsTerminal;

/// Two spaces between columns.
const GAP: &str = "  ";

/// Rows of cells under a header.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns: the first is aligned left, the others right.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has another number of cells than the header.
    #[track_caller]
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        assert_eq!(row.len(), self.header.len(), "a cell for each column");
        self.rows.push(row);
    }

    /// The table as lines; with `colour`, the header in bold.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let mut text = String::new();
        for (index, row) in all().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(
                    |(column, (cell, width))| {
                        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            let line = cells.join(GAP);
            if colour && index == 0 {
                text.push_str(&format!("\x1b[1m{}\x1b[0m\n", line.trim_end()));
            } else {
                text.push_str(line.trim_end());
                text.push('\n');
            }
        }
        text
    }

    /// Prints it on standard output: in colour on a terminal, unless `NO_COLOR` is set.
    pub fn print(&self) {
        let colour = std::io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        print!("{}", self.render(colour));
    }
}
