//! Lines over a number of nodes, as SVG.

use plotters::{
    chart::SeriesLabelPosition,
    element::{DynElement, IntoDynElement, PathElement},
    prelude::{
        BLACK, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, RGBColor, SVGBackend,
        ShapeStyle, TriangleMarker, WHITE,
    },
    series::PointSeries,
    style::IntoFont,
};

/// One line, of points (x, y).
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    /// Where it stands in the order of colours.
    pub(crate) colour: usize,
    /// Whether somebody else measured it: its points stand alone.
    pub(crate) quoted: bool,
    pub(crate) points: Vec<(f64, f64)>,
}

const SIZE: (u32, u32) = (860, 560);
const COLOURS: [RGBColor; 2] = [RGBColor(0, 92, 175), RGBColor(200, 60, 20)];

/// The lines on logarithmic axes, with their names.
pub(crate) fn draw(title: &str, [x, y]: [&str; 2], lines: &[Line]) -> Result<String, String> {
    let mut svg = String::new();
    paint(&mut svg, title, [x, y], lines).map_err(|error| format!("the plot: {error}"))?;
    Ok(svg)
}

fn paint(
    svg: &mut String,
    title: &str,
    [x, y]: [&str; 2],
    lines: &[Line],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| line.points.iter());
    let span = |of: fn(&(f64, f64)) -> f64| {
        let least = points().map(of).fold(f64::INFINITY, f64::min);
        let most = points().map(of).fold(0.0, f64::max);
        (least / 1.5)..(most * 2.0)
    };
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = plotters::chart::ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20).into_font())
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            span(|(x, _)| *x).log_scale().base(2.0),
            span(|(_, y)| *y).log_scale(),
        )?;
    let mut mesh = chart.configure_mesh();
    let mesh = mesh.x_desc(x).y_desc(y).x_label_formatter(&|x| format!("{x:.0}"));
    mesh.light_line_style(BLACK.mix(0.05)).draw()?;
    for line in lines {
        let colour = COLOURS.get(line.colour).copied().unwrap_or(RGBColor(90, 90, 90));
        let style = ShapeStyle::from(&colour).stroke_width(2).filled();
        let drawn = if line.quoted {
            let points = line.points.iter().copied();
            chart
                .draw_series(PointSeries::<_, _, TriangleMarker<_, _>, _>::new(points, 7, style))?
        } else {
            let dots = line.points.iter().map(|point| Circle::new(*point, 4, style));
            chart.draw_series(dots)?;
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?
        };
        let quoted = line.quoted;
        drawn.label(line.name).legend(move |at| key(at, quoted, style));
    }
    let mut names = chart.configure_series_labels();
    let names = names.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.9));
    names.border_style(BLACK).draw()?;
    root.present()?;
    Ok(())
}

/// What stands for a line beside its name.
fn key<'a>(
    (x, y): (i32, i32),
    quoted: bool,
    style: ShapeStyle,
) -> DynElement<'static, SVGBackend<'a>, (i32, i32)> {
    if quoted {
        TriangleMarker::new((x.saturating_add(9), y), 7, style).into_dyn()
    } else {
        PathElement::new([(x, y), (x.saturating_add(18), y)], style).into_dyn()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_lines_and_axes() {
        let line = |name, quoted, y| Line {
            name,
            colour: usize::from(quoted),
            quoted,
            points: vec![(64.0, y), (128.0, y * 2.0)],
        };
        let lines = [line("ours", false, 0.1), line("theirs", true, 100.0)];
        let svg = draw("time", ["nodes", "seconds"], &lines).unwrap_or_default();
        for part in ["<svg", "</svg>", "ours", "theirs", "nodes", "seconds", "<polygon", "<circle"]
        {
            assert!(svg.contains(part), "{part}");
        }
    }
}
