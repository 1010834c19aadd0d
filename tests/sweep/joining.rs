//! Nodes that join the tailnet while something goes wrong with it.

use std::sync::{Arc, Mutex};

use homelab_lab::sim::{
    gate::{Effect, Moment, Ruling, System, Verdict, Warden},
    tailnet::Tailnet,
    world::Options,
};

use crate::operator::{Ended, Operator};

const UP: [&str; 4] = ["up", "--until", "tailnet", "--yes"];

/// One server. Nothing takes as long here as is waited for by default, and a test that waits in vain is to end.
async fn operator() -> Operator {
    let operator = Operator::new(Options { agents: 0, ..Options::default() }).await;
    operator.edit("  tag: tag:k3s\n", "  tag: tag:k3s\n  join_timeout: 20s\n");
    operator
}

/// A run that the tailnet is at fault for; what it says.
async fn refused(operator: &Operator) -> String {
    let Ended { code, err, .. } = operator.run(&UP).await;
    assert_eq!(code, Some(18), "{err}");
    err
}

fn is_join(effect: &Effect) -> bool {
    effect.system == System::Host && effect.kind.starts_with("exec Joins the tailnet")
}

/// Neither is a node let in, nor is a key taken back.
struct Closed;

impl Warden for Closed {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        let refused = |status, message: &str| Verdict::Refuse { status, message: message.into() };
        let verdict = match moment {
            Moment::Before if is_join(effect) => {
                refused(1, "backend error: requested tags [tag:k3s] are invalid")
            }
            Moment::Before if effect.kind == "POST /api/v1/preauthkey/expire" => {
                refused(500, "the database is locked")
            }
            _ => Verdict::Pass,
        };
        Box::pin(async move { verdict })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_failed_is_told_before_its_key_that_was_not_taken_back() {
    let operator = operator().await;
    operator.world.gate.set_warden(Some(Arc::new(Closed)));
    let told = refused(&operator).await;
    let place = |text: &str| told.find(text).unwrap_or_else(|| panic!("no `{text}`: {told}"));
    assert!(place("requested tags [tag:k3s] are invalid") < place("the database is locked"));
    assert!(told.contains("tagOwners"), "{told}");
    // It is on record still, so that whoever comes next takes it back.
    operator.world.gate.set_warden(None);
    operator.succeed(&UP).await;
    let now = operator.world.tailnet.now();
    assert!(operator.world.tailnet.keys().iter().all(|key| !key.is_valid(now)));
}

/// Takes the first device away as soon as it has joined.
struct Remover(Mutex<Option<Arc<Tailnet>>>);

impl Warden for Remover {
    fn rule<'a>(&'a self, _: u64, moment: Moment, effect: &'a Effect) -> Ruling<'a> {
        if moment == Moment::After
            && is_join(effect)
            && let Some(tailnet) = self.0.lock().unwrap().take()
        {
            let device = tailnet.devices().pop().expect("it has joined");
            assert!(tailnet.delete_device(&device.id));
        }
        Box::pin(async { Verdict::Pass })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_removed_while_it_joins_is_not_waited_for() {
    let operator = operator().await;
    let remover = Remover(Mutex::new(Some(operator.world.tailnet.clone())));
    operator.world.gate.set_warden(Some(Arc::new(remover)));
    let told = refused(&operator).await;
    assert!(told.contains("it joined, and is logged out again (NeedsLogin)"), "{told}");
    assert!(told.contains("the same command joins it anew"), "{told}");
    assert!(!told.contains("waited"), "{told}");
}

/// Has `tailscale status` say what only looks like JSON, on all guests.
fn tailscaled_babbles(operator: &Operator) {
    let tool = operator.world.folder().join("programs/homelab-sim-tool");
    let real = tool.with_extension("real");
    fs_err::rename(&tool, &real).unwrap();
    let babbling = format!(
        "#!/bin/sh\nHOMELAB_SIM_AS=${{HOMELAB_SIM_AS:-${{0##*/}}}}\nexport HOMELAB_SIM_AS\n\
         if [ \"$HOMELAB_SIM_AS $1\" = 'tailscale status' ]; then\n\
         printf '{{ \"BackendState\": \"Running\", 2026/11/22 warning: \\\\ \\tslow }}\\n'\nexit\nfi\nexec {real} \"$@\"\n"
    );
    fs_err::write(&tool, babbling).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&tool, executable).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_tailscale_that_is_no_json_hides_nothing_else_of_the_node() {
    let operator = operator().await;
    operator.succeed(&UP).await;
    tailscaled_babbles(&operator);
    let status = operator.succeed(&["status"]).await;
    assert!(!status.out.contains("cannot be read"), "{status:?}");
    let plan = operator.succeed(&["plan", "--until", "tailnet"]).await;
    assert!(plan.out.contains("join the tailnet"), "{plan:?}");
    assert!(plan.out.contains("tailscaled does not answer"), "{plan:?}");
    assert!(plan.out.contains("1 step;"), "{plan:?}");
}
