use super::{
    layout::{Line, Placed, area, overlap, picture},
    *,
};
use crate::topology::{Arrow, topology};

fn small() -> Topology {
    let block = |id: &str, health, causes: &[&str]| Block {
        id: id.into(),
        title: format!("The \"{id}\" <b>"),
        lines: vec!["a|b".into()],
        health,
        causes: causes.iter().map(|&cause| cause.to_owned()).collect(),
    };
    let arrow =
        |from: &str, to: &str| Arrow { from: from.into(), to: to.into(), label: "#1".into() };
    let blocks = vec![
        block("one", Health::Well, &[]),
        block("two", Health::Ill, &["it is <ill>; next: `look <there>`"]),
        block("three", Health::Unknown, &[]),
    ];
    let arrows = vec![arrow("one", "two"), arrow("two", "three"), arrow("one", "three")];
    let diagram =
        Diagram { id: "small", title: "Small", about: "About it.".into(), blocks, arrows };
    Topology { cluster: "home".into(), diagrams: vec![diagram] }
}

#[test]
fn markdown_shows_each_diagram_and_why_a_block_is_ill() {
    insta::assert_snapshot!(markdown(&small()));
}

#[test]
fn a_page_names_what_is_ill_and_lets_no_text_be_markup() {
    let page = page(&small(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let told = "<li>it is &lt;ill&gt;; next: <code>look &lt;there&gt;</code></li>";
    assert!(page.contains(told), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    assert!(!page.contains("http"), "it asks nobody for anything: {page}");
}

#[test]
fn a_block_stands_right_of_all_that_lead_to_it_and_none_on_another() {
    let small = small();
    let x = |id: &str| {
        let index = small.diagrams[0].blocks.iter().position(|block| block.id == id).unwrap();
        picture(&small.diagrams[0]).boxes[index].x
    };
    assert!(x("one") < x("two") && x("two") < x("three"));
    for diagram in topology(&crate::topology::tests::example(), &[]).diagrams {
        let boxes = picture(&diagram).boxes;
        for (index, one) in boxes.iter().enumerate() {
            for other in &boxes[index + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{}: {} and {}", diagram.id, one.title, other.title);
            }
        }
    }
}

#[test]
fn nothing_is_told_of_why_not_where_nobody_was_asked() {
    let mut small = small();
    assert!(markdown(&small).contains("| Why not |"));
    for block in &mut small.diagrams[0].blocks {
        block.causes.clear();
    }
    let text = markdown(&small);
    assert!(
        !text.contains("Why not") && text.contains("| ✓ | The \"one\" &lt;b> | a\\|b |\n"),
        "{text}"
    );
}

/// Where the curve of an arrow runs.
fn points(line: &Line) -> Vec<(f64, f64)> {
    let numbers: Vec<f64> = line
        .curve
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect();
    let [x1, y1, x2, y2, x3, y3, x4, y4] = numbers[..] else { panic!("{}", line.curve) };
    let at = |t: f64, a: f64, b: f64, c: f64, d: f64| {
        let u = 1.0 - t;
        a * u.powi(3) + 3.0 * b * u * u * t + 3.0 * c * u * t * t + d * t.powi(3)
    };
    let steps = (0..=40).map(|step| f64::from(step) / 40.0);
    steps.map(|t| (at(t, x1, x2, x3, x4), at(t, y1, y2, y3, y4))).collect()
}

#[test]
fn no_arrow_runs_behind_a_block_and_no_label_stands_on_anything() {
    for diagram in topology(&crate::topology::tests::example(), &[]).diagrams {
        let id = diagram.id;
        let picture = picture(&diagram);
        let area_of = |one: &Placed| (one.x, one.y, one.x + one.width, one.y + one.height);
        for line in &picture.lines {
            for one in &picture.boxes {
                let (left, top, right, bottom) = area_of(one);
                let inside = |(x, y): (f64, f64)| {
                    x > left.into() && x < right.into() && y > top.into() && y < bottom.into()
                };
                assert!(
                    !points(line).into_iter().any(inside),
                    "{id}: {} behind {}",
                    line.curve,
                    one.title
                );
            }
        }
        let labels: Vec<_> = picture.lines.iter().filter(|line| !line.label.is_empty()).collect();
        let label = |line: &Line| area(&line.label, (line.x, line.y));
        for (index, line) in labels.iter().enumerate() {
            for other in &labels[index + 1..] {
                assert!(
                    !overlap(label(line), label(other)),
                    "{id}: {} on {}",
                    line.label,
                    other.label
                );
            }
            for one in &picture.boxes {
                assert!(
                    !overlap(label(line), area_of(one)),
                    "{id}: {} on {}",
                    line.label,
                    one.title
                );
            }
        }
        for (block, one) in diagram.blocks.iter().zip(&picture.boxes) {
            let whole = one.title == block.title;
            let lines = one.lines.iter().zip(&block.lines).all(|(shown, line)| shown.text == *line);
            assert!(whole && lines, "{id}: something of {} is cut", block.title);
        }
    }
}

#[test]
fn a_circle_of_arrows_is_drawn_all_the_same() {
    let mut small = small();
    let back = Arrow { from: "three".into(), to: "one".into(), label: String::new() };
    small.diagrams[0].arrows.push(back);
    assert_eq!(picture(&small.diagrams[0]).boxes.len(), 3);
}

#[test]
fn a_text_of_somebody_elses_stays_in_its_cell_and_its_box() {
    let mut odd = small();
    let text = "a\n```\n# b | `c` \u{1b}[31m \\| <script>";
    let block = &mut odd.diagrams[0].blocks[1];
    block.title = text.into();
    block.lines = vec![text.into()];
    block.causes = vec![text.into()];
    odd.diagrams[0].arrows[0].label = text.into();
    let shown = [markdown(&odd), mermaid(&odd)];
    let plain = [markdown(&small()), mermaid(&small())];
    for (shown, plain) in shown.iter().zip(plain) {
        assert_eq!(shown.lines().count(), plain.lines().count(), "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains("<script"), "{shown}");
        assert_eq!(shown.matches("```").count(), plain.matches("```").count(), "{shown}");
    }
    let row = shown[0].lines().find(|line| line.starts_with("| ") && line.contains("script"));
    let row = row.unwrap();
    let bars = row.replace("\\\\", "").replace("\\|", "").matches('|').count();
    assert_eq!(bars, 5, "{row}");
    assert!(!row.replace("\\`", "").contains('`'), "{row}");
}
