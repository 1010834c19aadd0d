//! A topology as Markdown, Mermaid, or a page.

mod layout;
mod page;
mod pieces;
#[cfg(test)]
mod tests;

use std::fmt::Write;

pub(crate) use self::page::page;
use crate::topology::{Block, Diagram, Health, Topology};

/// For a README or a wiki: each diagram as Mermaid, with a table of its blocks.
pub(crate) fn markdown(topology: &Topology) -> String {
    let mut text = format!("# The topology of {}\n", plain(&topology.cluster));
    // Where nobody was asked there is nothing to say, and no column for it.
    let blocks = || topology.diagrams.iter().flat_map(|diagram| &diagram.blocks);
    let why = blocks().any(|block| !block.causes.is_empty());
    for diagram in &topology.diagrams {
        let Diagram { title, about, blocks, .. } = diagram;
        let (about, chart) = (one_line(about), chart(diagram));
        let _ = write!(text, "\n## {title}\n\n{about}\n\n```mermaid\n{chart}```\n\n");
        text.push_str(match why {
            true => "| | What | Where | Why not |\n|---|---|---|---|\n",
            false => "| | What | Where |\n|---|---|---|\n",
        });
        for Block { title, lines, health, causes, .. } in blocks {
            let cell = |texts: &[String]| {
                texts.iter().map(|text| plain(text)).collect::<Vec<_>>().join("<br>")
            };
            let _ = write!(text, "| {} | {} | {} |", health.mark(), plain(title), cell(lines));
            let _ = match why {
                true => writeln!(text, " {} |", cell(causes)),
                false => writeln!(text),
            };
        }
    }
    text
}

/// All diagrams as Mermaid's own text, one after another.
pub(crate) fn mermaid(topology: &Topology) -> String {
    let charts = topology.diagrams.iter().map(|diagram| {
        format!("---\ntitle: {} of {}\n---\n{}", diagram.title, topology.cluster, chart(diagram))
    });
    charts.collect::<Vec<_>>().join("\n")
}

fn chart(diagram: &Diagram) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for Block { id, title, lines, health, .. } in &diagram.blocks {
        let mut label = format!("{} {}", health.mark(), quoted(title));
        for line in lines {
            let _ = write!(label, "<br/>{}", quoted(line));
        }
        let _ = writeln!(text, "  {}[\"{label}\"]:::{}", word(id), health.name());
    }
    for arrow in &diagram.arrows {
        let label = match arrow.label.as_str() {
            "" => String::new(),
            label => format!("|\"{}\"|", quoted(label)),
        };
        let _ = writeln!(text, "  {} -->{label} {}", word(&arrow.from), word(&arrow.to));
    }
    for (health, style) in [
        (Health::Well, "fill:#e6f4ea,stroke:#137333,color:#0d3c1e"),
        (Health::Ill, "fill:#fce8e6,stroke:#b3261e,color:#5c1410"),
        (Health::Unknown, "fill:#f1f3f4,stroke:#5f6368,color:#202124"),
    ] {
        let _ = writeln!(text, "  classDef {} {style}", health.name());
    }
    text
}

/// Mermaid's names are plain; `end` is a word of its own.
fn word(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("b_{}", id.chars().map(plain).collect::<String>())
}

/// Texts come from servers, too: none begins a line of its own.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() || "\u{2028}\u{2029}".contains(c) { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// In a table's cell of Markdown: no markup, no cell, no link of a text's own.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    for c in one_line(text).chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '\\' | '`' | '|' | '[' | ']' | '*' => shown.extend(['\\', c]),
            c => shown.push(c),
        }
    }
    shown
}

/// In Mermaid's quotes entities stand for what would end them, and for what begins its Markdown and its directives.
fn quoted(text: &str) -> String {
    let mut shown = String::new();
    for c in one_line(text).chars() {
        match c {
            '"' => shown.push_str("#quot;"),
            '<' => shown.push_str("#lt;"),
            '>' => shown.push_str("#gt;"),
            '#' | '`' | '%' => {
                let _ = write!(shown, "#{};", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}
