//! Guests through the API's own calls, on paper.

mod cloning;
mod life;

use std::{os::unix::fs::FileExt as _, sync::Arc};

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use crate::pve::{
    Config, InstantHypervisor, Running, Server,
    endpoint::Method::{self, Delete, Get, Post, Put},
    error::ApiError,
    http::dispatch::call_as_root,
    state::State,
    storage::{Content, VolumeId},
};

/// An emulator of a test's own.
struct Lab {
    running: Running,
    paper: Arc<InstantHypervisor>,
    _folder: tempfile::TempDir,
}

/// How a task ended.
struct Ended {
    status: String,
    lines: Vec<String>,
}

impl Lab {
    async fn new() -> Self {
        Self::paced(0.02).await
    }

    /// One whose delays take this share of a real host's.
    async fn paced(pace: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { pace, ..Config::recording(listen, data) };
        let paper = config.paper.clone().unwrap();
        let running = Server::start(config).await.unwrap();
        Self { running, paper, _folder: folder }
    }

    fn state(&self) -> &Arc<State> {
        &self.running.server().state
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, ApiError> {
        call_as_root(self.running.server(), method, &format!("/nodes/pve1{path}"), body).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call(Get, path, json!({})).await.unwrap()
    }

    /// The text of a call that fails.
    async fn refused(&self, method: Method, path: &str, body: Value) -> String {
        let error = self.call(method, path, body).await.unwrap_err();
        match error.errors.first() {
            Some((name, text)) => format!("{name}: {text}"),
            None => error.exit_status(),
        }
    }

    /// Makes a call and waits for its task.
    async fn task(&self, method: Method, path: &str, body: Value) -> Ended {
        let upid = self.call(method, path, body).await.unwrap();
        self.ended(&upid).await
    }

    async fn ended(&self, upid: &Value) -> Ended {
        let upid = upid.as_str().unwrap().parse().unwrap();
        let worker = self.state().tasks.find(&upid).unwrap();
        let status = worker.ended().await;
        Ended { status, lines: worker.progress().lines }
    }

    /// The same, for tasks that must end well.
    async fn done(&self, method: Method, path: &str, body: Value) -> Vec<String> {
        let ended = self.task(method, path, body).await;
        assert_eq!(ended.status, "OK", "{path}: {:?}", ended.lines);
        ended.lines
    }

    /// Puts a file on the directory storage `local`.
    fn file(&self, content: Content, name: &str, bytes: u64, text: &[u8]) {
        let place = self.state().storage.on_node("pve1", "local").unwrap();
        let file = std::fs::File::create(place.folder(content).join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.write_all_at(text, 0).unwrap();
    }

    /// The first bytes of a guest's disk.
    async fn disk_begins(&self, vmid: u32, disk: &str, length: usize) -> Vec<u8> {
        let config = self.get(&format!("/qemu/{vmid}/config")).await;
        let volume = config[disk].as_str().unwrap().split(',').next().unwrap().to_owned();
        let id = VolumeId::parse(&volume).unwrap();
        let (place, volume) = self.state().storage.locate("pve1", &id).unwrap();
        let mut bytes = fs_err::read(place.file(&volume)).unwrap();
        bytes.truncate(length);
        bytes
    }

    /// A template `9000` made from an image of 8 MiB that begins with `boot`.
    async fn template(&self) {
        self.file(Content::Import, "debian.raw", 8 << 20, b"boot");
        let disk = "local-lvm:0,import-from=local:import/debian.raw";
        let body = json!({ "vmid": 9000, "name": "golden", "memory": "512", "scsi0": disk,
            "ide2": "none,media=cdrom", "net0": "virtio,bridge=vmbr0", "boot": "order=scsi0" });
        self.done(Post, "/qemu", body).await;
        self.done(Post, "/qemu/9000/template", json!({})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_its_way_from_image_to_dust() {
    let lab = Lab::new().await;
    call_as_root(lab.running.server(), Post, "/pools", json!({ "poolid": "lab" })).await.unwrap();
    lab.template().await;
    lab.file(Content::Iso, "seed.iso", 4096, b"seed");
    let body = json!({ "newid": 101, "name": "node1", "full": 1, "description": "marker: x",
        "pool": "lab" });
    lab.done(Post, "/qemu/9000/clone", body).await;
    let config = lab.get("/qemu/101/config").await;
    assert_eq!(config["description"], "marker: x");
    assert_eq!(config["scsi0"], "local-lvm:vm-101-disk-0,size=8M");
    assert_eq!(config["lock"], Value::Null);
    assert_eq!(lab.disk_begins(101, "scsi0", 4).await, b"boot");
    assert_eq!(lab.state().access.pool_of_guest(101).as_deref(), Some("lab"));

    let change = json!({ "ide2": "local:iso/seed.iso,media=cdrom", "cores": 2,
        "digest": config["digest"] });
    lab.done(Post, "/qemu/101/config", change).await;
    lab.done(Put, "/qemu/101/resize", json!({ "disk": "scsi0", "size": "1G" })).await;
    lab.done(Post, "/qemu/101/status/start", json!({})).await;
    let spec = lab.paper.spec(101).unwrap();
    assert_eq!(spec.cores, 2);
    assert_eq!(spec.disks[0].bytes, 1 << 30);
    assert!(spec.media[0].file.as_ref().unwrap().ends_with("template/iso/seed.iso"));

    lab.call(Put, "/qemu/101/config", json!({ "ide2": "none,media=cdrom" })).await.unwrap();
    assert_eq!(lab.paper.spec(101).unwrap().media[0].file, None);
    lab.done(Delete, "/storage/local/content/local:iso/seed.iso", json!({})).await;
    lab.call(Put, "/qemu/101/config", json!({ "delete": "ide2" })).await.unwrap();
    assert!(lab.get("/qemu/101/config").await.get("ide2").is_none());
    assert_eq!(lab.paper.spec(101).unwrap().media.len(), 1, "an IDE drive stays until the stop");

    lab.done(Post, "/qemu/101/status/shutdown", json!({ "timeout": 10 })).await;
    assert_eq!(lab.get("/qemu/101/status/current").await["status"], "stopped");
    assert!(!lab.state().qemu.find(101).unwrap().config.current.contains_key("ide2"));
    lab.done(Delete, "/qemu/101", json!({ "purge": 1 })).await;
    assert_eq!(lab.state().access.pool_of_guest(101), None);
    let place = lab.state().storage.on_node("pve1", "local-lvm").unwrap();
    assert!(place.images().iter().all(|image| image.volume.vmid != Some(101)));
}
