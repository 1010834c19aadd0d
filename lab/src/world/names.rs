//! The name server of the lab: CoreDNS with the lab's own names, and no others.

use camino::Utf8Path;

use super::{WorldError, place::write, segment, service::Service};

pub(crate) async fn start(program: &Utf8Path, folder: &Utf8Path) -> Result<Service, WorldError> {
    fs_err::create_dir_all(folder)?;
    let configuration = folder.join("Corefile");
    write(&configuration, &corefile())?;
    let arguments = ["-conf", configuration.as_str()];
    let mut service = Service::start("coredns", program, &arguments, folder)?;
    service.listening(&format!("{}:53", segment::GATEWAY)).await?;
    Ok(service)
}

fn corefile() -> String {
    let names = [&segment::NAMES[..], &segment::STOOD_IN_FOR].concat().join(" ");
    let address = segment::GATEWAY;
    format!(
        ".:53 {{\n    bind {address}\n    errors\n    hosts {{\n        {address} {names}\n        ttl 60\n    }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_server_answers_for_the_gateway_and_forwards_nothing() {
        let corefile = corefile();
        assert!(corefile.contains("10.79.0.1 gateway.lab.test pve1.lab.test"), "{corefile}");
        assert!(!corefile.contains("forward"), "{corefile}");
    }
}
