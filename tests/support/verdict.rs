//! What a test says of an operation that the parity suite tried.

use minibatch::parity::Verdict;

pub(crate) fn assert_passed(verdict: &Verdict) {
    assert!(
        verdict.passed(),
        "{}: {} times the bound: {}; stray: {:?}",
        verdict.name,
        verdict.worst.ratio(),
        verdict.worst.place,
        verdict.stray
    );
}
