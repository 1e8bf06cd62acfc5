//! Keys of a seal, of any kind.

use super::Block::Seal;
use super::Effect::{Honoured, None as NoEffect, Refused, RefusedIfSet};
use super::{Key, key};

pub(super) const ROWS: &[Key] = &[
    key(
        Seal,
        "key_file",
        Honoured,
        "of `machine`: where its key is, outside the data directory",
    ),
    key(
        Seal,
        "current_key_id",
        Honoured,
        "of `static`: name of the key that closes",
    ),
    key(
        Seal,
        "current_key",
        Honoured,
        "of `static`: 32 bytes in base64 or hex, or `file://` or `env://` with where they are",
    ),
    key(
        Seal,
        "previous_key_id",
        Honoured,
        "of `static`: name of the key before",
    ),
    key(
        Seal,
        "previous_key",
        Honoured,
        "of `static`: the key before, which still opens",
    ),
    key(
        Seal,
        "address",
        Honoured,
        "of `transit`: the other server; `BAO_ADDR`",
    ),
    key(
        Seal,
        "token",
        Honoured,
        "of `transit`: of the other server; `BAO_TOKEN`, better than the file; renewed when it is used",
    ),
    key(
        Seal,
        "mount_path",
        Honoured,
        "of `transit`: path of its transit engine; `BAO_TRANSIT_SEAL_MOUNT_PATH`",
    ),
    key(
        Seal,
        "key_name",
        Honoured,
        "of `transit`: name of the key; `BAO_TRANSIT_SEAL_KEY_NAME`",
    ),
    key(
        Seal,
        "namespace",
        Honoured,
        "of `transit`: where the other server has namespaces",
    ),
    key(
        Seal,
        "tls_ca_cert",
        Honoured,
        "of `transit`: PEM file of its CA; else the system's",
    ),
    key(
        Seal,
        "tls_server_name",
        Honoured,
        "of `transit`: name in its certificate",
    ),
    key(
        Seal,
        "tls_client_cert",
        Refused,
        "of `transit`: client certificates are not served here",
    ),
    key(
        Seal,
        "tls_client_key",
        Refused,
        "of `transit`: client certificates are not served here",
    ),
    key(
        Seal,
        "tls_skip_verify",
        RefusedIfSet,
        "of `transit`: who is not verified could open nothing, and see everything",
    ),
    key(
        Seal,
        "disable_renewal",
        NoEffect,
        "of `transit`: the token is renewed when it is used, and not in between",
    ),
    key(Seal, "region", Honoured, "of `awskms`; `AWS_REGION`"),
    key(
        Seal,
        "kms_key_id",
        Honoured,
        "of `awskms`: id, ARN or alias; `BAO_AWSKMS_SEAL_KEY_ID`",
    ),
    key(
        Seal,
        "endpoint",
        Honoured,
        "of `awskms`: another address than the region's; `AWS_KMS_ENDPOINT`",
    ),
    key(
        Seal,
        "access_key",
        Honoured,
        "of `awskms`; `AWS_ACCESS_KEY_ID`; the metadata service of clouds is not asked",
    ),
    key(
        Seal,
        "secret_key",
        Honoured,
        "of `awskms`; `AWS_SECRET_ACCESS_KEY`, better than the file",
    ),
    key(
        Seal,
        "session_token",
        Honoured,
        "of `awskms`; `AWS_SESSION_TOKEN`",
    ),
    key(
        Seal,
        "device",
        Honoured,
        "of `tpm`: `/dev/tpmrm0`, or a socket; `COFFERDAM_TPM_SEAL_DEVICE`",
    ),
    key(
        Seal,
        "pcrs",
        Honoured,
        "of `tpm`: registers that the key is bound to, such as `7` or `0,7`; else none; `COFFERDAM_TPM_SEAL_PCRS`",
    ),
    key(
        Seal,
        "credential",
        Honoured,
        "of `systemd-creds`: its name, `cofferdam-seal` else; `COFFERDAM_SYSTEMD_CREDS_SEAL_CREDENTIAL`",
    ),
    key(
        Seal,
        "disabled",
        Honoured,
        "of the seal that the store is moved away from, beside the new one: [Seals](seals.md)",
    ),
    key(
        Seal,
        "priority",
        NoEffect,
        "one seal at a time is served here",
    ),
    key(Seal, "name", NoEffect, "one seal at a time is served here"),
];
