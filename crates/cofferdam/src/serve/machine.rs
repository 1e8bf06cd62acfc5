//! Figures of the machine for `sys/host-info`, by the names OpenBao gives them, read from `/proc`.
//! What cannot be read is left out: on a strange system the answer is short and not wrong.

use serde_json::{Map, Value, json};
use std::fs;

/// Ticks of the processor times in `/proc/stat`: 100 a second on every Linux of today.
const TICKS: f64 = 100.0;

/// All of them.
pub(super) fn figures() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/stat");
    json!({
        "cpu": processors(&read("/proc/cpuinfo")),
        "cpu_times": times(&stat),
        "disk": disks(&read("/proc/self/mounts")),
        "host": host(&stat),
        "memory": memory(&read("/proc/meminfo")),
    })
}

fn processors(cpuinfo: &str) -> Vec<Value> {
    let blocks = cpuinfo.split("\n\n").filter(|block| block.contains(':'));
    let one = |block: &str| {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim())
                .unwrap_or_default()
        };
        let number = |name: &str| {
            field(name)
                .split(' ')
                .next()
                .and_then(|n| n.parse::<u64>().ok())
        };
        json!({
            "cpu": number("processor"),
            "vendorId": field("vendor_id"),
            "family": field("cpu family"),
            "model": field("model"),
            "stepping": number("stepping").unwrap_or_default(),
            "physicalId": field("physical id"),
            "coreId": field("core id"),
            "cores": 1,
            "modelName": field("model name"),
            "mhz": field("cpu MHz").parse::<f64>().unwrap_or_default(),
            "cacheSize": number("cache size").unwrap_or_default(),
            "flags": field("flags").split_whitespace().collect::<Vec<_>>(),
            "microcode": field("microcode"),
        })
    };
    blocks.map(one).collect()
}

fn times(stat: &str) -> Vec<Value> {
    const NAMES: [&str; 10] = [
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guestNice",
    ];
    let lines = stat.lines().filter_map(|line| {
        let (name, numbers) = line.split_once(' ')?;
        let numbered = name.strip_prefix("cpu").filter(|number| !number.is_empty());
        numbered.map(|_| (name, numbers))
    });
    let one = |(name, numbers): (&str, &str)| {
        let mut fields = Map::new();
        fields.insert("cpu".to_owned(), json!(name));
        let seconds = numbers
            .split_whitespace()
            .map(|ticks| ticks.parse().unwrap_or(0.0) / TICKS);
        for (name, seconds) in NAMES.into_iter().zip(seconds) {
            fields.insert(name.to_owned(), json!(seconds));
        }
        Value::Object(fields)
    };
    lines.map(one).collect()
}

/// Filesystems on devices: a network filesystem may not answer.
fn disks(mounts: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(path), Some(kind)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if !device.starts_with("/dev/") || seen.contains(&device) {
            continue;
        }
        seen.push(device);
        let Ok(room) = rustix::fs::statvfs(path) else {
            continue;
        };
        let used = (room.f_blocks - room.f_bfree.min(room.f_blocks)) * room.f_frsize;
        let free = room.f_bavail * room.f_frsize;
        let inodes = room.f_files - room.f_ffree.min(room.f_files);
        all.push(json!({
            "path": path,
            "fstype": kind,
            "total": room.f_blocks * room.f_frsize,
            "free": free,
            "used": used,
            "usedPercent": percent(used, used + free),
            "inodesTotal": room.f_files,
            "inodesUsed": inodes,
            "inodesFree": room.f_ffree,
            "inodesUsedPercent": percent(inodes, room.f_files),
        }));
    }
    all
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 * 100.0 / whole as f64
}

fn host(stat: &str) -> Value {
    let kernel = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/kernel/{name}"));
        text.unwrap_or_default().trim().to_owned()
    };
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let of_release = |name: &str| {
        let mut lines = release.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| *key == name);
        found
            .map_or("", |(_, value)| value.trim_matches('"'))
            .to_owned()
    };
    let boot = stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))
        .and_then(|text| text.trim().parse::<u64>().ok());
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime = uptime
        .split('.')
        .next()
        .and_then(|text| text.parse::<u64>().ok());
    let processes = fs::read_dir("/proc").map_or(0, |entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|name| name.as_encoded_bytes().iter().all(u8::is_ascii_digit))
            .count()
    });
    let (platform, version) = (of_release("ID"), of_release("VERSION_ID"));
    json!({
        "hostname": kernel("hostname"),
        "uptime": uptime,
        "bootTime": boot,
        "procs": processes,
        "os": "linux",
        "platform": platform,
        "platformFamily": platform,
        "platformVersion": version,
        "kernelVersion": kernel("osrelease"),
        "kernelArch": std::env::consts::ARCH,
    })
}

fn memory(meminfo: &str) -> Value {
    let bytes = |name: &str| {
        let line = meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    };
    let (total, available) = (bytes("MemTotal"), bytes("MemAvailable"));
    let used = total.saturating_sub(available);
    json!({
        "total": total,
        "available": available,
        "used": used,
        "usedPercent": percent(used, total),
        "free": bytes("MemFree"),
        "active": bytes("Active"),
        "inactive": bytes("Inactive"),
        "buffers": bytes("Buffers"),
        "cached": bytes("Cached"),
        "writeback": bytes("Writeback"),
        "dirty": bytes("Dirty"),
        "shared": bytes("Shmem"),
        "slab": bytes("Slab"),
        "mapped": bytes("Mapped"),
        "commitlimit": bytes("CommitLimit"),
        "committedas": bytes("Committed_AS"),
        "swaptotal": bytes("SwapTotal"),
        "swapfree": bytes("SwapFree"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let cpu = processors(
            "processor\t: 0\nvendor_id\t: X\ncpu MHz\t\t: 2596.125\ncache size\t: 1024 KB\nflags\t\t: a b\n\nprocessor\t: 1\n",
        );
        assert_eq!(cpu.len(), 2);
        assert_eq!(
            (&cpu[0]["mhz"], &cpu[0]["cacheSize"]),
            (&json!(2596.125), &json!(1024))
        );
        assert_eq!(cpu[1]["cpu"], json!(1));
        let times = times("cpu  1 2 3\ncpu0 100 200 300 400\nintr 5\n");
        assert_eq!(
            times,
            [json!({"cpu": "cpu0", "user": 1.0, "nice": 2.0, "system": 3.0, "idle": 4.0})]
        );
        let memory = memory("MemTotal:       1000 kB\nMemAvailable:    250 kB\n");
        assert_eq!(
            (&memory["total"], &memory["usedPercent"]),
            (&json!(1_024_000), &json!(75.0))
        );
    }

    #[test]
    fn this_machine_has_figures() {
        let all = figures();
        assert!(all["memory"]["total"].as_u64().unwrap() > 0);
        assert!(!all["cpu_times"].as_array().unwrap().is_empty());
        assert_eq!(all["host"]["os"], "linux");
    }
}
