use super::check::Check;
use crate::{inventory::Desired, model::NodeName, plan::probe::HostProbe, ports::*};
use std::collections::BTreeMap;
pub fn evaluate(_d: &Desired, _p: &BTreeMap<NodeName, HostProbe>, _k: &[KubeNode]) -> Vec<Check> {
    Vec::new()
}
pub async fn send(
    _h: &impl Host,
    _d: &Desired,
    _n: &NodeName,
    _p: &BTreeMap<NodeName, HostProbe>,
    _k: &[KubeNode],
) -> Vec<Check> {
    Vec::new()
}
