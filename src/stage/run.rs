//! Runs a script and reads what it printed.

use serde::de::DeserializeOwned;

use crate::{
    error::{Effect, Failure, Kind, Result},
    ports::Host,
    script::Script,
};

/// Runs a script; its standard output, or a failure that names the script, the node and what it said.
pub(crate) async fn run(host: &impl Host, script: &Script) -> Result<String> {
    let output = host.run(script).await.map_err(Failure::from)?;
    Ok(output.success(script, host.node())?.stdout)
}

/// Runs a script that prints one JSON document.
pub(crate) async fn run_for<T: DeserializeOwned>(host: &impl Host, script: &Script) -> Result<T> {
    let printed = run(host, script).await?;
    serde_json::from_str(&printed).map_err(|error| {
        let shown: String = printed.chars().take(160).collect();
        Failure::new(
            Kind::RemoteCommand,
            format!("what script `{}` printed cannot be read: {error}: {shown}", script.name),
        )
        .at(host.node())
        .effect(Effect::Unknown)
    })
}
