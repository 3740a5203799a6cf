//! Every kernel that a parity case runs is valid WGSL, within what a WebGPU device must offer.

#[path = "support/kernels.rs"]
mod kernels;

use kernels::{kernels, place_kernels};
use minibatch::gpu::gather_kernel;
use minibatch::operation::{Kernel, MatrixForm};
use minibatch::parity::{dispatches, forms};
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};

#[test]
fn every_kernel_is_valid() {
    let probes = minibatch::parity::probe::kernels();
    for kernel in
        kernels().into_keys().chain([gather_kernel()]).chain(place_kernels()).chain(probes)
    {
        let source = kernel.source();
        let module = naga::front::wgsl::parse_str(&source)
            .unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)));
        // Nothing beyond WebGPU's core but for the kernels that only run where subgroups exist.
        let mut capabilities = Capabilities::empty();
        capabilities.set(Capabilities::SUBGROUP, kernel.subgroups);
        capabilities.set(Capabilities::SHADER_FLOAT16, kernel.halves);
        let mut validator = Validator::new(ValidationFlags::all(), capabilities);
        if kernel.subgroups {
            validator
                .subgroup_stages(ShaderStages::COMPUTE)
                .subgroup_operations(SubgroupOperationSet::all());
        }
        let info = validator
            .validate(&module)
            .unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&source)));
        let constants = kernel.overrides().map(|(name, value)| (name.to_owned(), value)).collect();
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
        assert_eq!(storage, kernel.bindings.len(), "{kernel:?}");
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
        assert_eq!(kernel.workgroup_bytes(), Some(shared), "{kernel:?}");
    }
}

/// The work of a kernel is counted by the invocations of its workgroups.
#[test]
fn invocations_are_counted_as_the_text_says() {
    for (kernel, dispatch) in kernels() {
        let module = naga::front::wgsl::parse_str(&kernel.source()).unwrap();
        let threads = module.entry_points[0].workgroup_size.iter().product::<u32>();
        assert_eq!(kernel.threads(), Some(threads), "{kernel:?}");
        if let Some(form) = dispatch.arithmetic.form() {
            let workgroup = [Some(threads), kernel.workgroup_bytes()];
            assert_eq!(workgroup, form.workgroup().map(Some), "{kernel:?}");
        }
    }
}

/// The constants that the host uploads are as long as the kernel's struct of them, and each binding
/// is read-only exactly where the operation only reads.
#[test]
fn constants_and_bindings_are_those_of_the_text() {
    for (kernel, dispatch) in kernels() {
        let module = naga::front::wgsl::parse_str(&kernel.source()).unwrap();
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = &variable.binding else { continue };
            match (variable.space, binding.binding) {
                (naga::AddressSpace::Uniform, 1) => {
                    let size = layouter[variable.ty].size as usize;
                    assert_eq!(size.next_multiple_of(16), dispatch.constants.len(), "{kernel:?}");
                }
                (naga::AddressSpace::Storage { access }, binding) => {
                    let writes = access.contains(naga::StorageAccess::STORE);
                    let expected = !kernel.bindings[binding as usize - 2].is_read();
                    assert_eq!(writes, expected, "binding {binding} of {kernel:?}");
                }
                _ => {}
            }
        }
    }
}

/// What a mistake replaces stands in the text of a kernel of its form, or nothing would be broken.
#[test]
fn every_mistake_has_its_text() {
    for form in forms() {
        let kernels: Vec<_> = MatrixForm::ALL
            .into_iter()
            .flat_map(|matrix| {
                let all = dispatches(&form, [7, 5, 3], matrix).unwrap();
                all.into_iter().map(move |dispatch| (matrix, dispatch.kernel))
            })
            .filter(|(_, kernel)| kernel.name == form.operation())
            .collect();
        for mutation in &form.mutations {
            let own = |matrix| mutation.form.is_none_or(|only| only == matrix);
            for (_, kernel) in kernels.iter().filter(|(matrix, _)| own(*matrix)) {
                let (name, from) = (&form.name, mutation.from);
                assert!(kernel.source().contains(from), "{name} has no {from:?} to break");
            }
        }
    }
}

#[test]
fn the_number_of_workgroups_fits_one_dimension_each() {
    for case in forms() {
        for form in MatrixForm::ALL {
            for shape in [[1, 1, 1], [7, 784, 128], [33, 129, 4096]] {
                for dispatch in dispatches(&case, shape, form).unwrap() {
                    for rows in [1, 7, 60_000, 262_140] {
                        let groups = dispatch.grid.workgroups(rows);
                        assert!(
                            groups.iter().all(|&n| (1..=65_535).contains(&n)),
                            "{:?} at {rows} of {shape:?}: {groups:?}",
                            dispatch.kernel
                        );
                    }
                }
            }
        }
    }
}

/// What runs is told by the files themselves: one that no case runs is forgotten.
#[test]
fn every_file_of_shaders_is_part_of_a_kernel() {
    // No case runs this one: `tests/resident.rs` does.
    let probes = minibatch::parity::probe::kernels();
    let kernels: Vec<Kernel> = kernels()
        .into_keys()
        .chain([gather_kernel()])
        .chain(place_kernels())
        .chain(probes)
        .collect();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("shaders")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let used = kernels.iter().any(|kernel| kernel.source().contains(text.trim_end()));
            assert!(used, "no case runs {}", path.display());
        }
    }
    assert!(files > 40, "only {files} files in shaders");
}
