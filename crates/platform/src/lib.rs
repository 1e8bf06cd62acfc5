//! What carries secrets into containers: Docker plugins and builds.

pub mod build;
pub mod compose;
pub mod docker;
