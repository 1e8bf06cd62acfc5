//! The vault on HTTP: TLS, sockets, budgets, shutdown
