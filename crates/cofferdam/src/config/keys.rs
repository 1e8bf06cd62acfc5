//! Every key that Vault or OpenBao documents for a server, and what it does here.
//!
//! One table: the reader warns and refuses by it, and the documentation is printed from it. Its rows
//! stand in a file for each block.

mod listener;
mod seal;
mod storage;
mod top;

pub(crate) use storage::FOREIGN_STORAGE;

use cofferdam_server::limits::{self, Unit};

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Outside of all blocks.
    Top,
    /// `listener "tcp"`.
    Tcp,
    /// `listener "unix"`.
    Unix,
    /// `storage`, of any kind.
    Storage,
    /// `seal`, of any kind.
    Seal,
}

impl Block {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::Top, Self::Tcp, Self::Unix, Self::Storage, Self::Seal];

    /// As it is written.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Top => "top level",
            Self::Tcp => "listener \"tcp\"",
            Self::Unix => "listener \"unix\"",
            Self::Storage => "storage",
            Self::Seal => "seal",
        }
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// What Vault documents, or what its text says.
    Honoured,
    /// Nothing; a warning says why.
    None,
    /// The server does not start with it, because ignoring it would promise something untrue.
    Refused,
    /// As [`Self::Refused`], unless it is false, zero or empty, which is what we do anyway.
    RefusedIfSet,
}

/// One row.
pub(crate) struct Key {
    pub(crate) block: Block,
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    pub(crate) text: &'static str,
}

const fn key(block: Block, name: &'static str, effect: Effect, text: &'static str) -> Key {
    Key {
        block,
        name,
        effect,
        text,
    }
}

/// The table. Budgets of listeners come on top: see [`budgets`].
pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
    [top::ROWS, listener::ROWS, storage::ROWS, seal::ROWS]
        .into_iter()
        .flatten()
}

/// Budgets that both kinds of listener take.
pub(crate) fn budgets() -> &'static [limits::Budget] {
    limits::TABLE
}

/// The row of a key.
pub(crate) fn find(block: Block, name: &str) -> Option<&'static Key> {
    all().find(|key| key.block == block && key.name == name)
}

/// Whether a listener takes this name as a budget.
pub(crate) fn is_budget(block: Block, name: &str) -> bool {
    matches!(block, Block::Tcp | Block::Unix) && budgets().iter().any(|budget| budget.name == name)
}

/// A budget's number as people read it.
pub(crate) fn amount(unit: Unit, value: u64) -> String {
    match unit {
        Unit::Count => value.to_string(),
        Unit::Seconds => format!("{value}s"),
        Unit::Bytes if value >= 1 << 20 && value.is_multiple_of(1 << 20) => {
            format!("{} MiB", value >> 20)
        }
        Unit::Bytes if value.is_multiple_of(1 << 10) => format!("{} KiB", value >> 10),
        Unit::Bytes => format!("{value} bytes"),
    }
}
