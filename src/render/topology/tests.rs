use super::{layout::picture, *};
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
        block("two", Health::Ill, &["it is <ill>; next: look"]),
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
    assert!(page.contains("<li>it is &lt;ill&gt;; next: look</li>"), "{page}");
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
fn a_circle_of_arrows_is_drawn_all_the_same() {
    let mut small = small();
    let back = Arrow { from: "three".into(), to: "one".into(), label: String::new() };
    small.diagrams[0].arrows.push(back);
    assert_eq!(picture(&small.diagrams[0]).boxes.len(), 3);
}
