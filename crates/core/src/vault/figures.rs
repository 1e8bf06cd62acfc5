//! Figures that are not counted but looked up when somebody asks.

use super::{Services, Vault};
use crate::clock::Steady;
use crate::host::{Figure, Sort};
use crate::metrics::{self, Metrics};
use crate::mount::Class;
use crate::under_way::UnderWay;
use serde_json::Value;

impl Vault {
    /// For listeners where anybody may ask; a sealed vault has figures, too.
    pub(crate) async fn prometheus(&self) -> Vec<u8> {
        let more = self.figures().await;
        metrics::prometheus(&self.metrics, more)
    }

    /// The same as JSON.
    pub(crate) async fn telemetry(&self) -> Value {
        let more = self.figures().await;
        metrics::json(&self.metrics, more, self.now())
    }

    /// For listeners where anybody may ask.
    pub(crate) fn in_flight(&self) -> std::collections::BTreeMap<String, Value> {
        self.under_way.shown()
    }

    async fn figures(&self) -> Vec<Figure> {
        let mut all = vec![gauge(
            "vault_core_unsealed",
            "1 while the vault is open",
            u8::from(self.open.load().is_some()).into(),
        )];
        if let Some(services) = self.open.load_full() {
            all.extend(of_services(&services, self.clock.steady()).await);
        }
        all.extend(of_process(&self.under_way, self.host.figures()));
        all
    }
}

impl Services {
    /// For callers with a token.
    pub(crate) async fn prometheus(&self) -> Vec<u8> {
        let more = self.figures().await;
        metrics::prometheus(&self.metrics, more)
    }

    /// The same as JSON.
    pub(crate) async fn telemetry(&self) -> Value {
        let more = self.figures().await;
        metrics::json(&self.metrics, more, self.clock.now())
    }

    async fn figures(&self) -> Vec<Figure> {
        let mut all = vec![gauge(
            "vault_core_unsealed",
            "1 while the vault is open",
            1.0,
        )];
        all.extend(of_services(self, self.clock.steady()).await);
        all.extend(of_process(&self.under_way, self.host.figures()));
        all
    }
}

const fn gauge(name: &'static str, help: &'static str, value: f64) -> Figure {
    Figure {
        name,
        help,
        labels: "",
        sort: Sort::Gauge,
        value,
    }
}

fn of_process(under_way: &UnderWay, host: Vec<Figure>) -> Vec<Figure> {
    let mut all = vec![gauge(
        "vault_core_in_flight_requests",
        "requests that are being served",
        under_way.count() as f64,
    )];
    all.extend(host);
    all
}

async fn of_services(services: &Services, now: Steady) -> Vec<Figure> {
    let tables = services.registry.current();
    let count = |class| {
        let mounts = tables.mounts().iter();
        mounts.filter(|mount| mount.class == class).count() as f64
    };
    let mounts = |labels, class| Figure {
        labels,
        ..gauge(
            "vault_core_mount_table_num_entries",
            "mounts that there are",
            count(class),
        )
    };
    let mut all = vec![
        gauge("vault_core_active", "1 where requests are served", 1.0),
        mounts("type=\"auth\"", Class::Auth),
        mounts("type=\"logical\"", Class::Secret),
        gauge(
            "vault_quota_rate_limits",
            "limits in sys/quotas",
            tables.settings().quotas().limits.len() as f64,
        ),
    ];
    if let Some(count) = tokens(services, &services.metrics, now).await {
        all.push(gauge(
            "vault_token_count",
            "tokens that there are, counted within the last minute",
            count as f64,
        ));
    }
    all
}

/// `None` where the store does not answer: then it is not told, and nothing else is lost.
async fn tokens(services: &Services, metrics: &Metrics, now: Steady) -> Option<u64> {
    if let Some(count) = metrics.tokens(now) {
        return Some(count);
    }
    let count = u64::try_from(services.tokens.count().await.ok()?).ok()?;
    metrics.keep_tokens(now, count);
    Some(count)
}
