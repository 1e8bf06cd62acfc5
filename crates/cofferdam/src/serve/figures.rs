//! Figures of this process and its store, for `sys/metrics`: Prometheus' own names of processes, read
//! from `/proc` when somebody asks, and Vault's names of storage.

use cofferdam_core::host::{Figure, Sort};
use cofferdam_store::metered::Timings;
use std::fs;

const fn figure(name: &'static str, help: &'static str, sort: Sort, value: f64) -> Figure {
    Figure {
        name,
        help,
        labels: "",
        sort,
        value,
    }
}

/// Memory, processor time and descriptors.
pub(super) fn of_process() -> Vec<Figure> {
    let mut all = Vec::new();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| {
        let kib = line.strip_prefix("VmRSS:")?.trim().trim_end_matches(" kB");
        kib.parse::<f64>().ok()
    });
    if let Some(kib) = resident {
        all.push(figure(
            "process_resident_memory_bytes",
            "memory that is resident",
            Sort::Gauge,
            kib * 1024.0,
        ));
    }
    if let Some(seconds) = processor_time() {
        all.push(figure(
            "process_cpu_seconds_total",
            "processor time of all threads",
            Sort::Counter,
            seconds,
        ));
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        all.push(figure(
            "process_open_fds",
            "descriptors that are open",
            Sort::Gauge,
            open.count() as f64,
        ));
    }
    all
}

/// Seconds in programs and in the kernel: the 14th and 15th fields of `/proc/self/stat`, in ticks of a
/// hundredth. The second field is a name in parentheses and may hold anything.
fn processor_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

/// What the store was asked, and how long it took.
pub(super) fn of_store(timings: &Timings) -> Vec<Figure> {
    let names = [
        ("vault_barrier_get_count", "", &timings.get),
        (
            "vault_barrier_list_count",
            "vault_barrier_list_sum",
            &timings.range,
        ),
        (
            "vault_barrier_put_count",
            "vault_barrier_put_sum",
            &timings.commit,
        ),
    ];
    let mut all = Vec::new();
    for (count, sum, timed) in names {
        all.push(figure(
            count,
            "what the store was asked: keys, ranges of them, transactions",
            Sort::Counter,
            timed.count() as f64,
        ));
        if !sum.is_empty() {
            all.push(figure(
                sum,
                "milliseconds it took together",
                Sort::Counter,
                timed.nanos() as f64 / 1e6,
            ));
        }
    }
    all.push(figure(
        "cofferdam_store_failures_total",
        "what the store could not do",
        Sort::Counter,
        timings.failures() as f64,
    ));
    all
}
