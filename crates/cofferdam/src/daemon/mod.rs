//! Servers in the background: what `cofferdam up` starts and `cofferdam down` stops.
//!
//! Who runs is asked of the kernel, not of files: the peer credentials of a socket name the process
//! that listens on it. Files with process ids are only for people.

pub(crate) mod docker;
pub(crate) mod initialize;
pub(crate) mod process;

use crate::cli::Failure;
use crate::config::{Listener, Log, Resolved, SealKind, Security, Storage, foreign};
use crate::files;
use cofferdam_api::places::{self, Environment};
use cofferdam_api::{Client, Endpoint, Trust};
use cofferdam_server::tls::{Clients, Oldest};
use cofferdam_server::{Fronts, Limits};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Everything that belongs to one server of `up`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Store, CA, logs; 0700.
    pub(crate) data: PathBuf,
    /// Where root and the owner are admin.
    pub(crate) socket: PathBuf,
    /// Where everybody else connects, with TLS.
    pub(crate) listen: SocketAddr,
    /// Key of the machine's seal; `None`: its usual place.
    pub(crate) seal_key: Option<PathBuf>,
}

impl Home {
    /// The usual places, where nothing else was asked for. Paths become absolute: the server in the
    /// background has another working directory.
    pub(crate) fn new(
        data: Option<PathBuf>,
        socket: Option<PathBuf>,
        listen: Option<SocketAddr>,
        seal_key: Option<PathBuf>,
        environment: Environment<'_>,
    ) -> Result<Self, Failure> {
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|error| {
                Failure::usage(format!("not a usable path: {} ({error})", path.display()))
            })
        };
        Ok(Self {
            data: absolute(data.unwrap_or_else(|| places::data_dir(environment)))?,
            socket: absolute(socket.unwrap_or_else(|| places::socket(environment)))?,
            listen: listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 8200))),
            seal_key: seal_key.map(absolute).transpose()?,
        })
    }

    /// Makes the data directory, or refuses one that is not ours to use.
    pub(crate) fn prepare(&self) -> Result<(), Failure> {
        let shown = self.data.display();
        files::private_directory(&self.data).map_err(|error| {
            Failure::local(format!("cannot use {shown} as data directory: {error}"))
                .hint("choose another with -data=DIRECTORY")
        })?;
        match foreign(&self.data) {
            Some(found) => Err(
                Failure::local(format!("{shown} holds something else: {found}"))
                    .hint("choose an empty directory with -data=DIRECTORY"),
            ),
            None => Ok(()),
        }
    }

    /// The server's log, appended to.
    pub(crate) fn log(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// The file audit device that `up` enables.
    pub(crate) fn audit(&self) -> PathBuf {
        self.data.join("audit.log")
    }

    /// What clients pin.
    pub(crate) fn ca(&self) -> PathBuf {
        self.data.join("tls/ca.pem")
    }

    /// The configuration that these places mean.
    pub(crate) fn resolved(&self, log: Log) -> Resolved {
        let tcp = Listener::Tcp {
            address: self.listen,
            security: Security::Own {
                names: Vec::new(),
                oldest: Oldest::default(),
                clients: Clients::default(),
            },
            fronts: Fronts::default(),
            limits: Limits::default(),
        };
        let local = Listener::Unix {
            path: self.socket.clone(),
            mode: 0o600,
            limits: Limits::default(),
        };
        Resolved {
            listeners: vec![tcp, local],
            storage: Storage::Embedded {
                path: self.data.clone(),
            },
            former_seal: None,
            seal: SealKind::Machine {
                key_file: self.seal_key.clone(),
            },
            api_addr: None,
            cluster_name: None,
            lock_memory: true,
            default_lease_ttl: None,
            max_lease_ttl: None,
            log,
            pid_file: Some(self.data.join("server.pid")),
        }
    }

    /// A client on the local socket, with the kernel's word as its only credential.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(
            Endpoint::Socket(self.socket.clone()),
            Trust::default(),
            None,
        )?)
    }

    /// The process that listens on the local socket.
    pub(crate) fn server(&self) -> Option<process::Process> {
        process::listening_on(&self.socket)
    }
}

/// `a` as an argument of the server in the background.
pub(crate) fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(format!("--{name}="));
    flag.push(path);
    flag
}
