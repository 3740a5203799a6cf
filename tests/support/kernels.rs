//! The kernels that there are.

use std::collections::HashMap;

use minibatch::DeviceElement;
use minibatch::gpu::place_kernel;
use minibatch::operation::{AdapterClass, Dispatch, Kernel, MatrixForm};
use minibatch::parity::{dispatches, forms, fused_dispatches, fused_forms, fused_shapes};

/// One dispatch of each kernel, whatever adapter this is.
pub(crate) fn kernels() -> HashMap<Kernel, Dispatch> {
    let mut kernels = HashMap::new();
    for case in forms() {
        for form in MatrixForm::ALL {
            for dispatch in dispatches(&case, [7, 5, 3], form).unwrap() {
                kernels.insert(dispatch.kernel.clone(), dispatch);
            }
        }
    }
    for form in fused_forms() {
        for shape in fused_shapes() {
            for dispatch in fused_dispatches(&form, shape, AdapterClass::Hardware).unwrap() {
                kernels.insert(dispatch.kernel.clone(), dispatch);
            }
        }
    }
    kernels
}

/// Those that place one column of each type of values, or of ones, as each type.
pub(crate) fn place_kernels() -> Vec<Kernel> {
    use DeviceElement::{F16, F32, U8, U32};
    let sources = [None, Some(F32), Some(F16), Some(U8), Some(U32)];
    let types = sources.into_iter().flat_map(|source| {
        [F32, F16, U8, U32].map(|placed| [(source, placed), (None, F32), (Some(U8), F16)])
    });
    types.map(|types| place_kernel(&types)).collect()
}
