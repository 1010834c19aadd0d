//! The Proxmox adapter, driven through the life of a machine against a server of its own: the lab's
//! emulator, or a throw-away Proxmox VE whose root password is at hand.
//!
//! ```text
//! cargo run -p homelab-lab -- pve --listen 127.0.0.1:18206
//! HOMELAB_TEST_PROXMOX=https://127.0.0.1:18206 HOMELAB_TEST_PROXMOX_FINGERPRINT=AB:CD:... \
//!     HOMELAB_TEST_PROXMOX_PASSWORD=... cargo test --test proxmox -- --ignored
//! ```
//!
//! It works with exactly the rights that `homelab init proxmox-role` asks for, and leaves nothing but
//! its pool, user and roles behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod root;

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use homelab::{
    adapter::proxmox::{ProxmoxClient, failure},
    commands::role::Scope,
    inventory::desired::{Access, Exposure, Node, Role},
    model::{ClusterId, Drive, Mac, Marker, Nonce, Upid, Vmid, device, marker::MarkerRole},
    ports::{
        AgentState, CloneRequest, ContentKind, Image, PowerState, Proxmox, ProxmoxError, TaskState,
        Upload,
    },
    seed::{HostKey, Seed, SeedName},
};
use root::Root;
use sha2::{Digest, Sha256};

const TEMPLATE: Vmid = Vmid(59_000);
const GUEST: Vmid = Vmid(59_001);

#[tokio::test]
#[ignore = "needs a Proxmox VE or the lab's emulator, by HOMELAB_TEST_PROXMOX*"]
async fn a_machine_is_made_changed_and_deleted_with_the_least_of_rights() {
    let root = Root::from_environment().await;
    let node = root.node().await;
    let scope = Scope {
        pool: Some("homelab-test".into()),
        nodes: [node.clone()].into(),
        ..Scope::placeholders()
    };
    let proxmox = root.client_with(&scope).await;
    let world = World { proxmox, node, scope };
    world.rights().await;
    world.template().await;
    world.machine().await;
}

struct World {
    proxmox: ProxmoxClient,
    node: String,
    scope: Scope,
}

impl World {
    /// Every privilege that we say we need is there, and what is not granted is seen to be missing.
    async fn rights(&self) {
        let needs = self.scope.needs();
        let mut paths: Vec<_> = needs.iter().map(|need| need.path.clone()).collect();
        paths.push("/access".into());
        let granted = self.proxmox.permissions(&paths).await.unwrap();
        for need in &needs {
            assert!(granted[&need.path].contains(&need.privilege), "{need:?} of {granted:?}");
        }
        assert!(granted["/access"].is_empty());
        assert!(self.proxmox.version().await.unwrap().major >= 8);
        let nodes = self.proxmox.nodes().await.unwrap();
        let own = nodes.iter().find(|node| node.name == self.node).unwrap();
        assert!(own.online && own.memory_bytes > 0 && own.cpus > 0);
        let storages = self.proxmox.storages(&self.node).await.unwrap();
        let local = storages.iter().find(|storage| storage.name == "local").unwrap();
        assert!(local.active && local.content.iter().any(|kind| kind == "iso"), "{local:?}");
        assert!(local.available_bytes > 0 && !local.shared && local.kind == "dir");
    }

    /// A template of an image that the node fetched.
    async fn template(&self) {
        let node = &self.node;
        let bytes: Vec<u8> = (0..3 << 18_u32).flat_map(u32::to_le_bytes).collect();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let image = Image {
            url: serve(bytes.clone()),
            file_name: format!("homelab-{}.raw", &sha256[..16]),
            sha256: sha256.clone(),
        };
        let wrong = Image { sha256: "00".repeat(32), ..image.clone() };
        let upid = self.proxmox.download(node, "local", ContentKind::Import, &wrong).await.unwrap();
        let TaskState::Failed(text) = self.end(&upid).await else { panic!("a wrong sum passes") };
        assert!(text.contains("checksum mismatch"), "{text}");
        self.done(self.proxmox.download(node, "local", ContentKind::Import, &image).await).await;
        let imports = self.proxmox.volumes(node, "local", ContentKind::Import).await.unwrap();
        let volume = format!("local:import/{}", image.file_name);
        let seen = imports.iter().find(|seen| seen.id == volume).unwrap();
        assert_eq!(seen.bytes, bytes.len() as u64);

        assert!(self.proxmox.vmid_is_free(TEMPLATE).await.unwrap());
        assert_eq!(self.proxmox.guest_config(node, TEMPLATE).await.unwrap(), None);
        let marker = Marker {
            cluster: ClusterId::random(),
            role: MarkerRole::Template { image_sha256: sha256 },
            nonce: Nonce::random(),
            host_keys: Vec::new(),
            address: None,
        };
        let parameters = [
            ("vmid", TEMPLATE.to_string()),
            ("name", "homelab-test-template".into()),
            ("description", marker.to_string()),
            ("pool", "homelab-test".into()),
            ("memory", "1024".into()),
            ("cores", "1".into()),
            ("ostype", "l26".into()),
            ("scsihw", "virtio-scsi-single".into()),
            ("serial0", "socket".into()),
            ("vga", "serial0".into()),
            ("boot", "order=scsi0".into()),
            ("scsi0", format!("local-lvm:0,import-from={volume},discard=on")),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        self.done(self.proxmox.create_guest(node, &parameters).await).await;
        let config = self.proxmox.guest_config(node, TEMPLATE).await.unwrap().unwrap();
        assert_eq!(Marker::find(config.get("description").unwrap()), Some(marker));
        assert!(Drive::parse(config.get("scsi0").unwrap()).bytes().unwrap() >= 3 << 20);
        let again = self.proxmox.create_guest(node, &parameters).await.unwrap_err();
        assert!(matches!(again, ProxmoxError::Exists { .. }), "{again}");
        self.maybe_done(self.proxmox.make_template(node, TEMPLATE).await).await;
        let guests = self.proxmox.guests().await.unwrap();
        let seen = guests.iter().find(|guest| guest.vmid == TEMPLATE).unwrap();
        assert!(seen.template && !seen.is_container && seen.node == *node);
        self.deleted(&volume).await;
    }

    /// The whole way of a new machine, and back.
    async fn machine(&self) {
        let Self { proxmox, node, .. } = self;
        let cluster = ClusterId::random();
        let wanted = machine(node);
        let nonce = Nonce::random();
        let host_key = HostKey::generate().unwrap();
        let access = Access {
            user: "debian".into(),
            public_keys: vec![host_key.public.clone()],
            private_key: None,
            port: 22,
            exposure: Exposure::Lan,
        };
        let seed = Seed {
            cluster: &cluster,
            node: &wanted,
            access: &access,
            nonce: &nonce,
            host_key: &host_key,
        };
        let folder = tempfile::tempdir().unwrap();
        let file = seed.write(Utf8Path::from_path(folder.path()).unwrap()).unwrap();
        let upload = Upload {
            storage: "local".into(),
            content: ContentKind::Iso,
            file_name: file.file_name.clone(),
            file: file.path.clone(),
            sha256: file.sha256.clone(),
        };
        let wrong = Upload { sha256: "00".repeat(32), ..upload.clone() };
        let upid = proxmox.upload(node, &wrong).await.unwrap();
        assert!(matches!(self.end(&upid).await, TaskState::Failed(_)), "a wrong sum passes");
        self.done(proxmox.upload(node, &upload).await).await;
        let seeds = proxmox.volumes(node, "local", ContentKind::Iso).await.unwrap();
        let own = SeedName::new(&cluster, &wanted.name, &nonce);
        let own = seeds.iter().find(|seen| SeedName::parse(&seen.id).as_ref() == Some(&own));
        let iso = own.unwrap().id.clone();

        let marker = Marker {
            cluster,
            role: MarkerRole::Node(wanted.name.clone()),
            nonce: nonce.clone(),
            host_keys: vec![host_key.public.clone()],
            address: Some(wanted.address),
        };
        let request = CloneRequest {
            source: TEMPLATE,
            target: GUEST,
            name: wanted.name.to_string(),
            description: marker.to_string(),
            storage: Some("local-lvm".into()),
            pool: self.scope.pool.clone(),
            full: true,
        };
        let upid = proxmox.clone_guest(node, &request).await.unwrap();
        assert_eq!((upid.kind(), upid.id()), ("qmclone", TEMPLATE.to_string().as_str()));
        self.done(Ok(upid)).await;
        let taken = proxmox.clone_guest(node, &request).await;
        match taken {
            Err(error) => assert!(matches!(error, ProxmoxError::Exists { .. }), "{error}"),
            Ok(upid) => {
                let TaskState::Failed(text) = self.end(&upid).await else { panic!("cloned twice") };
                assert!(matches!(failure::of_task("qmclone", &text), ProxmoxError::Exists { .. }));
            }
        }
        assert!(!proxmox.vmid_is_free(GUEST).await.unwrap());

        let config = proxmox.guest_config(node, GUEST).await.unwrap().unwrap();
        assert_eq!(Marker::find(config.get("description").unwrap()), Some(marker));
        let uuid = cluster.smbios_uuid(&wanted.name);
        let mac = Mac::of(&cluster, &wanted.name).proxmox();
        let set = [
            ("cores", "2".into()),
            ("memory", "2048".into()),
            ("balloon", "0".into()),
            ("cpu", "x86-64-v2-AES".into()),
            ("net0", format!("virtio={mac},bridge=vmbr0")),
            ("smbios1", format!("uuid={uuid}")),
            ("ide2", format!("{iso},media=cdrom")),
            ("onboot", "1".into()),
            ("tags", device::print_tags(["k3s", "Homelab"])),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        proxmox.configure(node, GUEST, &set, &[], Some(&config.digest)).await.unwrap();
        let stale = proxmox.configure(node, GUEST, &set, &[], Some(&config.digest)).await;
        assert!(matches!(stale.unwrap_err(), ProxmoxError::Changed { .. }));
        let config = proxmox.guest_config(node, GUEST).await.unwrap().unwrap();
        assert_eq!(device::smbios_uuid(config.get("smbios1").unwrap()), Some(uuid));
        assert_eq!(device::network_mac(config.get("net0").unwrap()), Some(mac));
        assert_eq!(Drive::parse(config.get("ide2").unwrap()).volume(), Some(iso.as_str()));
        assert_eq!(config.get("tags"), Some("homelab;k3s"));

        for _ in 0..2 {
            self.maybe_done(proxmox.resize_disk(node, GUEST, "scsi0", 1 << 30).await).await;
        }
        let shrink = proxmox.resize_disk(node, GUEST, "scsi0", 1 << 20).await.unwrap().unwrap();
        assert!(matches!(self.end(&shrink).await, TaskState::Failed(_)));
        let config = proxmox.guest_config(node, GUEST).await.unwrap().unwrap();
        assert_eq!(Drive::parse(config.get("scsi0").unwrap()).bytes(), Some(1 << 30));

        self.done(proxmox.start(node, GUEST).await).await;
        let status = proxmox.guest_status(node, GUEST).await.unwrap().unwrap();
        assert_eq!((status.power, status.agent), (PowerState::Running, AgentState::Off));
        assert_eq!(status.lock, None);

        let empty = [("ide2".to_owned(), "none,media=cdrom".to_owned())];
        proxmox.configure(node, GUEST, &empty, &[], None).await.unwrap();
        let config = proxmox.guest_config(node, GUEST).await.unwrap().unwrap();
        assert_eq!(Drive::parse(config.get("ide2").unwrap()).volume(), None);
        let pending_keys = pending(proxmox, node).await;
        let waits = pending_keys.iter().any(|key| key == "ide2");
        assert!(!waits, "a medium changes at once: {pending_keys:?}");
        self.deleted(&iso).await;

        let more = [("memory".to_owned(), "3072".to_owned())];
        proxmox.configure(node, GUEST, &more, &[], None).await.unwrap();
        assert_eq!(pending(proxmox, node).await, ["memory"]);
        // There is no system on this disk that would heed the power button.
        let upid = proxmox.reboot(node, GUEST, 3).await.unwrap();
        if let TaskState::Failed(text) = self.end(&upid).await {
            assert!(text.contains("got timeout"), "{text}");
            self.done(proxmox.stop(node, GUEST).await).await;
            self.done(proxmox.start(node, GUEST).await).await;
        }
        assert!(pending(proxmox, node).await.is_empty());

        let refused = proxmox.delete_guest(node, GUEST).await;
        let kept = match refused {
            Err(error) => error.to_string(),
            Ok(upid) => format!("{:?}", self.end(&upid).await),
        };
        assert!(kept.contains("is running"), "{kept}");
        assert!(proxmox.active_tasks(node).await.unwrap().is_empty());
        self.done(proxmox.shutdown(node, GUEST, 3, true).await).await;
        self.done(proxmox.start(node, GUEST).await).await;
        self.done(proxmox.stop(node, GUEST).await).await;
        for vmid in [GUEST, TEMPLATE] {
            self.done(proxmox.delete_guest(node, vmid).await).await;
            assert_eq!(proxmox.guest_status(node, vmid).await.unwrap(), None);
            assert!(proxmox.vmid_is_free(vmid).await.unwrap());
        }
    }

    async fn deleted(&self, volume: &str) {
        self.maybe_done(self.proxmox.delete_volume(&self.node, volume).await).await;
        for content in [ContentKind::Iso, ContentKind::Import] {
            let left = self.proxmox.volumes(&self.node, "local", content).await.unwrap();
            assert!(!left.iter().any(|seen| seen.id == volume));
        }
    }

    async fn maybe_done(&self, upid: Result<Option<Upid>, ProxmoxError>) {
        if let Some(upid) = upid.unwrap() {
            self.done(Ok(upid)).await;
        }
    }

    async fn done(&self, upid: Result<Upid, ProxmoxError>) {
        let upid = upid.unwrap();
        let state = self.end(&upid).await;
        let log = self.proxmox.task_log(&upid, 0).await.unwrap();
        assert!(
            matches!(state, TaskState::Ok | TaskState::Warnings(_)),
            "{upid} {state:?} {log:?}"
        );
    }

    async fn end(&self, upid: &Upid) -> TaskState {
        let begun = Instant::now();
        loop {
            match self.proxmox.task(upid).await {
                Ok(TaskState::Running) => {}
                Ok(state) => return state,
                Err(error) if error.is_no_such_task() => {}
                Err(error) => panic!("{upid}: {error}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{upid} does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn machine(proxmox_node: &str) -> Node {
    Node {
        name: "homelab-test".parse().unwrap(),
        role: Role::Server,
        proxmox_node: proxmox_node.into(),
        vmid: GUEST,
        cores: 2,
        memory_mib: 2048,
        disk_bytes: 1 << 30,
        storage_disk_bytes: None,
        storage_disk_storage: "local-lvm".into(),
        address: [192, 0, 2, 11].into(),
        prefix: 24,
        gateway: [192, 0, 2, 1].into(),
        nameservers: Vec::new(),
        search_domain: None,
        link_mtu: 1500,
        labels: Default::default(),
        taints: Vec::new(),
        on_boot: true,
        cpu_type: "x86-64-v2-AES".into(),
        tags: Vec::new(),
    }
}

/// Serves some bytes over HTTP until the process ends; the URL.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/image.raw", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    url
}

/// The keys of the guest's configuration that wait for a stop or reboot.
async fn pending(proxmox: &ProxmoxClient, node: &str) -> Vec<String> {
    proxmox.guest_settings(node, GUEST).await.unwrap().unwrap().1
}
