//! Every specialisation of every kernel is valid WGSL, within what a WebGPU device must offer.

use minibatch::gpu::{Kernel, KernelClass};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

fn class(kernel: Kernel) -> Option<KernelClass> {
    match kernel {
        Kernel::DenseForward { class, .. }
        | Kernel::DenseBackwardWeights { class, .. }
        | Kernel::DenseBackwardInput { class, .. } => Some(class),
        _ => None,
    }
}

#[test]
fn every_kernel_is_valid() {
    for kernel in Kernel::all() {
        let source = kernel.source();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)));
        let subgroups = class(kernel) == Some(KernelClass::Subgroup);
        // Nothing beyond WebGPU's core but for the kernels that only run where subgroups exist.
        let capabilities = if subgroups { Capabilities::SUBGROUP } else { Capabilities::empty() };
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        if subgroups {
            validator
                .subgroup_stages(ShaderStages::COMPUTE)
                .subgroup_operations(SubgroupOperationSet::all());
        }
        let info = validator
            .validate(&module)
            .unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)));
        let constants =
            kernel.constants().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        naga::back::pipeline_constants::process_overrides(
            &module,
            &info,
            Some((naga::ShaderStage::Compute, "main")),
            &constants,
        )
        .unwrap_or_else(|error| panic!("{kernel:?}: {error}"));

        let entry = &module.entry_points[0];
        let storage = module
            .global_variables
            .iter()
            .filter(|(_, v)| matches!(v.space, naga::AddressSpace::Storage { .. }))
            .count();
        assert_eq!(storage, kernel.bindings().len(), "{kernel:?}");
        // WebGPU's default limits.
        assert!(storage <= 8, "{kernel:?}");
        assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{kernel:?}");
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let shared: u32 = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == naga::AddressSpace::WorkGroup)
            .map(|(_, v)| layouter[v.ty].size)
            .sum();
        assert!(shared <= 16384, "{kernel:?} uses {shared} bytes of workgroup memory");
    }
}

#[test]
fn the_number_of_workgroups_fits_one_dimension_each() {
    for kernel in Kernel::all() {
        for rows in [1, 7, 60_000, 262_140] {
            for (inputs, units) in [(1, 1), (784, 128), (128, 10), (4096, 4096)] {
                let groups = kernel.workgroups(rows, inputs, units);
                assert!(
                    groups.iter().all(|&n| (1..=65_535).contains(&n)),
                    "{kernel:?} at {rows}, {inputs}, {units}: {groups:?}"
                );
            }
        }
    }
}
