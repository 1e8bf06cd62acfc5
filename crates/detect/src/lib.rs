//! Finds secret values in plain places
