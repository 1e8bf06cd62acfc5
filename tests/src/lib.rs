//! Harness for whole-binary flows.
