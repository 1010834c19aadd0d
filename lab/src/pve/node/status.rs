//! What a node has and uses.

use serde_json::{Value, json};

use crate::pve::{
    access::permission::all_of,
    config::NodeConfig,
    endpoint::Endpoint,
    error::ApiError,
    guests,
    request::Request,
    root,
    schema::{node, one_of},
    state::State,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let audit = || all_of("/nodes/{node}", &["Sys.Audit"]);
    vec![
        Endpoint::get("/nodes/{node}/status")
            .proxied()
            .permission(audit())
            .parameters([node()])
            .handler(status),
        Endpoint::get("/nodes/{node}/dns")
            .proxied()
            .permission(audit())
            .parameters([node()])
            .handler(dns),
        Endpoint::get("/nodes/{node}/time")
            .proxied()
            .permission(audit())
            .parameters([node()])
            .handler(time),
        Endpoint::get("/nodes/{node}/hosts")
            .proxied()
            .protected()
            .permission(audit())
            .parameters([node()])
            .handler(hosts),
        Endpoint::get("/nodes/{node}/services")
            .proxied()
            .protected()
            .permission(audit())
            .parameters([node()])
            .handler(async |_| Ok(json!([]))),
        Endpoint::get("/nodes/{node}/config")
            .proxied()
            .permission(all_of("/", &["Sys.Audit"]))
            .parameters([
                node(),
                one_of([
                    "acme",
                    "acmedomain0",
                    "acmedomain1",
                    "acmedomain2",
                    "acmedomain3",
                    "acmedomain4",
                    "acmedomain5",
                    "ballooning-target",
                    "description",
                    "location",
                    "startall-onboot-delay",
                    "wakeonlan",
                ])
                .optional()
                .named("property"),
            ])
            .handler(async |_| Ok(json!({}))),
    ]
}

/// What is in use. The guests' share is what they were given; the host's own is small.
pub(super) struct Numbers {
    pub(super) cpu: f64,
    pub(super) memory_used: u64,
    pub(super) disk_used: u64,
    pub(super) disk_total: u64,
    pub(super) uptime: i64,
}

/// What an idle Proxmox host needs for itself.
const HOST_MEMORY: u64 = 1 << 30;
pub(super) const ROOT_DISK: u64 = 100 << 30;
const ROOT_USED: u64 = 4 << 30;

impl Numbers {
    pub(super) fn of(state: &State, config: &NodeConfig) -> Self {
        let guests: u64 = guests::summaries(state)
            .iter()
            .filter(|guest| guest.running && guest.node == config.name)
            .map(|guest| guest.memory_bytes)
            .sum();
        Self {
            cpu: 0.01,
            memory_used: (HOST_MEMORY + guests).min(config.memory_bytes),
            disk_used: ROOT_USED,
            disk_total: ROOT_DISK,
            uptime: state.uptime(),
        }
    }
}

async fn status(request: Request) -> Result<Value, ApiError> {
    let name = request.node();
    let Some(config) = request.state.node(&name) else {
        return Err(ApiError::failure(format!("no such node '{name}'")));
    };
    let numbers = Numbers::of(&request.state, config);
    let free = config.memory_bytes - numbers.memory_used;
    let kernel = "#1 SMP PREEMPT_DYNAMIC PMX 6.17.4-1 (2025-12-03T15:42Z)";
    Ok(json!({
        "uptime": numbers.uptime,
        "cpu": numbers.cpu,
        "wait": 0,
        "idle": 0,
        "loadavg": ["0.05", "0.03", "0.01"],
        "memory": {
            "total": config.memory_bytes,
            "used": numbers.memory_used,
            "free": free,
            "available": free,
        },
        "swap": { "total": 0, "used": 0, "free": 0 },
        "rootfs": {
            "total": numbers.disk_total,
            "used": numbers.disk_used,
            "avail": numbers.disk_total - numbers.disk_used,
            "free": numbers.disk_total - numbers.disk_used,
        },
        "ksm": { "shared": 0 },
        "cpuinfo": {
            "cpus": config.cores,
            "cores": config.cores,
            "sockets": 1,
            "model": "Emulated Processor",
            "vendor": "GenuineIntel",
            "family": "6",
            "mhz": "2500.000",
            "hvm": "1",
            "user_hz": 100,
            "flags": "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 \
                      clflush mmx fxsr sse sse2 ss ht syscall nx pdpe1gb rdtscp lm constant_tsc \
                      rep_good nopl xtopology cpuid pni pclmulqdq vmx ssse3 fma cx16 sse4_1 \
                      sse4_2 x2apic movbe popcnt aes xsave avx f16c rdrand hypervisor lahf_lm",
        },
        "kversion": format!("Linux 6.17.4-1-pve {kernel}"),
        "current-kernel": {
            "sysname": "Linux",
            "release": "6.17.4-1-pve",
            "version": kernel,
            "machine": "x86_64",
        },
        "boot-info": { "mode": "legacy-bios" },
        "pveversion": format!("pve-manager/{}/{}", root::VERSION, root::REPOSITORY_ID),
    }))
}

async fn dns(request: Request) -> Result<Value, ApiError> {
    let mut answer = json!({});
    if let Some(config) = request.state.node(&request.node()) {
        for (index, server) in config.dns.iter().take(3).enumerate() {
            answer[format!("dns{}", index + 1)] = server.clone().into();
        }
        if let Some(domain) = &config.search_domain {
            answer["search"] = domain.clone().into();
        }
    }
    Ok(answer)
}

async fn time(request: Request) -> Result<Value, ApiError> {
    if request.state.config.lacks.time_service {
        return Err(ApiError::failure(
            "command 'timedatectl show '--property=Timezone' --value' failed: exit code 1",
        ));
    }
    let now = request.state.clock.now();
    Ok(json!({ "timezone": "UTC", "time": now, "localtime": now }))
}

async fn hosts(request: Request) -> Result<Value, ApiError> {
    use sha1::Digest as _;
    let mut text = "127.0.0.1 localhost\n".to_owned();
    for config in request.state.nodes() {
        text.push_str(&format!(
            "{} {}.example.test {}\n",
            config.address, config.name, config.name
        ));
    }
    let digest = hex::encode(sha1::Sha1::digest(text.as_bytes()));
    Ok(json!({ "data": text, "digest": digest }))
}
