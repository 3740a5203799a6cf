//! Waiting on the caller's thread: what every blocking method of a model goes through.

/// Runs `future` to its end.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    crate::gpu::block_on(future)
}
