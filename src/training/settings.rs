//! Settings of arguments and callbacks, which all are set in the same way.

/// Makes a method of each line, which sets a field and returns the whole: `patience(epochs: u32):
/// patience = epochs;` is called as `.patience(3)`.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident($value:ident: $type:ty): $($field:ident).+ = $set:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $value: $type) -> Self {
                self.$($field).+ = $set;
                self
            }
        )*
    };
}

pub(super) use settings;
