//! The vault on HTTP: TLS, sockets, budgets, shutdown.
//!
//! Promises: nothing a peer sends before it is authenticated costs more than the table in
//! [`limits`] says; a handler that panics answers 500 and the process goes on; a change that began
//! is finished even if its client hangs up; the local socket tells the vault who is at the other
//! end, from the kernel and from nothing else.
//!
//! This room knows nothing of mounts, policies or tokens: it turns HTTP into a
//! [`cofferdam_core::Arrival`] and an [`cofferdam_core::Answer`] into HTTP. Start reading at
//! [`http`], then [`listen`].

pub mod door;
pub mod fronts;
pub mod http;
pub mod lifecycle;
pub mod limits;
pub mod listen;
pub mod tls;

pub use door::{Answered, Door};
pub use fronts::Fronts;
pub use lifecycle::{Bound, Drained, Running, bind};
pub use limits::Limits;
pub use listen::{Listen, ListenError, Local};
