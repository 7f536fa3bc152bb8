//! The table: figures, what is beside them, and targets.

/// What a figure has to be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Its ratio to what is beside it.
    RatioAtLeast(f64),
    RatioAtMost(f64),
    /// The figure itself.
    AtMost(f64),
    /// It is printed for comparison alone.
    Reported,
}

/// The rows so far.
#[derive(Default)]
pub(crate) struct Table {
    met: usize,
    missed: Vec<String>,
}

/// A figure, and what is beside it.
pub(crate) struct Row {
    figure: String,
    ours: f64,
    beside: Option<f64>,
    ratio: Option<f64>,
}

impl Row {
    /// A figure that stands for itself.
    pub(crate) fn alone(figure: impl Into<String>, ours: f64) -> Self {
        Self {
            figure: figure.into(),
            ours,
            beside: None,
            ratio: None,
        }
    }

    pub(crate) fn beside(figure: impl Into<String>, ours: f64, beside: f64) -> Self {
        Self {
            beside: Some(beside),
            ratio: Some(ours / beside),
            ..Self::alone(figure, ours)
        }
    }

    /// Medians of rounds in which both took their turns, and the median of each round's ratio.
    pub(crate) fn rounds(figure: impl Into<String>, ours: &[f64], beside: &[f64]) -> Self {
        let ratios = ours.iter().zip(beside).map(|(ours, beside)| ours / beside);
        Self {
            ratio: Some(median(ratios.collect())),
            ..Self::beside(figure, median(ours.to_vec()), median(beside.to_vec()))
        }
    }
}

impl Table {
    /// A heading, with the name of what is beside.
    pub(crate) fn section(title: &str, beside: &str) {
        println!(
            "\n{title:<66} {:>9} {beside:>9} {:>7}  target",
            "Gatepost", "ratio"
        );
    }

    pub(crate) fn print(&mut self, row: &Row, target: Target) {
        let ratio = row.ratio.unwrap_or(f64::NAN);
        let (is_met, bound) = match target {
            Target::RatioAtLeast(bound) => (ratio >= bound, format!("ratio >= {bound}")),
            Target::RatioAtMost(bound) => (ratio <= bound, format!("ratio <= {bound}")),
            Target::AtMost(bound) => (row.ours <= bound, format!("<= {}", number(bound))),
            Target::Reported => (true, String::new()),
        };
        let verdict = match (target, is_met) {
            (Target::Reported, _) => "",
            (_, true) => {
                self.met += 1;
                " met"
            }
            (_, false) => {
                self.missed.push(row.figure.clone());
                " MISSED"
            }
        };
        let beside = row.beside.map(number).unwrap_or_default();
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}"));
        println!(
            "{:<66} {:>9} {beside:>9} {:>7}  {bound}{verdict}",
            row.figure,
            number(row.ours),
            ratio.unwrap_or_default(),
        );
    }

    /// How many targets are met, and which are not.
    pub(crate) fn end(&self) {
        println!("\n{} targets met, {} missed", self.met, self.missed.len());
        for figure in &self.missed {
            println!("  missed: {figure}");
        }
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits or more.
fn number(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{figure:.2}"),
        middling if middling < 100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}
