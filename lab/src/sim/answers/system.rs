//! What scripts say of a guest in JSON: words, cloud-init, the root disk.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::sim::guest::Answer;

/// A word as a JSON string, null when empty.
pub(super) fn word(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(string(text)) }
}

/// Lines as one text: control characters go, tabs become blanks.
pub(super) fn string(text: &str) -> String {
    let text = text.replace('\t', " ");
    let text: String = text.chars().filter(|letter| *letter == '\n' || *letter >= ' ').collect();
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// A word of digits as a JSON number, null when it is none.
pub(super) fn number(text: &str) -> Value {
    text.parse::<u64>().map_or(Value::Null, Value::from)
}

/// What a program prints, if that is a JSON list or object; null otherwise.
pub(super) fn document(answer: &Answer) -> Value {
    if answer.status != 0 {
        return Value::Null;
    }
    let value = serde_json::from_str(&answer.stdout).unwrap_or_default();
    if matches!(value, Value::Array(_) | Value::Object(_)) { value } else { Value::Null }
}

/// `templates/lib/cloud-init.sh`.
pub(super) fn cloud_init(desk: &Desk<'_>) -> Value {
    let there = |path: &str| desk.place(path).exists();
    let file = |path: &str| document(&Answer::said(desk.text(path)));
    let instances = ["run/cloud-init/.instance-id", "var/lib/cloud/data/instance-id"]
        .map(|path| desk.text(path));
    let instances = instances.concat();
    json!({
        "installed": desk.has_program("cloud-init"),
        "disabled": there("etc/cloud/cloud-init.disabled"),
        "ran_this_boot": there("run/cloud-init/status.json"),
        "finished_once": there("var/lib/cloud/instance/boot-finished"),
        "instance": word(instances.lines().next().unwrap_or_default()),
        "status": file("run/cloud-init/status.json"),
        "result": file("run/cloud-init/result.json"),
    })
}

/// `templates/lib/root-disk.sh`, of a guest whose root file system is ext4 on the first partition.
pub(super) fn root_disk(desk: &Desk<'_>) -> Result<Value, Answer> {
    let found = desk.must(&["findmnt", "-n", "-o", "FSTYPE,MAJ:MIN", "/"])?;
    let filesystem = found.split_whitespace().next().unwrap_or_default();
    let place = found.split_whitespace().nth(1).unwrap_or_default();
    let block = desk.place("sys/dev/block").join(place).canonicalize_utf8()?;
    let sectors = |path: String| -> Result<u64, Answer> {
        let text = fs_err::read_to_string(&path)?;
        let sectors: Option<u64> = text.trim().parse().ok();
        Ok(desk.known(sectors, "number in the size of a disk")? * 512)
    };
    let disk = desk.known(block.parent(), "disk below its partition")?;
    let partition = fs_err::read_to_string(block.join("partition"))?;
    let headers = desk.must(&["dumpe2fs", "-h", "/dev/sda1"])?;
    let header = |name: &str| {
        let value = headers.lines().find_map(|line| line.strip_prefix(name));
        value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    // Every guest has one: it asks this process where it is asked for file systems.
    let usage = desk.guest.call("stat", &["-f", "-c", "%S %a %b %c %d", "/"].map(str::to_owned));
    let numbers: Vec<u64> =
        usage.stdout.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [block_bytes, available, usable, inodes, free_inodes] = numbers[..] else {
        return Err(usage);
    };
    Ok(json!({
        "filesystem": word(filesystem),
        "device": word(block.file_name().unwrap_or_default()),
        "disk": word(disk.file_name().unwrap_or_default()),
        "partition": number(partition.trim()),
        "filesystem_bytes": header("Block count:") * header("Block size:"),
        "usable_bytes": block_bytes * usable,
        "available_bytes": block_bytes * available,
        "inodes": inodes,
        "free_inodes": free_inodes,
        "partition_bytes": sectors(format!("{block}/size"))?,
        "disk_bytes": sectors(format!("{disk}/size"))?,
    }))
}
