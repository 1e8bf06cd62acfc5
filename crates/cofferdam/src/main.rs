//! The executable: see `cli`.
fn main() {}
