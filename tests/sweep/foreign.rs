//! What is not provably ours when its turn comes is left alone, whatever it was when the run looked.

use std::sync::Arc;

use homelab_lab::sim::{
    gate::{Moment, System},
    world::BYSTANDER,
};

use crate::{story::destroy, warden::Pause};

const STOP: &str = "POST /nodes/{node}/qemu/{vmid}/status/stop";

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_became_somebodys_while_it_was_stopped_is_left_alone() {
    let story = destroy();
    let operator = story.begin().await;
    // It has seen once more whose the guest is, and stops it in order to delete it.
    let pause = Arc::new(Pause::new(Moment::Before, |effect| {
        effect.system == System::Proxmox && effect.kind == STOP && effect.about == "1001"
    }));
    operator.world.gate.set_warden(Some(pause.clone()));
    let meanwhile = async {
        pause.reached.notified().await;
        operator.world.disown(1001).await.unwrap();
        pause.over.notify_one();
    };
    let (ended, ()) = tokio::join!(operator.run(story.run), meanwhile);
    operator.world.gate.set_warden(None);
    assert_eq!(ended.code, Some(20), "{}", ended.err);
    assert!(ended.err.contains("VM 1001 does not carry the marker"), "{}", ended.err);
    let picture = operator.world.picture().await.unwrap();
    let guests: Vec<u32> = picture.guests.keys().copied().collect();
    assert_eq!(
        guests,
        [BYSTANDER, 1001, 9000],
        "all but theirs, and the template that was to stay"
    );
    assert_eq!(picture.guests[&1001]["status"], "stopped");
    let disk = "local-lvm:vm-1001-disk-0 on pve1".to_owned();
    assert!(picture.volumes.contains(&disk), "{:?}", picture.volumes);
}
