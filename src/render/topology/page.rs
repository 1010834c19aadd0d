//! A topology as one file of HTML, which asks nobody for anything.

use serde::Serialize;

use super::{
    layout::{Picture, picture},
    pieces::{Piece, pieces},
};
use crate::{
    error::Result,
    template,
    topology::{Health, Topology},
};

#[derive(Serialize)]
struct Page<'a> {
    cluster: &'a str,
    time: String,
    sections: Vec<Section<'a>>,
}

#[derive(Serialize)]
struct Section<'a> {
    id: &'a str,
    title: &'a str,
    about: &'a str,
    picture: Picture,
    /// The blocks that something is to be told of.
    told: Vec<Told<'a>>,
    well: usize,
    ill: usize,
    unknown: usize,
}

#[derive(Serialize)]
struct Told<'a> {
    title: &'a str,
    health: &'static str,
    causes: Vec<Vec<Piece<'a>>>,
}

/// The page, as of a time.
///
/// # Errors
/// None but a fault of homelab.
pub(crate) fn page(topology: &Topology, time: jiff::Timestamp) -> Result<String> {
    let sections = topology.diagrams.iter().map(|diagram| {
        let with =
            |health: Health| diagram.blocks.iter().filter(move |block| block.health == health);
        Section {
            id: diagram.id,
            title: diagram.title,
            about: &diagram.about,
            picture: picture(diagram),
            told: diagram
                .blocks
                .iter()
                .filter(|block| !block.causes.is_empty())
                .map(|block| Told {
                    title: &block.title,
                    health: block.health.name(),
                    causes: block.causes.iter().map(|cause| pieces(cause)).collect(),
                })
                .collect(),
            well: with(Health::Well).count(),
            ill: with(Health::Ill).count(),
            unknown: with(Health::Unknown).count(),
        }
    });
    let time = format!("{time:.0}");
    let page = Page { cluster: &topology.cluster, time, sections: sections.collect() };
    template::page("topology/page.html", &page)
}
