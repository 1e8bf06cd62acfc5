//! What systemd and a service say to each other: sockets that are there before us, and states.
//!
//! A socket that systemd holds (`sd_listen_fds(3)`) stays connectable while we are away: at boot
//! before the first request, and over every restart. States go the other way (`sd_notify(3)`). Both
//! are a few variables of the environment and one datagram; without systemd nothing here happens.

pub(crate) mod notify;
mod sockets;

pub(crate) use sockets::Inherited;
