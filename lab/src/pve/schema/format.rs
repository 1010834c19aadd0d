//! The named formats of texts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether the whole text matches a regular expression.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(&format!("^(?:{pattern})$"))
        .is_ok_and(|expression| expression.is_match(text))
}

/// Splits a list as `PVE::Tools::split_list` does: at commas, semicolons, spaces and NUL.
pub(crate) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';', ' ', '\t', '\n', '\r', '\0']).filter(|item| !item.is_empty())
}

/// Checks a text against a format known here; `-list` formats item by item. Formats that nobody
/// knows accept everything.
///
/// # Errors
/// The text that stands behind `invalid format - `.
pub(crate) fn check(name: &str, text: &str) -> Result<(), String> {
    let base = name.strip_suffix("-opt").unwrap_or(name);
    if base != name && text.is_empty() {
        return Ok(());
    }
    match base.strip_suffix("-list") {
        Some(item_format) => split_list(text).try_for_each(|item| check_one(item_format, item)),
        None => check_one(base, text),
    }
}

/// The same with a check of the declaring module.
pub(crate) fn check_with(
    name: &str,
    check: fn(&str) -> Result<(), String>,
    text: &str,
) -> Result<(), String> {
    if name.ends_with("-list") { split_list(text).try_for_each(check) } else { check(text) }
}

fn expect(fits: bool, what: &str) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("value does not look like a valid {what}")) }
}

fn check_one(name: &str, text: &str) -> Result<(), String> {
    match name {
        "pve-vmid" => {
            let plain = matches("[1-9][0-9]{2,8}", text);
            expect(plain, "VM ID")
        }
        "pve-node" => {
            expect(matches("[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?", text), "node name")
        }
        "pve-configid" => matches("[A-Za-z][A-Za-z0-9_-]+", text)
            .then_some(())
            .ok_or_else(|| format!("invalid configuration ID '{text}'")),
        "pve-storage-id" => storage_id(text),
        "dns-name" => expect(is_dns_name(text), "DNS name"),
        "ip" => expect(text.parse::<IpAddr>().is_ok(), "IP address"),
        "ipv4" => expect(text.parse::<Ipv4Addr>().is_ok(), "IPv4 address"),
        "ipv6" => expect(text.parse::<Ipv6Addr>().is_ok(), "IPv6 address"),
        "CIDR" => expect(is_cidr_v4(text) || is_cidr_v6(text), "CIDR network"),
        "CIDRv4" => expect(is_cidr_v4(text), "IPv4 CIDR network"),
        "CIDRv6" => expect(is_cidr_v6(text), "IPv6 CIDR network"),
        "pve-ipv4-config" => expect(
            matches!(text, "dhcp" | "manual") || is_cidr_v4(text),
            "ipv4 network configuration",
        ),
        "pve-ipv6-config" => expect(
            matches!(text, "auto" | "dhcp" | "manual") || is_cidr_v6(text),
            "ipv6 network configuration",
        ),
        "address" => (text.parse::<IpAddr>().is_ok() || is_dns_name(text))
            .then_some(())
            .ok_or_else(|| format!("value does not look like a valid address: {text}")),
        "email" => expect(
            matches(r"[\w+\-~]+(\.[\w+\-~]+)*@[a-zA-Z0-9\-]+(\.[a-zA-Z0-9\-]+)*", text),
            "email address",
        ),
        "mac-addr" => expect(is_unicast_mac(text), "unicast MAC address"),
        "disk-size" => matches(r"\d+(\.\d+)?[KMGT]?", text)
            .then_some(())
            .ok_or_else(|| format!("value does not look like a valid disk size: {text}")),
        "urlencoded" => matches(r"[-%a-zA-Z0-9_.!~*'()]*", text)
            .then_some(())
            .ok_or_else(|| format!("invalid urlencoded string: {text}")),
        "pve-bridge-id" => matches("[-_.\\w]+", text)
            .then_some(())
            .ok_or_else(|| format!("invalid bridge ID '{text}'")),
        "pve-iface" => (matches("[a-zA-Z][a-zA-Z0-9_]{1,20}(?:[:.][0-9]+)?", text))
            .then_some(())
            .ok_or_else(|| format!("invalid network interface name '{text}'")),
        "pve-tag" => matches("(?i)[a-z0-9_][a-z0-9_+.-]*", text)
            .then_some(())
            .ok_or_else(|| "invalid characters in tag".to_owned()),
        "pve-poolid" => pool_id(text),
        "pve-userid" => matches(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", text)
            .then_some(())
            .ok_or_else(|| format!("value '{text}' does not look like a valid user name")),
        "pve-tokenid" => {
            matches(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+![A-Za-z][A-Za-z0-9.\-_]+", text)
                .then_some(())
                .ok_or_else(|| format!("value '{text}' does not look like a valid token ID"))
        }
        "pve-groupid" => matches(r"[A-Za-z0-9.\-_]+", text)
            .then_some(())
            .ok_or_else(|| format!("group name '{text}' contains invalid characters")),
        "pve-roleid" => matches(r"[A-Za-z0-9.\-_]+", text)
            .then_some(())
            .ok_or_else(|| format!("role name '{text}' contains invalid characters")),
        "pve-realm" => matches(r"[A-Za-z][A-Za-z0-9.\-_]+", text)
            .then_some(())
            .ok_or_else(|| format!("value '{text}' does not look like a valid realm")),
        _ => Ok(()),
    }
}

fn storage_id(text: &str) -> Result<(), String> {
    if text.chars().count() < 2 {
        return Err(format!("storage ID '{text}' cannot be shorter than 2 characters"));
    }
    if matches("(?i)[a-z][a-z0-9_.-]*[a-z0-9]", text) {
        Ok(())
    } else {
        Err(format!("storage ID '{text}' contains illegal characters"))
    }
}

fn pool_id(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    if parts.len() > 3 {
        return Err("pool path too deep".to_owned());
    }
    for part in parts {
        if !matches(r"[A-Za-z0-9.\-_]+", part) {
            return Err(format!("pool name '{text}' contains invalid characters"));
        }
    }
    Ok(())
}

pub(crate) fn is_dns_name(text: &str) -> bool {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
    matches(&format!(r"(?:{label}\.)*{label}"), text)
}

fn is_cidr_v4(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    address.parse::<Ipv4Addr>().is_ok()
        && length.parse::<u8>().is_ok_and(|length| (8..=32).contains(&length))
}

fn is_cidr_v6(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    address.parse::<Ipv6Addr>().is_ok()
        && length.parse::<u8>().is_ok_and(|length| (8..=128).contains(&length))
}

fn is_unicast_mac(text: &str) -> bool {
    matches("(?i)[a-f0-9][02468ace](?::[a-f0-9]{2}){5}", text)
}
