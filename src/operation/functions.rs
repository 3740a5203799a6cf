//! Functions that one operation can be specialised to.

/// Declares an enum of functions, each with one constant at most. The text of each is the file of
/// its name in a folder below `shaders/`.
macro_rules! functions {
    (
        $(#[$doc:meta])*
        pub enum $functions:ident in $folder:literal {
            $(
                $(#[$function_doc:meta])*
                $name:ident $({ $(#[$constant_doc:meta])* $constant:ident = $tried:literal })?
                    ($label:literal),
            )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub enum $functions {
            $($(#[$function_doc])* $name $({ $(#[$constant_doc])* $constant: f64 })?,)+
        }

        impl $functions {
            /// Each of them, with the constants that the parity suite tries.
            pub const ALL: &[Self] = &[$(Self::$name $({ $constant: $tried })?,)+];

            /// Its name, and that of its file.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name { .. } => $label,)+
                }
            }

            /// Its constant; 0 if it has none.
            pub fn constant(self) -> f64 {
                match self {
                    $(Self::$name $({ $constant })? => {
                        let constants: &[f64] = &[$($constant)?];
                        constants.first().copied().unwrap_or_default()
                    })+
                }
            }

            /// Its text.
            pub fn text(self) -> std::borrow::Cow<'static, str> {
                match self {
                    $(Self::$name { .. } => {
                        $crate::operation::kernel::shader!($folder, "/", $label)
                    })+
                }
            }
        }
    };
}

pub(crate) use functions;
