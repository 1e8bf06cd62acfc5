//! Docker: plugins, builds, leak sources
