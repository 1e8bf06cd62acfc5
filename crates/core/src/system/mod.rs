//! The `sys/` mount: control of the vault, through the same pipeline as everything else.
//!
//! One file per resource. What must work sealed is not here but in `pipeline::exempt`.

mod acl;
mod audit;
mod capabilities;
mod ceremony;
mod events;
mod fingerprints;
mod inside;
mod internal;
mod leaks;
pub(crate) mod lease_counts;
mod leases;
mod locked;
mod loggers;
mod monitor;
mod mounts;
mod openapi;
mod password_policies;
mod policies;
mod quotas;
mod records;
mod remount;
pub(crate) mod rotation;
mod seal;
mod settings;
mod shares;
mod tools;
mod tune;
pub(crate) mod upgrade;
mod version_ids;
mod wrapping;

use crate::engine::{Access, Route, Routed};
use crate::fault::Fault;
use crate::operation::Verb::{Delete, List, Patch, Read, Write};
use crate::vault::Services;
pub(crate) use ceremony::root_key;
use ceremony::{backup, generate_root, rotate_root};
use std::sync::{Arc, OnceLock, Weak};

/// The engine of `sys/`.
#[derive(Default)]
pub(crate) struct System {
    pub(crate) services: OnceLock<Weak<Services>>,
    pace: fingerprints::Pace,
    shares: shares::Known,
}

impl System {
    fn services(&self) -> Result<Arc<Services>, Fault> {
        self.services
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(Fault::sealed)
    }
}

impl Routed for System {
    const ROUTES: &'static [Route<Self>] = &[
        Route::new(
            "mounts",
            &[(Read, |e, c| Box::pin(mounts::list_secrets(e, c)))],
        )
        .with_slash()
        .lifted(),
        Route::new(
            "mounts/*tuned/tune",
            &[
                (Read, |e, c| Box::pin(mounts::read_secret(e, c))),
                (Write, |e, c| Box::pin(mounts::enable_secret(e, c))),
            ],
        )
        .takes::<tune::Wanted>()
        .captures(&[("tuned", "path")])
        .with_slash()
        .lifted(),
        Route::new(
            "mounts/*path",
            &[
                (Read, |e, c| Box::pin(mounts::read_secret(e, c))),
                (Write, |e, c| Box::pin(mounts::enable_secret(e, c))),
                (Delete, |e, c| Box::pin(mounts::disable_secret(e, c))),
            ],
        )
        .takes::<mounts::Enable>()
        .with_slash()
        .lifted(),
        Route::new("auth", &[(Read, |e, c| Box::pin(mounts::list_auth(e, c)))])
            .with_slash()
            .lifted(),
        Route::new(
            "auth/*tuned/tune",
            &[
                (Read, |e, c| Box::pin(mounts::read_auth(e, c))),
                (Write, |e, c| Box::pin(mounts::enable_auth(e, c))),
            ],
        )
        .takes::<tune::Wanted>()
        .captures(&[("tuned", "path")])
        .with_slash()
        .lifted()
        .access(Access::Sudo),
        Route::new(
            "auth/*path",
            &[
                (Read, |e, c| Box::pin(mounts::read_auth(e, c))),
                (Write, |e, c| Box::pin(mounts::enable_auth(e, c))),
                (Delete, |e, c| Box::pin(mounts::disable_auth(e, c))),
            ],
        )
        .takes::<mounts::Enable>()
        .with_slash()
        .lifted()
        .access(Access::Sudo),
        Route::new(
            "policy",
            &[
                (Read, |e, c| Box::pin(policies::list_old(e, c))),
                (List, |e, c| Box::pin(policies::list_old(e, c))),
            ],
        )
        .with_slash()
        .lifted(),
        Route::new(
            "policy/~name",
            &[
                (Read, |e, c| Box::pin(policies::read_old(e, c))),
                (Write, |e, c| Box::pin(policies::write(e, c))),
                (Delete, |e, c| Box::pin(policies::delete(e, c))),
            ],
        )
        .takes::<policies::Wanted>()
        .lifted(),
        Route::new(
            "policies/acl",
            &[
                (Read, |e, c| Box::pin(policies::list(e, c))),
                (List, |e, c| Box::pin(policies::list(e, c))),
            ],
        )
        .with_slash(),
        Route::new(
            "policies/acl/~name",
            &[
                (Read, |e, c| Box::pin(policies::read(e, c))),
                (Write, |e, c| Box::pin(policies::write(e, c))),
                (Patch, |e, c| Box::pin(policies::patch(e, c))),
                (Delete, |e, c| Box::pin(policies::delete(e, c))),
            ],
        )
        .takes::<policies::Wanted>(),
        Route::new(
            "policies/password",
            &[(List, |e, c| Box::pin(password_policies::list(e, c)))],
        ),
        Route::new(
            "policies/password/:name",
            &[
                (Read, |e, c| Box::pin(password_policies::read(e, c))),
                (Write, |e, c| Box::pin(password_policies::write(e, c))),
                (Delete, |e, c| Box::pin(password_policies::delete(e, c))),
            ],
        )
        .takes::<password_policies::Wanted>(),
        Route::new(
            "policies/password/:name/generate",
            &[(Read, |e, c| Box::pin(password_policies::generate(e, c)))],
        ),
        Route::new("remount", &[(Write, |e, c| Box::pin(remount::begin(e, c)))])
            .takes::<remount::Wanted>()
            .lifted()
            .access(Access::Sudo),
        Route::new(
            "remount/status/:id",
            &[(Read, |e, c| Box::pin(remount::status(e, c)))],
        )
        .captures(&[("id", "migration_id")]),
        Route::new("audit", &[(Read, |e, c| Box::pin(audit::list(e, c)))])
            .with_slash()
            .lifted()
            .access(Access::Sudo),
        Route::new(
            "audit/:path",
            &[
                (Write, |e, c| Box::pin(audit::enable(e, c))),
                (Delete, |e, c| Box::pin(audit::disable(e, c))),
            ],
        )
        .takes::<audit::Wanted>()
        .with_slash()
        .lifted()
        .access(Access::Sudo),
        Route::new(
            "audit/:path/chain",
            &[(Read, |e, c| Box::pin(audit::chain(e, c)))],
        )
        .access(Access::Sudo),
        Route::new(
            "audit-hash/:path",
            &[(Write, |e, c| Box::pin(audit::hash(e, c)))],
        )
        .takes::<audit::Input>()
        .with_slash()
        .lifted(),
        Route::new(
            "capabilities",
            &[(Write, |e, c| Box::pin(capabilities::of_token(e, c)))],
        )
        .takes::<capabilities::Wanted>()
        .lifted(),
        Route::new(
            "capabilities-self",
            &[(Write, |e, c| Box::pin(capabilities::of_self(e, c)))],
        )
        .takes::<capabilities::Wanted>()
        .lifted(),
        Route::new(
            "capabilities-accessor",
            &[(Write, |e, c| Box::pin(capabilities::of_accessor(e, c)))],
        )
        .takes::<capabilities::Wanted>()
        .lifted(),
        Route::new(
            "locked-users",
            &[(Read, |e, c| Box::pin(locked::list(e, c)))],
        )
        .takes::<locked::Wanted>()
        .asks(&["mount_accessor"]),
        Route::new(
            "locked-users/:accessor/unlock/:alias",
            &[(Write, |e, c| Box::pin(locked::unlock(e, c)))],
        )
        .takes_nothing()
        .captures(&[
            ("accessor", "mount_accessor"),
            ("alias", "alias_identifier"),
        ]),
        Route::new("leases", &[(Read, |e, c| Box::pin(leases::all(e, c)))])
            .asks(&["type", "limit", "include_child_namespaces", "force"])
            .access(Access::Sudo),
        Route::new(
            "leases/count",
            &[(Read, |e, c| Box::pin(leases::count(e, c)))],
        )
        .asks(&["type", "include_child_namespaces"])
        .access(Access::Sudo),
        Route::new(
            "leases/lookup",
            &[(Write, |e, c| Box::pin(leases::lookup(e, c)))],
        )
        .takes::<leases::Wanted>(),
        Route::new(
            "leases/lookup/*prefix",
            &[(List, |e, c| Box::pin(leases::list(e, c)))],
        )
        .access(Access::Sudo),
        Route::new(
            "leases/renew/*lease",
            &[(Write, |e, c| Box::pin(leases::renew(e, c)))],
        )
        .captures(&[("lease", "url_lease_id")])
        .takes::<leases::Wanted>(),
        Route::new(
            "leases/revoke/*lease",
            &[(Write, |e, c| Box::pin(leases::revoke(e, c)))],
        )
        .captures(&[("lease", "url_lease_id")])
        .takes::<leases::Wanted>(),
        Route::new(
            "leases/revoke-prefix/*prefix",
            &[(Write, |e, c| Box::pin(leases::revoke_prefix(e, c)))],
        )
        .takes_nothing()
        .access(Access::Sudo),
        Route::new(
            "leases/revoke-force/*prefix",
            &[(Write, |e, c| Box::pin(leases::revoke_prefix(e, c)))],
        )
        .takes_nothing()
        .access(Access::Sudo),
        Route::new(
            "leases/tidy",
            &[(Write, |e, c| Box::pin(leases::tidy(e, c)))],
        )
        .takes_nothing()
        .access(Access::Sudo),
        // Vault's older names.
        Route::new(
            "renew/*lease",
            &[(Write, |e, c| Box::pin(leases::renew(e, c)))],
        )
        .captures(&[("lease", "url_lease_id")])
        .takes::<leases::Wanted>(),
        Route::new(
            "revoke/*lease",
            &[(Write, |e, c| Box::pin(leases::revoke(e, c)))],
        )
        .captures(&[("lease", "url_lease_id")])
        .takes::<leases::Wanted>(),
        Route::new(
            "revoke-prefix/*prefix",
            &[(Write, |e, c| Box::pin(leases::revoke_prefix(e, c)))],
        )
        .takes_nothing()
        .access(Access::Sudo),
        Route::new(
            "revoke-force/*prefix",
            &[(Write, |e, c| Box::pin(leases::revoke_prefix(e, c)))],
        )
        .takes_nothing()
        .access(Access::Sudo),
        Route::new(
            "wrapping/wrap",
            &[(Write, |e, c| Box::pin(wrapping::wrap(e, c)))],
        )
        .takes_anything(),
        Route::new(
            "wrapping/unwrap",
            &[(Write, |e, c| Box::pin(wrapping::unwrap(e, c)))],
        )
        .takes::<wrapping::Wanted>()
        .access(Access::Wrapping),
        Route::new(
            "wrapping/lookup",
            &[
                (Write, |e, c| Box::pin(wrapping::lookup(e, c))),
                (Read, |e, c| Box::pin(wrapping::lookup(e, c))),
            ],
        )
        .takes::<wrapping::Wanted>()
        .access(Access::Wrapping),
        Route::new(
            "wrapping/rewrap",
            &[(Write, |e, c| Box::pin(wrapping::rewrap(e, c)))],
        )
        .takes::<wrapping::Wanted>()
        .access(Access::Wrapping),
        Route::new(
            "tools/random",
            &[(Write, |e, c| Box::pin(tools::random(e, c)))],
        )
        .takes::<tools::Wanted>(),
        Route::new(
            "tools/random/:first",
            &[(Write, |e, c| Box::pin(tools::random(e, c)))],
        )
        .captures(&[("first", "urlbytes")])
        .takes::<tools::Wanted>(),
        Route::new(
            "tools/random/:source/:bytes",
            &[(Write, |e, c| Box::pin(tools::random(e, c)))],
        )
        .captures(&[("bytes", "urlbytes")])
        .takes::<tools::Wanted>(),
        tools::HASH,
        tools::HASH_BY_NAME,
        Route::new(
            "tools/version-ids",
            &[(Write, |e, c| Box::pin(version_ids::make(e, c)))],
        )
        .takes::<version_ids::Wanted>(),
        // Before the kinds: the first row that matches serves.
        Route::new(
            "records/by-secret/*path",
            &[
                (Read, |e, c| Box::pin(records::by_secret(e, c))),
                (List, |e, c| Box::pin(records::by_secret(e, c))),
            ],
        )
        .asks(&["version", "after"]),
        Route::new(
            "records/:kind",
            &[(List, |e, c| Box::pin(records::list(e, c)))],
        )
        .asks(&["after"]),
        Route::new(
            "records/:kind/:id",
            &[
                (Read, |e, c| Box::pin(records::read(e, c))),
                (Write, |e, c| Box::pin(records::create(e, c))),
            ],
        )
        .takes::<records::Wanted>()
        .creating(|e, c| Box::pin(records::exists(e, c))),
        Route::new(
            "fingerprints/session",
            &[(Read, |e, c| Box::pin(fingerprints::session(e, c)))],
        )
        .asks(&["after", "prefix"]),
        Route::new(
            "fingerprints/secrets/*path",
            &[(Read, |e, c| Box::pin(fingerprints::of_secret(e, c)))],
        )
        .asks(&["after", "prefix"]),
        Route::new(
            "fingerprints/config",
            &[(Read, |e, c| Box::pin(fingerprints::config(e, c)))],
        ),
        Route::new(
            "fingerprints/rotate",
            &[(Write, |e, c| Box::pin(fingerprints::rotate(e, c)))],
        )
        .takes::<fingerprints::Wanted>()
        .access(Access::Sudo),
        Route::new(
            "fingerprints/export",
            &[(Write, |e, c| Box::pin(fingerprints::export(e, c)))],
        )
        .takes::<fingerprints::export::Wanted>(),
        Route::new(
            "config/records/:kind",
            &[
                (Read, |e, c| Box::pin(records::retention::read(e, c))),
                (Write, |e, c| Box::pin(records::retention::write(e, c))),
            ],
        )
        .takes::<records::retention::Wanted>()
        .access(Access::Sudo),
        Route::new(
            "leaks/reports",
            &[
                (List, |e, c| Box::pin(leaks::list(e, c))),
                (Write, |e, c| Box::pin(leaks::create(e, c))),
            ],
        )
        .takes::<leaks::Wanted>()
        .asks(&["after"]),
        Route::new(
            "leaks/reports/:id",
            &[
                (Read, |e, c| Box::pin(leaks::read(e, c))),
                (Delete, |e, c| Box::pin(leaks::delete(e, c))),
            ],
        ),
        Route::new(
            "internal/ui/mounts",
            &[(Read, |e, c| Box::pin(internal::mounts(e, c)))],
        )
        .access(Access::Known),
        Route::new(
            "internal/ui/mounts/*path",
            &[(Read, |e, c| Box::pin(internal::mount(e, c)))],
        )
        .with_slash()
        .access(Access::Known),
        acl::RESULTANT,
        acl::DETAILED,
        loggers::ALL,
        loggers::ONE,
        inside::HOST_INFO,
        inside::CONFIGURATION,
        inside::IN_FLIGHT,
        inside::VERSIONS,
        inside::TOKENS,
        inside::ENTITIES,
        inside::METRICS,
        inside::REPLICATION,
        monitor::MONITOR,
        settings::CORS,
        settings::HEADERS,
        settings::HEADER,
        quotas::CONFIG,
        quotas::ALL,
        quotas::ONE,
        lease_counts::ALL,
        lease_counts::ONE,
        generate_root::DECODE,
        Route::new(
            "internal/specs/openapi",
            &[(Read, |e, c| Box::pin(openapi::read(e, c)))],
        )
        .access(Access::Known),
        Route::new(
            "events/subscribe/*type",
            &[(Read, |e, c| Box::pin(events::subscribe(e, c)))],
        )
        .asks(&["json", "filter", "namespaces"]),
        Route::new("seal", &[(Write, |e, c| Box::pin(seal::seal(e, c)))])
            .takes_nothing()
            .access(Access::Sudo),
        rotation::STATUS,
        ceremony::route("generate-root-token/attempt", generate_root::ATTEMPT)
            .takes::<generate_root::Wanted>(),
        ceremony::route("generate-root-token/update", generate_root::UPDATE)
            .takes::<ceremony::ShareGiven>(),
        root_key::ROTATE,
        ceremony::route("rotate/root/init", rotate_root::ATTEMPT).takes::<rotate_root::Wanted>(),
        ceremony::route("rotate/root/update", rotate_root::UPDATE).takes::<ceremony::ShareGiven>(),
        ceremony::route("rotate/root/verify", rotate_root::VERIFY).takes::<ceremony::ShareGiven>(),
        ceremony::route("rotate/root/backup", backup::BACKUP),
        ceremony::route("rotate/recovery/backup", backup::BACKUP),
        ceremony::route("rekey/backup", backup::BACKUP),
        ceremony::route("rekey/recovery-key-backup", backup::BACKUP),
        ceremony::route("rotate/recovery/init", rotate_root::ATTEMPT)
            .takes::<rotate_root::Wanted>(),
        ceremony::route("rotate/recovery/update", rotate_root::UPDATE)
            .takes::<ceremony::ShareGiven>(),
        ceremony::route("rotate/recovery/verify", rotate_root::VERIFY)
            .takes::<ceremony::ShareGiven>(),
        // Vault's names for the same.
        ceremony::route("generate-root", generate_root::ATTEMPT).takes::<generate_root::Wanted>(),
        ceremony::route("generate-root/attempt", generate_root::ATTEMPT)
            .takes::<generate_root::Wanted>(),
        ceremony::route("generate-root/update", generate_root::UPDATE)
            .takes::<ceremony::ShareGiven>(),
        ceremony::route("rekey/init", rotate_root::ATTEMPT).takes::<rotate_root::Wanted>(),
        ceremony::route("rekey/update", rotate_root::UPDATE).takes::<ceremony::ShareGiven>(),
        ceremony::route("rekey/verify", rotate_root::VERIFY).takes::<ceremony::ShareGiven>(),
        ceremony::route("rekey-recovery-key/init", rotate_root::ATTEMPT)
            .takes::<rotate_root::Wanted>(),
        ceremony::route("rekey-recovery-key/update", rotate_root::UPDATE)
            .takes::<ceremony::ShareGiven>(),
        ceremony::route("rekey-recovery-key/verify", rotate_root::VERIFY)
            .takes::<ceremony::ShareGiven>(),
        rotation::SETTINGS,
        rotation::KEYRING_SETTINGS,
        rotation::KEYRING,
        rotation::ROTATE,
    ];
}
