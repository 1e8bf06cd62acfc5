//! What carries secrets into containers: Docker plugins and builds; and the record of it.

pub mod build;
pub mod compose;
pub mod docker;
pub mod fix;
pub mod record;
