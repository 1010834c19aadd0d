//! Mail, asked for at the address that the LAN gives it: a server that is ready greets first (RFC 5321, 3.1).

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    time::timeout,
};

use crate::{
    engine::Run,
    error::Result,
    model::NodeName,
    plan::{
        Observed,
        systems::{SERVICE, Service},
    },
    ports::{Host, Objects, World},
    stage::check::{Check, Finding},
};

const ID: &str = "outside/mail";
const TITLE: &str = "the mail server greets at its address of the LAN";
const NAMESPACE: &str = "stalwart";
const NAME: &str = "stalwart-mail";
const SMTP: u16 = 25;
/// RFC 5321 allows a server five minutes; one that is well needs none.
const PATIENCE: Duration = Duration::from_secs(15);
/// A greeting is one line of 512 bytes at most.
const LINE: u64 = 512;

pub(super) async fn check<W: World>(run: &Arc<Run<W>>, observed: &Observed) -> Option<Check> {
    run.desired.gitops.as_ref()?.stalwart.as_ref()?;
    let member = observed.hosts.iter().find(|(_, sight)| sight.seen().is_some());
    let Some((node, _)) = member else {
        return Some(Check::skipped(ID, None, TITLE, "no node answers that could ask for it"));
    };
    let finding = match ask(run, node).await {
        Ok(finding) => finding,
        Err(failure) => Err((failure.to_string(), "see the checks of the server".into())),
    };
    Some(Check::of(ID, None, TITLE, finding))
}

async fn ask<W: World>(run: &Arc<Run<W>>, node: &NodeName) -> Result<Finding> {
    let next = "`homelab kubectl -- -n stalwart describe service stalwart-mail`".to_owned();
    let service = run.cluster().await?.get(SERVICE, NAMESPACE, NAME).await?;
    let addresses = service.as_ref().map(Service::read).map(|service| service.addresses);
    let address = addresses.into_iter().flatten().find_map(|one| one.parse::<IpAddr>().ok());
    let Some(address) = address else {
        return Ok(Err((format!("Service {NAMESPACE}/{NAME} has no address"), next)));
    };
    let host = run.host(node).await?;
    let greeting = async {
        let stream = host.tunnel(address, SMTP).await.map_err(|error| error.to_string())?;
        greeting(stream).await
    };
    let silent = || Err(format!("nothing within {} s", PATIENCE.as_secs()));
    let greeting = timeout(PATIENCE, greeting).await.unwrap_or_else(|_| silent());
    Ok(judge(address, node, greeting).map_err(|cause| (cause, next)))
}

async fn greeting(stream: impl AsyncRead + Unpin) -> Result<String, String> {
    let mut line = String::new();
    let mut stream = BufReader::new(stream).take(LINE);
    stream.read_line(&mut line).await.map_err(|error| error.to_string())?;
    Ok(line.trim_end().to_owned())
}

fn judge(
    address: IpAddr,
    node: &NodeName,
    greeting: Result<String, String>,
) -> Result<String, String> {
    let place = format!("{address}:{SMTP}, asked from {node}");
    match greeting {
        Ok(line) if line.starts_with("220 ") || line.starts_with("220-") => {
            Ok(format!("{place}: {line}"))
        }
        Ok(line) if line.is_empty() => Err(format!("{place}: it hung up without a word")),
        Ok(line) => Err(format!("{place}: it said `{line}` instead of 220")),
        Err(reason) => Err(format!("{place}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_greeting_of_a_mail_server_passes() {
        let node: NodeName = "k3s-server".parse().unwrap();
        let address: IpAddr = [192, 168, 1, 230].into();
        let said = async |bytes: &'static [u8]| judge(address, &node, greeting(bytes).await);
        let passed = said(b"220 mail.example.org Stalwart ESMTP at your service\r\n250 more").await;
        let expected = "192.168.1.230:25, asked from k3s-server: 220 mail.example.org Stalwart ESMTP at your service";
        assert_eq!(passed.unwrap(), expected);
        assert!(said(b"554 no service\r\n").await.unwrap_err().contains("`554 no service`"));
        assert!(said(b"").await.unwrap_err().contains("without a word"));
        assert!(said(b"SSH-2.0-OpenSSH\r\n").await.is_err());
    }
}
