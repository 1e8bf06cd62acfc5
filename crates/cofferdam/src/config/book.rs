//! The page of the book about these files, printed from the table. A test compares it with the one
//! that is checked in.

use super::environment::{IDLE, READ};
use super::keys::{self, Block, Effect, FOREIGN_STORAGE};
use cofferdam_server::Limits;
use cofferdam_server::limits::Unit;
use std::fmt::Write;

const HEAD: &str = r#"# Server configuration

<!-- Printed from crates/cofferdam/src/config/keys/ and crates/server/src/limits.rs: change it there. -->

`cofferdam up` needs no configuration. `cofferdam server -config FILE` reads Vault's and OpenBao's files,
in HCL or JSON; `-config` may repeat, and a directory stands for its `.hcl` and `.json` files in order of
their names. Of a single value the last file's wins; listeners add up. Relative paths are relative to the
working directory, as in Vault.

```hcl
storage "embedded" {
  path = "/var/lib/cofferdam"
}

listener "tcp" {
  address       = "127.0.0.1:8200"
  tls_cert_file = "/etc/cofferdam/tls/server.pem"
  tls_key_file  = "/etc/cofferdam/tls/server-key.pem"
}

listener "unix" {
  address = "/run/cofferdam/cofferdam.sock"
}

seal "shamir" {}
```

A key that is not listed here is warned about with its file and line, and has no effect. "Refused" means
that the server does not start with it, because going on without its effect would promise something that
is not so.

## Storage

| Kind | What it is |
|---|---|
| `embedded` | the directory `path`; the default of `cofferdam up` |
| `file`, `raft` | as `embedded`. Data of a Vault or OpenBao store of that kind is not read, and a directory that holds such data is refused and not touched |
| `inmem` | memory: all secrets are gone when the server stops |
"#;

const SEALS: &str = r#"
## Seals

| Kind | What it is |
|---|---|
| `shamir` | shares that people hold; the server starts sealed |
| `machine` | a key file of this machine, outside the data directory: the server unseals itself. A copy of the data directory alone cannot be read; root on this host can |
| `static` | a key that is given at each start |
| `transit` | the transit engine of another server |
| `awskms` | a key in AWS KMS |
| `tpm` | the TPM 2.0 of this machine |
| `systemd-creds` | a key that systemd decrypts for the unit |

What each of them promises, and how a store is moved from one to another: [Seals](seals.md). Every other
seal is refused by name.
"#;

const TLS: &str = r#"
## TLS without files

A TCP listener without `tls_cert_file` has a certificate from a CA of our own, which is made once: `tls/ca.pem`
beside the store is what clients pin. The certificate is for `localhost`, `127.0.0.1`, `::1`, the host's
name, the listener's address, the host of `api_addr` and `tls_names`; it is made anew at each start and
every day, lasts 90 days and never touches the disk. A client that speaks plain HTTP to a TLS port gets one
line that says so.
"#;

/// The whole page.
pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    let foreign = FOREIGN_STORAGE
        .iter()
        .map(|kind| format!("`{kind}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let _ = writeln!(page, "\nRefused by name: {foreign}.");
    page.push_str(SEALS);
    page.push_str(TLS);
    for block in Block::ALL {
        let _ = write!(
            page,
            "\n## Keys: {}\n\n| Key | Effect | |\n|---|---|---|\n",
            block.title()
        );
        for key in keys::all().filter(|key| key.block == block) {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} |",
                key.name,
                effect(key.effect),
                key.text
            );
        }
    }
    page.push_str("\n## Budgets: both kinds of listener\n\nWhat a peer may cost before anybody knows who it is.\n\n| Key | Default | From | To | |\n|---|---|---|---|---|\n");
    for budget in keys::budgets() {
        let amount = |value| keys::amount(budget.unit, value);
        let (least, most) = budget.range;
        let default = budget.get(&Limits::default());
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            budget.name,
            amount(default),
            amount(least),
            amount(most),
            budget.why
        );
    }
    let _ = writeln!(
        page,
        "\nFixed: {} headers and {} query parameters a request, no compressed bodies, {} HTTP/2 streams a connection, and {} of a body\nthat never wait for the memory of large ones.",
        Limits::HEADERS,
        Limits::PARAMETERS,
        Limits::default().streams,
        keys::amount(Unit::Bytes, Limits::FREE_BODY as u64)
    );
    page.push_str(&variables());
    page
}

/// The section about the environment.
fn variables() -> String {
    let mut text = "\n## Environment\n\nUnder the prefixes `BAO_` and `VAULT_`; a variable wins over the files, a flag over both.\n\n".to_owned();
    for (names, what) in READ {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "- {}: {what}", names.join(", "));
    }
    let idle: Vec<_> = IDLE.iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(
        text,
        "\nDocumented for Vault or OpenBao and without effect here, which one warning says of those that are set: {}.",
        idle.join(", ")
    );
    text
}

const fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Honoured => "honoured",
        Effect::None => "none",
        Effect::Refused => "refused",
        Effect::RefusedIfSet => "refused if set",
    }
}
