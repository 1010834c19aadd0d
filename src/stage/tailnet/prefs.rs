//! Preferences of a joined node: `tailscale up` replaces all of them, so only `tailscale set` is used,
//! and only for those that differ (TS-15).

use serde_json::json;

use crate::{
    error::Result, inventory::desired::Node, plan::probe::TailscalePrefs, ports::Host,
    script::Script, stage::run::run, template,
};

/// The flags of `tailscale set` that make `prefs` what they should be.
pub fn drift(prefs: &TailscalePrefs, node: &Node) -> Vec<String> {
    let mut flags = Vec::new();
    let mut differs = |wrong: bool, flag: String| {
        if wrong {
            flags.push(flag);
        }
    };
    differs(prefs.accept_dns, "--accept-dns=false".into());
    differs(prefs.accept_routes, "--accept-routes=false".into());
    differs(prefs.ssh, "--ssh=false".into());
    differs(prefs.shields_up, "--shields-up=false".into());
    differs(prefs.auto_update.apply == Some(true), "--auto-update=false".into());
    differs(prefs.hostname != node.name.as_str(), format!("--hostname={}", node.name));
    flags
}

pub(crate) fn set_script(flags: &[String]) -> Result<Script> {
    template::script("tailnet/set-tailnet-prefs.sh", json!({ "flags": flags }))
}

/// Sets them; `flags` are those of [`drift`].
pub async fn set(host: &impl Host, flags: &[String]) -> Result<()> {
    run(host, &set_script(flags)?).await.map(drop)
}
