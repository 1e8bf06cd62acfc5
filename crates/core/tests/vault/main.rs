//! The vault in process, over the memory store: the whole pipeline without a socket.

mod audit;
mod harness;
mod seal;
mod sys;
mod tokens;
mod wrapping;
