//! The clock that tells how long an epoch takes. The standard library's panics in a browser.

#[cfg(not(target_arch = "wasm32"))]
pub(super) use std::time::Instant;
#[cfg(target_arch = "wasm32")]
pub(super) use web_time::Instant;
