//! Figures as text: Prometheus' format 0.0.4, and the JSON of Vault's telemetry.

use super::{BOUNDS, KINDS, Metrics, OPERATIONS, Series, read};
use crate::clock::Time;
use crate::host::{Figure, Sort};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::atomic::AtomicU64;

/// All figures but the requests by kind.
fn figures(metrics: &Metrics, more: Vec<Figure>) -> Vec<Figure> {
    let counter = |name, help, counter: &AtomicU64| Figure {
        name,
        help,
        labels: "",
        sort: Sort::Counter,
        value: read(counter) as f64,
    };
    let mut all = vec![
        counter(
            "vault_core_handle_login_request_count",
            "logins that gave a token",
            &metrics.logins,
        ),
        counter(
            "vault_token_creation",
            "tokens made, by logins and otherwise, without those that wrap",
            &metrics.tokens_created,
        ),
        counter(
            "vault_token_wrapping",
            "tokens made that wrap an answer",
            &metrics.tokens_wrapping,
        ),
        counter(
            "vault_audit_log_request_failure",
            "requests that no audit device took",
            &metrics.audit_request_failures,
        ),
        counter(
            "vault_audit_log_response_failure",
            "answers that no audit device took",
            &metrics.audit_response_failures,
        ),
        counter(
            "vault_quota_rate_limit_violation",
            "requests over a limit of sys/quotas",
            &metrics.quota_violations,
        ),
        counter(
            "vault_quota_lease_count_violation",
            "tokens not made, since they would have been more than a limit of leases allows",
            &metrics.lease_count_violations,
        ),
    ];
    let every = || metrics.series.iter().flatten();
    let (count, nanos) = (
        every().map(Series::count).sum::<u64>(),
        every().map(|series| read(&series.nanos)).sum::<u64>(),
    );
    all.push(Figure {
        name: "vault_core_handle_request_count",
        help: "requests that are over",
        labels: "",
        sort: Sort::Counter,
        value: count as f64,
    });
    all.push(Figure {
        name: "vault_core_handle_request_sum",
        help: "milliseconds they took together",
        labels: "",
        sort: Sort::Counter,
        value: nanos as f64 / 1e6,
    });
    all.extend(more);
    all
}

/// Requests that there were, by kind and operation.
fn series(metrics: &Metrics) -> impl Iterator<Item = (&'static str, &'static str, &Series)> {
    KINDS
        .iter()
        .zip(&metrics.series)
        .flat_map(|(kind, by_operation)| {
            OPERATIONS
                .iter()
                .zip(by_operation)
                .filter(|(_, series)| series.count() > 0)
                .map(|(operation, series)| (*kind, *operation, series))
        })
}

/// For Prometheus.
pub(crate) fn prometheus(metrics: &Metrics, more: Vec<Figure>) -> Vec<u8> {
    let mut out = String::with_capacity(8192);
    let mut last = "";
    // Writing to a string cannot fail.
    for figure in figures(metrics, more) {
        if figure.name != last {
            let _ = writeln!(out, "# HELP {} {}", figure.name, figure.help);
            let _ = writeln!(out, "# TYPE {} {}", figure.name, figure.sort.as_str());
            last = figure.name;
        }
        let labels = match figure.labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let _ = writeln!(out, "{}{labels} {}", figure.name, figure.value);
    }
    durations(metrics, &mut out);
    out.into_bytes()
}

fn durations(metrics: &Metrics, out: &mut String) {
    const NAME: &str = "cofferdam_request_duration_seconds";
    const REFUSED: &str = "cofferdam_requests_refused_total";
    let _ = writeln!(
        out,
        "# HELP {NAME} time of requests, by kind of mount and operation"
    );
    let _ = writeln!(out, "# TYPE {NAME} histogram");
    for (kind, operation, series) in series(metrics) {
        let labels = format!("mount_type=\"{kind}\",operation=\"{operation}\"");
        let mut sum = 0;
        let bounds = BOUNDS.iter().map(|nanos| (*nanos as f64 / 1e9).to_string());
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, counter) in bounds.zip(&series.durations) {
            sum += read(counter);
            let _ = writeln!(out, "{NAME}_bucket{{{labels},le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(
            out,
            "{NAME}_sum{{{labels}}} {}",
            read(&series.nanos) as f64 / 1e9
        );
        let _ = writeln!(out, "{NAME}_count{{{labels}}} {sum}");
    }
    let _ = writeln!(out, "# HELP {REFUSED} requests that were refused or failed");
    let _ = writeln!(out, "# TYPE {REFUSED} counter");
    for (kind, operation, series) in series(metrics) {
        let refused = read(&series.refused);
        let _ = writeln!(
            out,
            "{REFUSED}{{mount_type=\"{kind}\",operation=\"{operation}\"}} {refused}"
        );
    }
}

/// As Vault's telemetry shows itself; counters count from the start of the process.
pub(crate) fn json(metrics: &Metrics, more: Vec<Figure>, now: Time) -> Value {
    let (mut gauges, mut counters) = (Vec::new(), Vec::new());
    for figure in figures(metrics, more) {
        let name = figure.name.replacen('_', ".", 2);
        let labels: serde_json::Map<String, Value> = figure
            .labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .map(|(name, value)| (name.to_owned(), json!(value.trim_matches('"'))))
            .collect();
        match figure.sort {
            Sort::Gauge => {
                gauges.push(json!({"Name": name, "Value": figure.value, "Labels": labels}))
            }
            Sort::Counter => counters.push(json!({
                "Name": name, "Count": figure.value, "Sum": figure.value, "Labels": labels,
            })),
        }
    }
    let samples: Vec<Value> = series(metrics)
        .map(|(kind, operation, series)| {
            let (count, sum) = (series.count(), read(&series.nanos) as f64 / 1e6);
            json!({
                "Name": "vault.route",
                "Count": count,
                "Sum": sum,
                "Mean": sum / count as f64,
                "Labels": {"mount_type": kind, "operation": operation},
            })
        })
        .collect();
    json!({
        "Timestamp": now.rfc3339(),
        "Gauges": gauges,
        "Points": [],
        "Counters": counters,
        "Samples": samples,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::*;
    use crate::operation::Verb;
    use std::time::Duration;

    #[test]
    fn prometheus_reads_classes_that_add_up() {
        let metrics = Metrics::default();
        let request = |micros, refused| {
            metrics.request(
                Class::of("kv"),
                Verb::Read,
                refused,
                Duration::from_micros(micros),
            );
        };
        request(50, false);
        request(300, false);
        request(60_000_000, true);
        metrics.request(Class::of("never seen"), Verb::List, false, Duration::ZERO);
        let text = String::from_utf8(prometheus(&metrics, Vec::new())).unwrap();
        let kv = "mount_type=\"kv\",operation=\"read\"";
        for line in [
            format!("cofferdam_request_duration_seconds_bucket{{{kv},le=\"0.0001\"}} 1"),
            format!("cofferdam_request_duration_seconds_bucket{{{kv},le=\"0.0005\"}} 2"),
            format!("cofferdam_request_duration_seconds_bucket{{{kv},le=\"10\"}} 2"),
            format!("cofferdam_request_duration_seconds_bucket{{{kv},le=\"+Inf\"}} 3"),
            format!("cofferdam_request_duration_seconds_count{{{kv}}} 3"),
            format!("cofferdam_requests_refused_total{{{kv}}} 1"),
            "cofferdam_requests_refused_total{mount_type=\"other\",operation=\"list\"} 0"
                .to_owned(),
            "vault_core_handle_request_count 4".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Every name is described once, and every line is a name with a number.
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        for line in samples {
            let (_, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok(), "{line}");
        }
    }
}
