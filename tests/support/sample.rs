//! Which of many broken kernels are tried: all of them, or a sample where an adapter is slow.
//!
//! With `MINIBATCH_MUTATIONS=N` the first mistake and each N-th after it are tried, in the order in which
//! they are listed. All of them are tried on Mesa's llvmpipe; the sample tells whether the suite notices
//! mistakes on a slow adapter as well.

/// Whether the mistake of that number is part of the sample.
pub(crate) fn is_tried(number: usize) -> bool {
    let every = std::env::var("MINIBATCH_MUTATIONS");
    let every: usize =
        every.map_or(1, |every| every.parse().expect("MINIBATCH_MUTATIONS is a number"));
    number.is_multiple_of(every)
}
