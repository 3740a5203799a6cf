//! The three matrix kernels of a dense layer, each form of them against one output a thread
//! (`naive/`): `cargo bench --bench gemm [-- --batch-size N --inputs N --units N --json]`. A GPU that is
//! told no sizes also multiplies matrices of 4096x4096.
//!
//! The forms take turns in every round, so that other load meets them all; the rate is the median
//! over the rounds, the ratio the median of each round's. Each result is checked first.

use std::time::Instant;

use std::collections::HashMap;

use minibatch::gpu::adapter_class;
use minibatch::operation::activation::Elementwise;
use minibatch::operation::kernel::Target;
use minibatch::operation::{
    Adapter, AdapterClass, DenseBackwardInput, DenseBackwardWeights, DenseForward, Dispatch,
    Kernel, MatrixForm, Op,
};
use minibatch::random::{Random, Stream};
use minibatch::table::{Element, Role, Rows, Table};
use wgpu::util::DeviceExt;

const ROUNDS: usize = 9;
const SIZES: [&str; 3] = ["--batch-size", "--inputs", "--units"];
/// Each measurement lasts about so long.
const SECONDS: f64 = 0.15;
/// Elements of each product that are compared, spread over it: of a large one all would take long.
const MOST_CHECKED: usize = 20_000;

pub(crate) struct Sizes {
    pub rows: usize,
    pub inputs: usize,
    pub units: usize,
}

impl Sizes {
    /// Floating-point operations of each of the three products.
    pub(crate) fn flops(&self) -> f64 {
        2.0 * (self.rows * self.inputs * self.units) as f64
    }
}

/// How fast a form of a product is.
pub(crate) struct Rate {
    pub product: &'static str,
    pub form: &'static str,
    /// Median seconds of a dispatch.
    pub seconds: f64,
    /// How many times as fast as the naive form: the median of each round's.
    pub to_naive: f64,
}

/// One of the three products, with its operands and what it must give.
struct Product {
    name: &'static str,
    naive: &'static str,
    /// The operation, on buffers of the sizes in this table.
    op: Op,
    table: Table,
    /// Rows and columns of what the naive kernel makes.
    result: [usize; 2],
    /// Storage buffers in binding order; what the kernel writes is empty here, with its length.
    buffers: Vec<(Vec<f32>, usize)>,
    /// Which buffer holds the product.
    output: usize,
    /// Some of its elements: where they lie, and what they must be.
    expected: Vec<(usize, f64)>,
}

impl Product {
    fn dispatch(&self, form: MatrixForm) -> Dispatch {
        let adapter = Adapter::with_form(form);
        let target = Target { table: &self.table, adapter, conversions: &HashMap::new() };
        self.op.dispatch(&target).unwrap()
    }
}

fn products(sizes: &Sizes) -> Vec<Product> {
    let &Sizes { rows, inputs, units } = sizes;
    let mut random = Random::new(0, Stream::Shuffle(0));
    let mut values = |length: usize| -> (Vec<f32>, usize) {
        ((0..length).map(|_| random.range(-1.0, 1.0) as f32).collect(), length)
    };
    let output = |length: usize| (Vec::new(), length);
    let (input, gradient) = (values(rows * inputs), values(rows * units));
    let (weight, bias) = (values(inputs * units), values(units));
    let sum =
        |rows: usize, columns: usize, terms: usize, term: &dyn Fn(usize, usize, usize) -> f64| {
            let cell = |i: usize| (0..terms).map(|k| term(i / columns, i % columns, k)).sum();
            // Odd, so that it meets all columns of a power of two.
            let step = (rows * columns).div_ceil(MOST_CHECKED) | 1;
            (0..rows * columns).step_by(step).map(|i| (i, cell(i))).collect::<Vec<(usize, f64)>>()
        };
    let (x, g, w, b) = (&input.0, &gradient.0, &weight.0, &bias.0);
    let mut forward = sum(rows, units, inputs, &|row, unit, k| {
        f64::from(x[row * inputs + k]) * f64::from(w[k * units + unit])
    });
    for (i, value) in &mut forward {
        *value = (*value + f64::from(b[*i % units])).max(0.0);
    }
    let backward_weights = sum(inputs, units, rows, &|k, unit, row| {
        f64::from(x[row * inputs + k]) * f64::from(g[row * units + unit])
    });
    let mut backward_input = sum(rows, inputs, units, &|row, k, unit| {
        f64::from(g[row * units + unit]) * f64::from(w[k * units + unit])
    });
    for (i, value) in &mut backward_input {
        *value = if x[*i] > 0.0 { *value } else { 0.0 };
    }
    let mut table = Table::new();
    let mut row = |name: &str, columns: usize| table.activation(name, columns).unwrap();
    let (input_id, output_id) = (row("input", inputs), row("output", units));
    let (by_output, by_input) = (row("output_gradient", units), row("input_gradient", inputs));
    let mut parameter = |name: &str, rows: Rows| {
        table.add(name, Role::Parameter, Element::Real, rows, units).unwrap()
    };
    let (weight_id, bias_id) =
        (parameter("weight", Rows::Fixed(inputs)), parameter("bias", Rows::One));
    let by_weight = parameter("weight_gradient", Rows::Fixed(inputs));
    let by_bias = parameter("bias_gradient", Rows::One);
    let activation = Elementwise::Relu;
    let forward_op = DenseForward {
        input: input_id,
        weight: weight_id,
        bias: bias_id,
        output: output_id,
        activation,
    };
    let backward_weights_op = DenseBackwardWeights {
        input: input_id,
        output_gradient: by_output,
        weight_gradient: by_weight,
        bias_gradient: by_bias,
    };
    let backward_input_op = DenseBackwardInput {
        output_gradient: by_output,
        weight: weight_id,
        input: input_id,
        input_gradient: by_input,
        activation,
    };
    vec![
        Product {
            name: "forward",
            naive: include_str!("naive/dense_forward.wgsl"),
            op: forward_op.into(),
            table: table.clone(),
            result: [rows, units],
            buffers: vec![input.clone(), weight.clone(), bias, output(rows * units)],
            output: 3,
            expected: forward,
        },
        Product {
            name: "backward weights",
            naive: include_str!("naive/dense_backward_weights.wgsl"),
            op: backward_weights_op.into(),
            table: table.clone(),
            result: [inputs, units],
            buffers: vec![input.clone(), gradient.clone(), output(inputs * units), output(units)],
            output: 2,
            expected: backward_weights,
        },
        Product {
            name: "backward input",
            naive: include_str!("naive/dense_backward_input.wgsl"),
            op: backward_input_op.into(),
            table,
            result: [rows, inputs],
            buffers: vec![gradient, weight, input, output(rows * inputs)],
            output: 3,
            expected: backward_input,
        },
    ]
}

/// A form of a product, ready to be dispatched.
struct Form {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
    output: wgpu::Buffer,
    /// Dispatches that take about [`SECONDS`].
    dispatches: usize,
}

impl Form {
    fn naive(device: &wgpu::Device, product: &Product, sizes: &Sizes) -> Form {
        let kernel = product.dispatch(MatrixForm::Register).kernel;
        // The naive kernels take the same declarations; only the file of the kernel itself differs.
        let shared = kernel.text.split_last().map_or(&[][..], |(_, shared)| shared);
        let source = [shared.join("\n"), product.naive.into()].join("\n");
        let [height, width] = product.result;
        let groups = [height.div_ceil(8) as u32, width.div_ceil(8) as u32, 1];
        Form::new(device, "naive", source, kernel, groups, product, sizes)
    }

    fn of(device: &wgpu::Device, form: MatrixForm, product: &Product, sizes: &Sizes) -> Form {
        let Dispatch { kernel, grid, .. } = product.dispatch(form);
        let groups = grid.workgroups(sizes.rows as u32);
        Form::new(device, form.name(), kernel.source(), kernel, groups, product, sizes)
    }

    fn new(
        device: &wgpu::Device,
        name: &'static str,
        source: String,
        kernel: Kernel,
        workgroups: [u32; 3],
        product: &Product,
        sizes: &Sizes,
    ) -> Form {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        };
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        // SAFETY: the sizes that the kernels go by are those of the buffers made below.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let buffer = |ty| wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        let uniforms = [wgpu::BufferBindingType::Uniform; 2];
        let storage = kernel
            .bindings
            .iter()
            .map(|access| wgpu::BufferBindingType::Storage { read_only: access.is_read() });
        let entries: Vec<_> = (0u32..)
            .zip(uniforms.into_iter().chain(storage))
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: buffer(ty),
                count: None,
            })
            .collect();
        let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &entries,
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&group)],
            immediate_size: 0,
        });
        let constants: Vec<_> = kernel.overrides().collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        let init = |contents: &[u8], usage| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents,
                usage,
            })
        };
        let &Sizes { rows, inputs, units } = sizes;
        // As in shared/step.wgsl and shared/dense.wgsl; what these kernels do not read is 0.
        let inverse_rows = (1.0 / rows as f32).to_bits();
        let step = [rows as u32, 1, 0, inverse_rows, 0, 0, 0, 0, 0, inverse_rows, 0, 0];
        let shape = [inputs as u32, units as u32, 1f32.to_bits(), 0, 0, 0, 0, 0];
        let mut buffers: Vec<_> = [&step[..], &shape]
            .map(|words| init(bytemuck::cast_slice(words), wgpu::BufferUsages::UNIFORM))
            .into();
        buffers.extend(product.buffers.iter().map(|(values, length)| {
            let mut values = values.clone();
            values.resize(*length, f32::NAN);
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            init(bytemuck::cast_slice(&values), usage)
        }));
        let entries: Vec<_> = (0u32..)
            .zip(&buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &group,
            entries: &entries,
        });
        let output = buffers[2 + product.output].clone();
        Form { name, pipeline, bindings, workgroups, output, dispatches: 1 }
    }

    /// Seconds for one dispatch.
    fn time(&self, device: &wgpu::Device, queue: &wgpu::Queue) -> f64 {
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        let [x, y, z] = self.workgroups;
        for _ in 0..self.dispatches {
            pass.dispatch_workgroups(x, y, z);
        }
        drop(pass);
        let commands = encoder.finish();
        let start = Instant::now();
        queue.submit([commands]);
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the device works");
        start.elapsed().as_secs_f64() / self.dispatches as f64
    }

    /// Refuses to measure a kernel that computes something else.
    fn check(&self, device: &wgpu::Device, queue: &wgpu::Queue, product: &Product) {
        let target = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: self.output.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&self.output, 0, &target, 0, self.output.size());
        queue.submit([encoder.finish()]);
        target.map_async(wgpu::MapMode::Read, .., |result| result.expect("mapped"));
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the device works");
        let view = target.get_mapped_range(..).expect("mapped");
        let actual: &[f32] = bytemuck::cast_slice(&view);
        for &(i, expected) in &product.expected {
            let actual = actual[i];
            let error = (f64::from(actual) - expected).abs();
            let bound = 1e-3 + 1e-4 * expected.abs();
            let (form, name) = (self.name, product.name);
            // Written so that NaN fails.
            assert!(error <= bound, "{name}, {form}: [{i}] is {actual}, expected {expected}");
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Every form of each product that the adapter can run.
pub(crate) fn measure(sizes: &Sizes) -> (wgpu::AdapterInfo, Vec<Rate>) {
    let (adapter, device, queue) = pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..Default::default()
        };
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&options)
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        let descriptor = wgpu::DeviceDescriptor {
            required_features: adapter.features() & wgpu::Features::SUBGROUP,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.expect("a device");
        (adapter.get_info(), device, queue)
    });
    let class = adapter_class(&adapter, device.features());
    let mut kinds = MatrixForm::ALL.to_vec();
    kinds.retain(|&form| class == AdapterClass::SoftwareSubgroups || form != MatrixForm::Subgroup);

    let mut results = Vec::new();
    for product in products(sizes) {
        let mut forms = vec![Form::naive(&device, &product, sizes)];
        forms.extend(kinds.iter().map(|&form| Form::of(&device, form, &product, sizes)));
        for form in &mut forms {
            form.time(&device, &queue);
            form.check(&device, &queue, &product);
            let once = form.time(&device, &queue);
            form.dispatches = (SECONDS / once).clamp(1.0, 10_000.0) as usize;
        }
        let rounds: Vec<Vec<f64>> = (0..ROUNDS)
            .map(|_| forms.iter().map(|form| form.time(&device, &queue)).collect())
            .collect();
        for (i, form) in forms.iter().enumerate() {
            results.push(Rate {
                product: product.name,
                form: form.name,
                seconds: median(rounds.iter().map(|round| round[i]).collect()),
                to_naive: median(rounds.iter().map(|round| round[0] / round[i]).collect()),
            });
        }
    }
    (adapter, results)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let size = |flag: &str, default: usize| {
        let value = arguments.iter().position(|argument| argument == flag).map(|i| i + 1);
        let given = value.and_then(|i| arguments.get(i)).map(|text| text.parse().expect(flag));
        let value = given.unwrap_or(default);
        assert!(value > 0 && value % 4 == 0, "{flag} must be a multiple of 4 here");
        value
    };
    let told = Sizes {
        rows: size(SIZES[0], 128),
        inputs: size(SIZES[1], 784),
        units: size(SIZES[2], 128),
    };
    let json = arguments.iter().any(|argument| argument == "--json");
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into());
    let before = load();
    let (adapter, results) = measure(&told);
    let mut measured = vec![(told, results)];
    let sizes_given = arguments.iter().any(|argument| SIZES.contains(&argument.as_str()));
    if adapter.device_type != wgpu::DeviceType::Cpu && !sizes_given {
        let large = Sizes { rows: 4096, inputs: 4096, units: 4096 };
        let (_, results) = measure(&large);
        measured.push((large, results));
    }

    let driver = format!("{} {}", adapter.driver, adapter.driver_info);
    if json {
        let of = |(sizes, results): &(Sizes, Vec<Rate>)| {
            let rate = |rate: &Rate| {
                serde_json::json!({
                    "product": rate.product, "form": rate.form,
                    "microseconds": rate.seconds * 1e6,
                    "gflops": sizes.flops() / rate.seconds / 1e9,
                    "ratio_to_naive": rate.to_naive,
                })
            };
            serde_json::json!({
                "batch_size": sizes.rows, "inputs": sizes.inputs, "units": sizes.units,
                "results": results.iter().map(rate).collect::<Vec<_>>(),
            })
        };
        let report = serde_json::json!({
            "adapter": adapter.name, "driver": driver, "rounds": ROUNDS,
            "load_before": before.trim(), "load_after": load().trim(),
            "sizes": measured.iter().map(of).collect::<Vec<_>>(),
        });
        println!("{report:#}");
        return;
    }
    println!("{} ({driver})", adapter.name);
    println!("median of {ROUNDS} rounds in turn; load average before: {}", before.trim());
    for (sizes, results) in &measured {
        let Sizes { rows, inputs, units } = sizes;
        println!("{rows} samples, {inputs} inputs, {units} units");
        println!(
            "{:<18} {:<15} {:>12} {:>10} {:>9}",
            "product", "form", "us", "GFLOP/s", "to naive"
        );
        for Rate { product, form, seconds, to_naive } in results {
            println!(
                "{product:<18} {form:<15} {:>12.1} {:>10.2} {to_naive:>8.1}x",
                seconds * 1e6,
                sizes.flops() / seconds / 1e9
            );
        }
    }
}
