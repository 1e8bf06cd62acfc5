//! What carries secrets into containers: Docker plugins and builds.

pub mod docker;
