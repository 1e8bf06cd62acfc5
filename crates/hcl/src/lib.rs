//! HCL version 1 and JSON, as Vault reads them
