use super::*;
use crate::picture::tests::check;

fn chart(along: Along, upwards: Scale, series: Vec<Series>) -> Chart {
    Chart {
        title: "Gflop/s against N".to_owned(),
        description: String::new(),
        along,
        x_label: "N".to_owned(),
        upwards,
        y_label: "Gflop/s".to_owned(),
        series,
        levels: vec![(200.0, "your best".to_owned())],
    }
}

fn series(name: &str, draw: Draw, points: &[(f64, f64)]) -> Series {
    Series { name: name.to_owned(), draw, points: points.iter().map(|(x, y)| Point::new(*x, *y)).collect() }
}

#[test]
fn points_stand_where_their_values_are() {
    let one = series("NB 256", Draw::Both, &[(0.0, 0.0), (100.0, 200.0)]);
    let picture = chart(Along::Values(Scale::FromZero), Scale::FromZero, vec![one]).picture(Shape::Tall);
    check(&picture);
    // From the lower left corner of the plot to the upper right one.
    let line = picture.split("class=\"curve\" points=\"").last().unwrap().split('"').next().unwrap();
    let points: Vec<f64> = line.split([' ', ',']).map(|v| v.parse().unwrap()).collect();
    assert!(points[0] < points[2] && points[1] > points[3], "{line}");
    assert!((points[1] - points[3] - 220.0).abs() < 1e-9 && (points[2] - 328.0).abs() < 1e-9, "{line}");
    assert!(picture.contains("2 points from 0 to 200") && picture.contains("your best"));
}

#[test]
fn thousands_of_points_are_thinned_and_keep_their_ends_and_extremes() {
    let many: Vec<(f64, f64)> =
        (0..5000).map(|i| (f64::from(i), if i == 2500 { 999.0 } else { f64::from(i % 7) })).collect();
    let thin = thinned(&many);
    assert!(thin.len() <= MOST_POINTS && thin.first() == many.first() && thin.last() == many.last());
    assert!(thin.contains(&(2500.0, 999.0)) && thin.is_sorted_by(|a, b| a.0 <= b.0));
    for draw in [Draw::Points, Draw::Line, Draw::Both, Draw::Stairs] {
        let all = vec![series("a", draw, &many); 6];
        let picture = chart(Along::Values(Scale::Linear), Scale::Linear, all).picture(Shape::Wide);
        check(&picture);
        assert!(picture.len() < 700_000, "{} bytes", picture.len());
    }
}

#[test]
fn series_are_told_apart_without_colour() {
    let all: Vec<Series> = (0..8).map(|i| series(&format!("s{i}"), Draw::Points, &[(1.0, f64::from(i))])).collect();
    let picture = chart(Along::Values(Scale::Linear), Scale::Linear, all).picture(Shape::Tall);
    check(&picture);
    let mut marks = std::collections::BTreeSet::new();
    for i in 0..MOST_SERIES {
        let mut svg = Svg::new(1.0, 1.0, "", "t", "d");
        mark(&mut svg, i, 0.0, 0.0);
        marks.insert(svg.finish());
    }
    assert_eq!(marks.len(), MOST_SERIES);
    assert!(picture.contains("and 2 more that are not shown") && !picture.contains(">s7<"));
}

#[test]
fn a_range_is_drawn_where_there_is_one() {
    let mut one = series("a", Draw::Points, &[(0.0, 100.0), (1.0, 120.0)]);
    one.points[0].range = Some((80.0, 130.0));
    let names = vec!["1×4".to_owned(), "2×2".to_owned()];
    let picture = chart(Along::Categories(names), Scale::FromZero, vec![one]).picture(Shape::Tall);
    check(&picture);
    assert_eq!(picture.matches("class=\"range\"").count(), 3);
    assert!(picture.contains(">1×4<") && picture.contains(">2×2<"));
}

#[test]
fn nothing_and_strange_values_are_drawn() {
    let values = [f64::NAN, f64::INFINITY, -1e300, 0.0, 1e-300, 1e300, 1_000_000.0, -5.0];
    let mut cases = vec![vec![], vec![(1.0, 1.0)], vec![(0.0, 0.0)], vec![(5.0, 3.0); 3]];
    cases.extend(values.iter().map(|v| vec![(*v, *v), (1.0, *v), (*v, 2.0)]));
    for points in cases {
        for scale in [Scale::Linear, Scale::FromZero, Scale::Log, Scale::Date] {
            for shape in [Shape::Tall, Shape::Wide] {
                for draw in [Draw::Points, Draw::Line, Draw::Both, Draw::Stairs] {
                    let long = series(&"a long name <&> ".repeat(20), draw, &points);
                    check(&chart(Along::Values(scale), scale, vec![long]).picture(shape));
                }
            }
        }
        let names = (0..30).map(|i| format!("a long category {i}")).collect();
        check(&chart(Along::Categories(names), Scale::Log, vec![series("", Draw::Both, &points)]).picture(Shape::Tall));
    }
    let empty = chart(Along::Categories(vec![]), Scale::Linear, vec![]).picture(Shape::Tall);
    assert!(check(&empty).contains("No results yet"));
}
