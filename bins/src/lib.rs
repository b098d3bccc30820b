//! Corelog's binaries share these modules.
