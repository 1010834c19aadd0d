//! A topology as one file of HTML, which asks nobody for anything.

use serde::Serialize;

use super::layout::{Picture, picture};
use crate::{
    error::Result,
    template,
    topology::{Block, Health, Topology},
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
    ill: Vec<&'a Block>,
    well: usize,
    unknown: usize,
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
            ill: with(Health::Ill).collect(),
            well: with(Health::Well).count(),
            unknown: with(Health::Unknown).count(),
        }
    });
    let time = format!("{time:.0}");
    let page = Page { cluster: &topology.cluster, time, sections: sections.collect() };
    template::page("topology/page.html", &page)
}
