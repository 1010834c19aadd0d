//! From what was written to what is meant: [`InventoryFile`] and [`LockFile`] to [`Desired`].

mod artifact;
mod gitops;
mod keys;

use std::cell::RefCell;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    authority,
    desired::{
        Access, AgeFile, CloudImage, Desired, Exposure, K3s, Node, Overlay, ProxmoxSite, Role,
        SecretSource, TailnetControl, TailnetPlan, TailscaleCredentials, TlsTrust,
    },
    discretion::shown_value,
    file::{
        ControlFile, ExposureFile, InventoryFile, OverlayFile, RoleFile, SecretReference, TlsFile,
    },
    load::Pins,
    lock::LockFile,
    mtu,
    overrides::Overrides,
    path::FieldPath,
    report::Report,
    scalar,
};
use crate::{
    environment::Home,
    model::{NodeName, Vmid},
    ports::Taint,
};

/// What a conversion needs beside the file.
pub(crate) struct Context<'a> {
    /// The inventory's folder: relative paths begin there.
    pub(crate) base: &'a Utf8Path,
    pub(crate) home: &'a Home,
    pub(crate) overrides: &'a Overrides,
    pub(crate) lock: &'a LockFile,
    pub(crate) lock_name: &'a str,
    /// Whether the lock file was faulty: then what it lacks has been told.
    pub(crate) lock_is_faulty: bool,
    pub(crate) pins: Pins,
    /// The files of age that secrets were found to be in, by what opens them.
    pub(crate) age_files: RefCell<Vec<AgeFile>>,
}

impl Context<'_> {
    /// A path of the inventory: `~/` is the home folder, a relative one begins beside the inventory.
    pub(crate) fn path(&self, text: &str) -> Utf8PathBuf {
        let home = text.strip_prefix("~/").and_then(|rest| Some(self.home.folder()?.join(rest)));
        home.unwrap_or_else(|| self.base.join(text))
    }

    fn secret(&self, reference: &SecretReference) -> SecretSource {
        match reference {
            SecretReference::Env(name) => SecretSource::Env(name.clone()),
            SecretReference::File(file) => SecretSource::File(self.path(file)),
            SecretReference::Command(command) => SecretSource::Command(command.clone()),
            SecretReference::Age(age) => {
                let (file, identity) = (self.path(&age.file), self.path(&age.identity));
                let known = AgeFile { file: file.clone(), identity: identity.clone() };
                self.age_files.borrow_mut().push(known);
                SecretSource::Age { file, identity }
            }
        }
    }
}

/// The meaning of a file; `None` when a fault was told that leaves a gap.
pub(crate) fn desired(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Desired> {
    let proxmox = proxmox(file, context, report);
    let image = image(file, context, report);
    let access = access(file, context, report);
    let tailnet = tailnet(file, context, report);
    let k3s = k3s(file, context, report);
    let mut nodes = nodes(file);
    gitops::label_storage_nodes(file, &mut nodes);
    let flux = gitops::flux(file, context, report);
    let gitops = gitops::gitops(file, context, report);
    if file.flux.is_some() != flux.is_some() || file.gitops.is_some() != gitops.is_some() {
        return None;
    }
    Some(Desired {
        cluster: file.cluster.name.clone(),
        id: file.cluster.id,
        proxmox: proxmox?,
        image: image?,
        access: access?,
        nodes: nodes.into_iter().map(|node| (node.name.clone(), node)).collect(),
        tailnet: tailnet?,
        k3s: k3s?,
        longhorn: gitops::longhorn(file, context),
        flux,
        gitops,
        // Every reference was read before.
        age_files: context.age_files.take(),
    })
}

fn proxmox(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<ProxmoxSite> {
    let site = &file.proxmox;
    let endpoint = match (&context.overrides.endpoint, &site.endpoint) {
        (Some(found), _) => {
            let format = scalar::format("https-origin").expect("a format of the table");
            if !(format.sound)(&found.value) {
                report.fault_outside(
                    &found.origin,
                    &FieldPath::dotted("proxmox.endpoint"),
                    format!(
                        "{} says `{}`; expected {}",
                        found.origin.name(),
                        shown_value(&found.value),
                        format.expected
                    ),
                    scalar::why_no_https_origin(&found.value).map(str::to_owned),
                );
                return None;
            }
            Some(found.value.clone())
        }
        (None, Some(endpoint)) => Some(endpoint.clone()),
        (None, None) => {
            report.fault(
                &FieldPath::dotted("proxmox.endpoint"),
                "`proxmox` lacks the field `endpoint`",
                "write `endpoint: https://HOST:8006`, or set PROXMOX_VE_ENDPOINT".to_owned(),
            );
            None
        }
    };
    let token = match (&context.overrides.token_variable, &site.token) {
        (Some(variable), reference) => {
            // A variable may be gone the next time, and what it stands for is needed then.
            if let Some(reference) = reference {
                context.secret(reference);
            }
            Some(SecretSource::Env(variable.value.to_owned()))
        }
        (None, Some(reference)) => Some(context.secret(reference)),
        (None, None) => {
            report.fault(
                &FieldPath::dotted("proxmox.token"),
                "`proxmox` lacks the field `token`",
                "write `token: {env: PROXMOX_VE_API_TOKEN}` and set that variable to \
                 `user@realm!name=uuid`"
                    .to_owned(),
            );
            None
        }
    };
    let tls = tls(file, context, report);
    Some(ProxmoxSite {
        endpoint: endpoint?.trim_end_matches('/').to_owned(),
        tls: tls?,
        token: token?,
        pool: site.pool.clone(),
        bridge: site.bridge.clone(),
        vlan: site.vlan,
        disk_storage: site.storage.disks.clone(),
        image_storage: site.storage.image.clone(),
        seed_storage: site.storage.seeds.clone(),
        parallel_clones: site.parallel_clones as usize,
    })
}

fn tls(file: &InventoryFile, context: &Context<'_>, report: &mut Report<'_>) -> Option<TlsTrust> {
    let path = FieldPath::dotted("proxmox.tls");
    match (&context.overrides.ca_file, &context.overrides.fingerprint) {
        (Some(first), Some(second)) => {
            report.fault_outside(
                &first.origin,
                &path,
                format!(
                    "both {} and {} say how TLS is trusted",
                    first.origin.name(),
                    second.origin.name()
                ),
                "unset one of them".to_owned(),
            );
            None
        }
        // A relative path in the environment begins where the program was started.
        (Some(found), None) => {
            let sound = authority::read(&found.value);
            if let Err(message) = &sound {
                let message = format!("{}: {message}", found.origin.name());
                let help = authority::HELP.to_owned();
                report.fault_outside(&found.origin, &path.key("ca_file"), message, help);
            }
            sound.ok().map(|_| TlsTrust::CaFile(found.value.clone()))
        }
        (None, Some(found)) => {
            let fingerprints: Option<Vec<[u8; 32]>> =
                found.value.split(',').map(|text| scalar::fingerprint(text.trim())).collect();
            if fingerprints.is_none() {
                let expected = scalar::format("fingerprint").map_or("", |format| format.expected);
                let name = found.origin.name();
                let value = shown_value(&found.value);
                let message = format!("{name} says `{value}`; expected {expected}");
                report.fault_outside(&found.origin, &path, message, None);
            }
            fingerprints.map(TlsTrust::Fingerprints)
        }
        (None, None) => match &file.proxmox.tls {
            TlsFile::System => Some(TlsTrust::System),
            TlsFile::CaFile(file) => {
                let file = context.path(file);
                let sound = authority::read(&file);
                if let Err(message) = &sound {
                    report.fault(
                        &path.key("ca_file"),
                        message.as_str(),
                        authority::HELP.to_owned(),
                    );
                }
                sound.ok().map(|_| TlsTrust::CaFile(file))
            }
            TlsFile::Fingerprints(texts) => Some(TlsTrust::Fingerprints(
                texts.iter().filter_map(|text| scalar::fingerprint(text)).collect(),
            )),
        },
    }
}

fn image(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<CloudImage> {
    Some(CloudImage {
        artifact: artifact::image(file, context, report)?,
        template: Vmid(file.image.template),
    })
}

fn access(file: &InventoryFile, context: &Context<'_>, report: &mut Report<'_>) -> Option<Access> {
    let private_key = match (&context.overrides.ssh_key, &file.access.private_key) {
        (Some(found), _) => Some(found.value.clone()),
        (None, Some(file)) => Some(context.path(file)),
        (None, None) => None,
    };
    Some(Access {
        user: file.access.user.clone(),
        public_keys: keys::public_keys(&file.access, private_key.as_deref(), context, report)?,
        private_key,
        port: file.access.port,
        exposure: match file.access.exposure {
            ExposureFile::Lan => Exposure::Lan,
            ExposureFile::Tailnet => Exposure::Tailnet,
        },
    })
}

/// Servers first, otherwise in the order of the file. What can't be named is left to the checks.
fn nodes(file: &InventoryFile) -> Vec<Node> {
    let mut nodes: Vec<Node> = file
        .nodes
        .iter()
        .filter_map(|(name, node)| {
            let name: NodeName = name.parse().ok()?;
            let node = file.defaults.complete(node);
            Some(Node {
                name,
                role: match node.role {
                    RoleFile::Server => Role::Server,
                    RoleFile::Agent => Role::Agent,
                },
                proxmox_node: node.proxmox_node?,
                vmid: Vmid(node.vmid),
                cores: node.cores?,
                memory_mib: node.memory?.mebibytes(),
                disk_bytes: node.disk?.bytes(),
                storage_disk_bytes: node.storage_disk.as_ref().map(|disk| disk.size.bytes()),
                storage_disk_storage: node
                    .storage_disk
                    .and_then(|disk| disk.storage)
                    .unwrap_or_else(|| file.proxmox.storage.disks.clone()),
                address: node.address,
                prefix: file.network.cidr.prefix_len(),
                gateway: file.network.gateway,
                nameservers: match file.network.nameservers.as_slice() {
                    [] => vec![file.network.gateway.into()],
                    some => some.to_vec(),
                },
                search_domain: file.network.search_domain.clone(),
                link_mtu: node.mtu.unwrap_or(file.network.mtu),
                labels: node.labels,
                taints: node
                    .taints
                    .into_iter()
                    .map(|taint| Taint {
                        key: taint.key,
                        value: Some(taint.value).filter(|value| !value.is_empty()),
                        effect: taint.effect.name().to_owned(),
                    })
                    .collect(),
                on_boot: node.on_boot?,
                cpu_type: node.cpu_type?,
                tags: node.tags,
            })
        })
        .collect();
    nodes.sort_by_key(|node| node.role);
    nodes
}

/// The smallest MTU of the nodes' links.
pub(crate) fn smallest_link(file: &InventoryFile) -> u16 {
    file.nodes
        .values()
        .map(|node| node.mtu.unwrap_or(file.network.mtu))
        .min()
        .unwrap_or(file.network.mtu)
}

fn tailnet(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<TailnetPlan> {
    let tailnet = &file.tailnet;
    let control = match &tailnet.control {
        ControlFile::Tailscale(control) => {
            let credentials = match (&control.oauth, &control.api_key) {
                (Some(client), None) => Some(TailscaleCredentials::OAuth {
                    client_id: client.client_id.clone(),
                    client_secret: context.secret(&client.client_secret),
                }),
                (None, Some(key)) => Some(TailscaleCredentials::ApiKey(context.secret(key))),
                // garde has told it.
                _ => None,
            };
            credentials.map(|credentials| TailnetControl::Tailscale {
                api: control.api.trim_end_matches('/').to_owned(),
                tailnet: control.tailnet.clone(),
                credentials,
            })
        }
        ControlFile::Headscale(control) => Some(TailnetControl::Headscale {
            login_server: control.login_server.trim_end_matches('/').to_owned(),
            api_key: context.secret(&control.api_key),
            user: control.user.clone(),
        }),
        ControlFile::AuthKey(control) => Some(TailnetControl::AuthKey {
            login_server: control.login_server.clone(),
            key: context.secret(&control.key),
        }),
    };
    let tailscale = artifact::tailscale(file, context, report);
    Some(TailnetPlan {
        control: control?,
        tag: tailnet.tag.clone(),
        tailscale: tailscale?,
        mtu: mtu::planned(smallest_link(file), tailnet.mtu),
        persistent_tun: tailnet.persistent_tun,
        guard: tailnet.guard,
        environment: tailnet.environment.clone(),
        prefixes: tailnet.prefixes.clone(),
        join_timeout: tailnet.join_timeout.0,
    })
}

fn k3s(file: &InventoryFile, context: &Context<'_>, report: &mut Report<'_>) -> Option<K3s> {
    let k3s = &file.k3s;
    let binary = artifact::k3s(file, context, report);
    let images = match artifact::images(file, context, report) {
        Ok(images) => images,
        Err(artifact::Told) => return None,
    };
    let datastore_backup = gitops::datastore(file, context, report).ok()?;
    Some(K3s {
        binary: binary?,
        images,
        cluster_cidr: k3s.cluster_cidr,
        service_cidr: k3s.service_cidr,
        overlay: match k3s.overlay {
            OverlayFile::Tailscale => Overlay::Tailscale,
            OverlayFile::Lan => Overlay::Lan,
        },
        tls_sans: k3s.tls_sans.clone(),
        disable: k3s.disable.iter().map(|component| component.name().to_owned()).collect(),
        secrets_encryption: k3s.secrets_encryption,
        datastore_backup,
        server_config: k3s.server_config.clone(),
        agent_config: k3s.agent_config.clone(),
    })
}
