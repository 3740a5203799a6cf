//! Panics of code that is not ours, as errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `call`; where it panics, the error is the panic's message.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        text.unwrap_or_else(|| "without a message".into())
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_told_by_its_message() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| -> u8 { panic!("a text") }), Err("a text".to_owned()));
        let number = 3;
        assert_eq!(caught(|| -> u8 { panic!("number {number}") }), Err("number 3".to_owned()));
        let other = || -> u8 { std::panic::panic_any(3.5) };
        assert_eq!(caught(other), Err("without a message".to_owned()));
    }
}
