//! The pictures.

use std::{error::Error, path::Path};

use plotters::prelude::*;

/// A line of a picture: a name, and points.
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot<'a> {
    pub title: &'a str,
    pub across: &'a str,
    pub up: &'a str,
    pub lines: Vec<Line>,
}

const COLOURS: [RGBColor; 7] = [
    RGBColor(200, 30, 30),
    RGBColor(40, 40, 40),
    RGBColor(30, 100, 200),
    RGBColor(230, 140, 20),
    RGBColor(120, 60, 160),
    RGBColor(30, 150, 80),
    RGBColor(0, 160, 180),
];

impl Plot<'_> {
    /// Draws it, both axes beginning where the lines do; the one across is logarithmic.
    pub fn draw(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let left = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let right = points().map(|point| point.0).fold(0.0, f64::max);
        let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.05;
        let root = SVGBackend::new(file, (760, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d((left..right).log_scale(), 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc(self.across)
            .y_desc(self.up)
            .x_label_formatter(&|value| format!("{value:.0}"))
            .light_line_style(WHITE)
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let style = ShapeStyle::from(colour).stroke_width(if colour == COLOURS[0] { 3 } else { 2 });
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(3))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        Ok(root.present()?)
    }
}
