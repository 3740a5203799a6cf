//! The one list of operations: the enum and everything that enumerates it comes from here.

use super::access::{Access, Buffers};
use super::contract::{InParts, Operation};
use super::kernel::{Dispatch, Target};
use super::run::Run;
use super::shapes::Shapes;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::table::{BufferId, Table};

/// Calls a macro with the name of every operation.
macro_rules! for_each_operation {
    ($callback:ident) => {
        $callback! {
            Convert,
            DenseForward,
            SparseForward,
            Activate,
            ActivateBackward,
            Dropout,
            DropoutBackward,
            Softmax,
            SoftmaxBackward,
            Add,
            Concatenate,
            Slice,
            FrequencyEncoding,
            FrequencyEncodingBackward,
            HashGrid,
            LargestGradient,
            HashGridScatter,
            HashGridCollect,
            HashGridBackwardInput,
            GaussianNoise,
            Map,
            RowSum,
            BatchMoments,
            MovingAverage,
            BatchNormalize,
            BatchNormalizeBackward,
            BatchNormalizeBackwardInput,
            LayerNormalize,
            LayerNormalizeBackward,
            LayerNormalizeBackwardInput,
            ActivityPenalty,
            ActivityPenaltyGradient,
            SoftmaxCrossentropy,
            CategoricalCrossentropy,
            PointwiseLoss,
            SampleLoss,
            Argmax,
            TopK,
            PointwiseMetric,
            BinaryHistogram,
            ConfusionMatrix,
            SampleMetric,
            SoftmaxCrossentropyMetric,
            CategoricalCrossentropyMetric,
            Penalty,
            PenaltyGradient,
            DenseBackwardWeights,
            SparseBackwardWeights,
            DenseBackwardInput,
            UnscaleGradients,
            AdjustLossScale,
            SquaredNorm,
            ClipByNorm,
            ClipByValue,
            Accumulate,
            TakeMean,
            KeepShards,
            AddShards,
            AdamUpdate,
            AmsGradUpdate,
            SgdUpdate,
            RmsPropUpdate,
            AdagradUpdate,
        }
    };
}
pub(crate) use for_each_operation;

macro_rules! define {
    ($($name:ident,)+) => {
        /// One operation of a program. B is the batch, I a layer's inputs, U its units.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Op {
            $($name(super::$name),)+
        }

        $(
            impl From<super::$name> for Op {
                fn from(op: super::$name) -> Self {
                    Op::$name(op)
                }
            }
        )+

        impl Op {
            /// The name of every operation.
            pub const NAMES: &[&str] = &[$(super::$name::NAME),+];

            /// The operation's name: that of its kernel and of its CPU function.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Op::$name(_) => super::$name::NAME,)+
                }
            }

            /// What becomes of it where a batch runs in parts.
            pub fn in_parts(&self) -> InParts {
                match self {
                    $(Op::$name(_) => super::$name::IN_PARTS,)+
                }
            }

            /// Shows each buffer in the order of the kernel's bindings.
            pub fn each(&self, see: &mut dyn FnMut(Access, BufferId)) {
                match self {
                    $(Op::$name(op) => op.each(see),)+
                }
            }

            /// The same, to put others in their places.
            pub fn each_mut(&mut self, see: &mut dyn FnMut(Access, &mut BufferId)) {
                match self {
                    $(Op::$name(op) => op.each_mut(see),)+
                }
            }

            /// The buffer that need not be there; `None` for an operation that can have none.
            pub(super) fn optional_mut(&mut self) -> Option<&mut Option<BufferId>> {
                match self {
                    $(Op::$name(op) => op.optional_mut(),)+
                }
            }

            fn check_operation(&self, shapes: &Shapes<'_>) -> Result<()> {
                match self {
                    $(Op::$name(op) => op.check(shapes),)+
                }
            }

            /// Computes it on the CPU.
            pub fn run<T: Real>(&self, on: &Run<'_, T>) {
                match self {
                    $(Op::$name(op) => op.run(on),)+
                }
            }

            /// The dispatch that computes it on a GPU.
            ///
            /// # Errors
            /// [`Error::Argument`] if a size does not fit the kernel's 32 bits.
            pub fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
                let (dispatch, flops) = match self {
                    $(Op::$name(op) => {
                        (op.dispatch(target)?, <super::$name as Operation>::FLOPS)
                    })+
                };
                let shapes = self.shapes(target.table)?;
                Ok(dispatch.with_rows(shapes.reals(), shapes.has_halves()).counted(flops))
            }
        }
    };
}
for_each_operation!(define);

impl Op {
    /// The buffers that it only reads.
    pub fn reads(&self) -> Vec<BufferId> {
        self.buffers(Access::is_read)
    }

    /// The buffers that it writes, and may also read.
    pub fn writes(&self) -> Vec<BufferId> {
        self.buffers(|access| !access.is_read())
    }

    /// The buffers that it takes as full reals or as halves.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn may_be_halves(&self, table: &Table) -> Result<Vec<BufferId>> {
        Ok(self.shapes(table)?.may_be_halves())
    }

    fn shapes<'a>(&self, table: &'a Table) -> Result<Shapes<'a>> {
        let shapes = Shapes::new(table, self.name());
        self.check_operation(&shapes)?;
        Ok(shapes)
    }

    fn buffers(&self, wanted: impl Fn(Access) -> bool) -> Vec<BufferId> {
        let mut found = Vec::new();
        self.each(&mut |access, id| found.extend(wanted(access).then_some(id)));
        found
    }

    /// Whether the shapes and element types of the buffers fit each other, and it neither reads
    /// what it writes nor writes a buffer twice.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Argument`] naming what does not fit.
    pub fn check(&self, table: &Table) -> Result<()> {
        self.shapes(table)?;
        let writes = self.writes();
        let refuse = |what: &str, id: BufferId| {
            let problem = format!("{} {what} {}", self.name(), table.buffer(id).name);
            Err(Error::argument("op", problem))
        };
        if let Some(&both) = self.reads().iter().find(|read| writes.contains(read)) {
            return refuse("reads and writes", both);
        }
        let mut written = writes.iter().enumerate();
        match written.find(|(i, write)| writes.iter().take(*i).any(|other| other == *write)) {
            Some((_, &twice)) => {
                let problem = format!("{} writes {} twice", self.name(), table.buffer(twice).name);
                Err(Error::argument("op", problem))
            }
            None => Ok(()),
        }
    }
}
