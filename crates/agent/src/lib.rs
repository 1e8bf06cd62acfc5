//! The workload side: fetch, files on tmpfs, supervise
