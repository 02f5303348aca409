//! Figures as a table, for the terminal or for a document.

/// One field of a table.
pub(super) enum Cell {
    Text(String),
    Number(String),
}

impl Cell {
    /// A figure with `digits` after the point; a dash where there is none.
    pub(super) fn number(figure: Option<f64>, digits: usize) -> Self {
        Self::Number(figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}")))
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Number(text) => text,
        }
    }
}

/// Lines under a heading.
pub(super) struct Table {
    heading: Vec<String>,
    lines: Vec<Vec<Cell>>,
}

impl Table {
    pub(super) fn new(heading: &[&str]) -> Self {
        Self {
            heading: heading.iter().map(|&name| name.to_owned()).collect(),
            lines: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, line: Vec<Cell>) {
        self.lines.push(line);
    }

    /// Prints the table, unless it is empty.
    pub(super) fn print(&self, is_markdown: bool) {
        if !self.lines.is_empty() {
            println!(
                "{}",
                if is_markdown {
                    self.markdown()
                } else {
                    self.plain()
                }
            );
        }
    }

    fn markdown(&self) -> String {
        let is_number = |column: usize| matches!(self.lines[0].get(column), Some(Cell::Number(_)));
        let rule =
            (0..self.heading.len()).map(|column| if is_number(column) { "---:" } else { "---" });
        let mut text = format!(
            "| {} |\n|{}|\n",
            self.heading.join(" | "),
            rule.collect::<Vec<_>>().join("|")
        );
        for line in &self.lines {
            let cells: Vec<&str> = line.iter().map(Cell::text).collect();
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }

    fn plain(&self) -> String {
        let width = |column: usize| {
            let cells = self
                .lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.text().len());
            cells.chain([self.heading[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let join = |cells: Vec<String>| cells.join("  ").trim_end().to_owned() + "\n";
        let heading = self
            .heading
            .iter()
            .zip(&widths)
            .map(|(name, width)| format!("{name:<width$}"));
        let mut text = join(heading.collect());
        for line in &self.lines {
            let cells = line.iter().zip(&widths).map(|(cell, width)| match cell {
                Cell::Text(cell) => format!("{cell:<width$}"),
                Cell::Number(cell) => format!("{cell:>width$}"),
            });
            text.push_str(&join(cells.collect()));
        }
        text
    }
}

/// The middle figure, or the mean of the two in the middle; `None` of none.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied()?;
    let lower = if sorted.len().is_multiple_of(2) {
        sorted[middle - 1]
    } else {
        upper
    };
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_bad_round() {
        assert_eq!(median([3.0, 1.0, 99.0].into_iter()), Some(3.0));
        assert_eq!(median([4.0, 1.0, 2.0, 99.0].into_iter()), Some(3.0));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn one_table_in_both_dresses() {
        let mut table = Table::new(&["row", "us"]);
        table.add(vec![
            Cell::Text("return".into()),
            Cell::number(Some(4.25), 1),
        ]);
        table.add(vec![Cell::Text("idle".into()), Cell::number(None, 1)]);
        assert_eq!(table.plain(), "row     us\nreturn  4.2\nidle      -\n");
        assert_eq!(
            table.markdown(),
            "| row | us |\n|---|---:|\n| return | 4.2 |\n| idle | - |\n"
        );
    }
}
