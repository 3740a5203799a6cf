//! Rows in the host's buffers: the kernel that puts them in their places, against plain Rust.

#[path = "support/host.rs"]
mod host;

use std::sync::Arc;

use half::f16;
use host::Host;
use minibatch::gpu::{DeviceElement, DeviceRows, ShaderEdit, block_on};
use minibatch::model::{Input, Objective};
use minibatch::program::{Buffer, BufferId, Element, Pass, Reals, Role};
use minibatch::{
    Activation, Adam, DeviceColumns, Error, Functional, Gpu, Loss, Model, Precision, Sequential,
};

/// Samples in the host's buffers.
const SAMPLES: u32 = 23;
/// Rows of a step, and those beyond it, which nothing may be written to.
const ROWS: u32 = 7;
const GUARD_ROWS: u32 = 3;
const POISON: u32 = 0x7fc0_dead;

/// Two inputs, floats whose rows are padded and bytes, and two outputs: six columns with the weights of
/// samples.
fn model(gpu: &Gpu) -> Model {
    let mut model = Functional::new();
    let floats = model.input("floats", 5);
    let pixels = model.input("pixels", Input::pixels(&[3, 9]));
    let hidden = model.dense(pixels, 4, Activation::Relu);
    let both = model.concatenate([floats, hidden]);
    let classes = model.dense(both, 3, Activation::Softmax);
    model.output("class", classes);
    let values = model.dense(both, 6, Activation::Linear);
    model.output("values", values);
    let class = Objective::new(Loss::SparseCategoricalCrossentropy);
    let values = Objective::new(Loss::MeanSquaredError);
    model.compile(Adam::default(), [("class", class), ("values", values)]).build(gpu).unwrap()
}

/// Bytes without a pattern that a mistake could keep.
fn noise(seed: u32) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    })
}

/// A column of the host's: rows of `values` values, `stride` bytes apart from byte `offset` on.
#[derive(Clone, Copy)]
struct Shape {
    element: DeviceElement,
    offset: usize,
    stride: usize,
}

struct Column {
    bytes: Vec<u8>,
    shape: Shape,
    rows: DeviceRows,
}

impl Column {
    fn new(host: &Host, values: usize, shape: Shape, seed: u32, most: Option<u32>) -> Self {
        let Shape { element, offset, stride } = shape;
        let row = values * element.bytes() as usize;
        let size = offset + (SAMPLES as usize - 1) * stride + row;
        let mut bytes: Vec<u8> = noise(seed).take(size).collect();
        if let Some(most) = most {
            // Indices of classes.
            for row in 0..SAMPLES {
                let at = offset + row as usize * stride;
                let label = (row * 5 + row / 3) % most;
                let size = element.bytes() as usize;
                bytes[at..at + size].copy_from_slice(&label.to_le_bytes()[..size]);
            }
        }
        let rows = DeviceRows::new(&host.buffer_of(&bytes), SAMPLES)
            .element(element)
            .offset(offset as u64)
            .stride(stride as u64);
        Column { bytes, shape, rows }
    }

    /// The bits of a value as they stand in the host's buffer.
    fn bits(&self, row: u32, value: usize) -> u32 {
        let Shape { element, offset, stride } = self.shape;
        let size = element.bytes() as usize;
        let at = offset + row as usize * stride + value * size;
        let mut word = [0; 4];
        word[..size].copy_from_slice(&self.bytes[at..at + size]);
        u32::from_le_bytes(word)
    }

    fn float(&self, row: u32, value: usize) -> f32 {
        let bits = self.bits(row, value);
        match self.shape.element {
            DeviceElement::F32 => f32::from_bits(bits),
            DeviceElement::F16 => f16::from_bits(bits as u16).to_f32(),
            DeviceElement::U8 | DeviceElement::U32 => bits as f32,
        }
    }

    /// The bytes that a row becomes in `buffer`.
    fn placed(&self, buffer: &Buffer, row: u32) -> Vec<u8> {
        let value = |value: usize| -> Vec<u8> {
            let bits = self.bits(row, value);
            match (buffer.element, buffer.reals) {
                (Element::U8, _) => vec![bits as u8],
                (Element::U32 | Element::Sparse { .. }, _) => bits.to_le_bytes().into(),
                (Element::Real, Reals::Half) if self.shape.element == DeviceElement::F16 => {
                    (bits as u16).to_le_bytes().into()
                }
                (Element::Real, Reals::Half) => {
                    f16::from_f32(self.float(row, value)).to_le_bytes().into()
                }
                // NaN stays the NaN that it was.
                (Element::Real, Reals::Full) if self.shape.element == DeviceElement::F32 => {
                    bits.to_le_bytes().into()
                }
                (Element::Real, Reals::Full) => self.float(row, value).to_le_bytes().into(),
            }
        };
        let mut bytes: Vec<u8> = (0..buffer.columns).flat_map(value).collect();
        bytes.resize(buffer.stride() * buffer.element_bytes(), 0);
        bytes
    }
}

/// What is given in one trial: floats, pixels, classes, values, weights of both outputs or of none; the
/// first numbers of the index buffer; the first row of the step.
struct Trial {
    floats: Shape,
    pixels: Shape,
    class: Shape,
    values: Shape,
    weights: Option<[Shape; 2]>,
    indices: Option<Shape>,
    first: u32,
}

fn trials() -> Vec<Trial> {
    use DeviceElement::{F16, F32, U8, U32};
    let shape = |element, offset, stride| Shape { element, offset, stride };
    vec![
        // One column after the other, without gaps.
        Trial {
            floats: shape(F32, 0, 20),
            pixels: shape(U8, 0, 27),
            class: shape(U32, 0, 4),
            values: shape(F32, 0, 24),
            weights: None,
            indices: None,
            first: 0,
        },
        // Whole vertices: values somewhere in a larger struct.
        Trial {
            floats: shape(F16, 2, 18),
            pixels: shape(U8, 3, 31),
            class: shape(U8, 5, 3),
            values: shape(F16, 262, 14),
            weights: Some([shape(F32, 8, 12), shape(F16, 6, 2)]),
            indices: None,
            first: 16,
        },
        // Rows by their numbers, some of which are there twice; rows that overlap.
        Trial {
            floats: shape(U32, 300, 4),
            pixels: shape(U8, 1, 1),
            class: shape(U32, 12, 8),
            values: shape(U8, 7, 6),
            weights: Some([shape(U8, 1, 5), shape(U32, 4, 4)]),
            indices: Some(shape(U32, 8, 12)),
            first: 5,
        },
        Trial {
            floats: shape(U8, 513, 5),
            pixels: shape(U8, 2, 28),
            class: shape(U8, 0, 1),
            values: shape(U32, 4, 28),
            weights: Some([shape(F16, 0, 4), shape(F32, 4, 4)]),
            indices: Some(shape(U32, 256, 4)),
            first: 0,
        },
    ]
}

/// Numbers of rows: the first, the last, one twice, and some that are too large.
const NUMBERS: [u32; 14] = [3, 22, 0, 22, 7, 7, 1, 4_000_000_000, 23, 9, 21, u32::MAX, 0, 12];

/// Whether a step finds its rows in their places, the padding zero, and nothing written beyond.
fn finds_its_rows(host: &Host, model: &mut Model, trial: &Trial) -> bool {
    let column = |values, shape, seed, most| Column::new(host, values, shape, seed, most);
    let floats = column(5, trial.floats, 1, None);
    let pixels = column(27, trial.pixels, 2, None);
    let class = column(1, trial.class, 3, Some(3));
    let values = column(6, trial.values, 4, None);
    let weights = trial
        .weights
        .map(|[class, values]| [column(1, class, 5, None), column(1, values, 6, None)]);
    let mut columns = DeviceColumns::new()
        .input("floats", floats.rows.clone())
        .input("pixels", pixels.rows.clone())
        .target("class", class.rows.clone())
        .target("values", values.rows.clone());
    if let Some([class, values]) = &weights {
        columns = columns
            .sample_weight("class", class.rows.clone())
            .sample_weight("values", values.rows.clone());
    }
    if let Some(Shape { element, offset, stride }) = trial.indices {
        let mut bytes: Vec<u8> = noise(7).take(offset + NUMBERS.len() * stride).collect();
        for (place, number) in NUMBERS.iter().enumerate() {
            let at = offset + place * stride;
            bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        let numbers = DeviceRows::new(&host.buffer_of(&bytes), NUMBERS.len() as u32);
        columns =
            columns.indices(numbers.element(element).offset(offset as u64).stride(stride as u64));
    }
    let room = (ROWS + GUARD_ROWS) as usize;
    let bound = block_on(model.bind_rows(columns, room)).unwrap();

    let executor = model.gpu().unwrap();
    let program = Arc::clone(executor.program());
    let fed: Vec<(BufferId, &Buffer)> =
        program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role)).collect();
    for (id, _) in &fed {
        let words = block_on(executor.read_raw(*id, room)).unwrap().len() / 4;
        executor.write_raw(*id, bytemuck::cast_slice(&vec![POISON; words])).unwrap();
    }
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let rows = trial.first..trial.first + ROWS;
    model.record_evaluation_on(&mut encoder, &bound, rows.clone()).unwrap();
    host.queue.submit([encoder.finish()]);

    let number = |place: u32| match trial.indices {
        Some(_) => NUMBERS[place as usize].min(SAMPLES - 1),
        None => place,
    };
    let executor = model.gpu().unwrap();
    fed.iter().all(|&(id, buffer)| {
        let column = match (buffer.role, buffer.name.contains("class")) {
            (Role::Input, _) if buffer.element == Element::U8 => Some(&pixels),
            (Role::Input, _) => Some(&floats),
            (Role::Target, true) => Some(&class),
            (Role::Target, false) => Some(&values),
            (_, is_class) => weights.as_ref().map(|both| &both[usize::from(!is_class)]),
        };
        let row = |place: u32| match column {
            Some(column) => column.placed(buffer, number(place)),
            None => 1f32.to_le_bytes().into(),
        };
        let mut expected: Vec<u8> = rows.clone().flat_map(row).collect();
        let found = block_on(executor.read_raw(id, room)).unwrap();
        let poison = POISON.to_le_bytes();
        while expected.len() < found.len() {
            expected.extend(poison);
        }
        found == expected
    })
}

#[test]
fn the_rows_of_a_step_lie_where_its_kernels_read_them() {
    let host = Host::with_default_limits();
    for checked in [false, true] {
        let mut model = model(&host.gpu().with_checked_shaders(checked));
        for (number, trial) in trials().iter().enumerate() {
            let finds = finds_its_rows(&host, &mut model, trial);
            assert!(finds, "trial {number}, checked: {checked}");
        }
    }
}

/// Mistakes in the kernel: what, a text of it, what stands there instead.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("the row after", "step.first_of_set + row;", "step.first_of_set + row + 1u;"),
    ("always the first rows", "step.first_of_set + row;", "row;"),
    ("numbers without a gap", "first * all.index_words", "first"),
    ("numbers from the beginning", "indices[all.first_index + ", "indices["),
    ("numbers that nobody looks at", "all.index_words > 0u)", "false)"),
    ("numbers where there are none", "all.index_words > 0u)", "true)"),
    ("a number that is too large", "min(number, all.rows - 1u)", "min(number, all.rows)"),
    (
        "the first row for a number that is too large",
        "min(number, all.rows - 1u)",
        "number % all.rows",
    ),
    ("rows from the beginning", "all.columns[column].first_byte + number", "number"),
    ("rows without a gap", "* all.columns[column].row_bytes", "* all.columns[column].values"),
    ("an f16 at a word's beginning", "(8u * (at & 3u))) & 0xffffu", "0u) & 0xffffu"),
    ("a byte at a word's beginning", "(8u * (at & 3u))) & 0xffu", "0u) & 0xffu"),
    ("the rest of a word", "(8u * (at & 3u))) & 0xffu", "(8u * (at & 3u)))"),
    ("one f16 for all", "byte + 2u * number", "byte"),
    ("bytes as f16", "byte + 2u * number", "byte + number"),
    (
        "padding that is not zero",
        "if (word >= values) {\n                return 0u;",
        "if (false) {\n                return 0u;",
    ),
    (
        "padding of bytes that is not zero",
        "let number = 4u * word + i;\n                if (number < values)",
        "let number = 4u * word + i;\n                if (true)",
    ),
    ("bytes in another order", "number) << (8u * i)", "number) << (24u - 8u * i)"),
    ("an f16 without its sign", "let sign = (half & 0x8000u) << 16u;", "let sign = 0u;"),
    ("small f16 as 0", "bitcast<u32>(f32(fraction) * 0x1p-24f)", "0u"),
    ("small f16 too large", "0x1p-24f", "0x1p-23f"),
    ("infinite f16 as numbers", "if (exponent == 31u)", "if (exponent == 32u)"),
    ("another exponent", "(exponent + 112u)", "(exponent + 111u)"),
    ("bits as numbers", "bitcast<u32>(f32(bits))", "bits"),
    ("halves as bits", "case F16: { return float_of_half(bits); }", "case F16: { return bits; }"),
    ("ones that are twos", "0x3f800000u);", "0x40000000u);"),
    ("no ones", "== ONES", "== 5u"),
    (
        "rows beyond the live ones",
        "index >= step.live_rows * row_quads",
        "index >= 2u * step.live_rows * row_quads",
    ),
    (
        "the second column in the place of the first",
        "place_quad(1u, SOURCE_1",
        "place_quad(0u, SOURCE_1",
    ),
    (
        "the third column in the place of the second",
        "place_quad(2u, SOURCE_2",
        "place_quad(1u, SOURCE_2",
    ),
    ("the third column too late", "quad - quads_0 - quads_1)", "quad - quads_0)"),
    ("values of another type", "place_quad(0u, SOURCE_0", "place_quad(0u, SOURCE_1"),
    ("places of another type", "PLACED_1, row", "PLACED_0, row"),
    ("only three words of four", "min(4u * quad + 4u, words)", "min(4u * quad + 3u, words)"),
    ("words beyond the end of a row", "min(4u * quad + 4u, words)", "4u * quad + 4u"),
    (
        "the source of another column",
        "case 1u: { return source_1[word]; }",
        "case 1u: { return source_0[word]; }",
    ),
    (
        "the source of the third column",
        "default: { return source_2[word]; }",
        "default: { return source_1[word]; }",
    ),
];

#[test]
fn a_broken_kernel_is_caught() {
    let host = Host::with_default_limits();
    let plain = host.gpu();
    for &(what, from, to) in MISTAKES {
        let edit: Arc<ShaderEdit> = Arc::new(move |kernel, source: String| {
            if kernel.name != "place" {
                return source;
            }
            assert!(source.contains(from), "the kernel has no {from:?} to break");
            source.replace(from, to)
        });
        let mut model = model(&plain.clone().with_shader_edit(edit));
        let finds = trials().iter().all(|trial| finds_its_rows(&host, &mut model, trial));
        assert!(!finds, "{what} passed");
    }
}

/// What an input of `rows` rows of `columns` floats holds in the model's memory after a prediction.
fn placed_floats(
    host: &Host,
    precision: Precision,
    element: DeviceElement,
    bytes: &[u8],
    [rows, columns]: [usize; 2],
) -> Vec<u8> {
    let mut model = Sequential::new(columns)
        .dense(1, Activation::Linear)
        .compile(Adam::default(), Loss::MeanSquaredError, [])
        .precision(precision)
        .build(&host.gpu())
        .unwrap();
    let given = DeviceRows::new(&host.buffer_of(bytes), rows as u32).element(element);
    let columns = DeviceColumns::new().input("any", given);
    let bound = block_on(model.bind_rows(columns, rows)).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    model.record_prediction_on(&mut encoder, &bound, 0..rows as u32).unwrap();
    host.queue.submit([encoder.finish()]);
    let executor = model.gpu().unwrap();
    let (input, _) = executor.program().of_role(Role::Input).next().unwrap();
    block_on(executor.read_raw(input, rows)).unwrap()
}

#[test]
fn every_f16_becomes_its_f32() {
    let host = Host::with_default_limits();
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let bytes = bytemuck::cast_slice(&halves);
    let placed = placed_floats(&host, Precision::Float32, DeviceElement::F16, bytes, [1024, 64]);
    let placed: Vec<u32> = bytemuck::pod_collect_to_vec(&placed);
    assert_eq!(placed.len(), halves.len());
    for (half, placed) in halves.into_iter().zip(placed) {
        let exact = f16::from_bits(half).to_f64();
        let found = f32::from_bits(placed);
        match exact.is_nan() {
            true => assert!(found.is_nan(), "{half:#x}"),
            false => assert_eq!(f64::from(found).to_bits(), exact.to_bits(), "{half:#x}"),
        }
    }
}

/// Where a model stores its inputs as f16: between any two that follow each other lie the middle and
/// its neighbours, of which each must go to the nearest one, the middle to the even one.
#[test]
fn an_f32_becomes_the_nearest_f16() {
    let adapter = host::adapter();
    if !adapter.features().contains(wgpu::Features::SHADER_F16) {
        return;
    }
    let host = Host::with(wgpu::Features::SHADER_F16, adapter.limits());
    let mut floats = Vec::new();
    let mut expected = Vec::new();
    for half in 0..0x7c00u16 {
        let [below, above] = [half, half + 1].map(|half| f16::from_bits(half).to_f64());
        // What comes after the largest, if it were one.
        let above = if above.is_infinite() { 65_536.0 } else { above };
        let middle = (below + above) / 2.0;
        assert_eq!(f64::from(middle as f32), middle);
        let even = half + half % 2;
        let middle = (middle as f32).to_bits();
        for sign in [0u32, 1] {
            let sign_of = |half: u16| half | (sign as u16) << 15;
            for (float, half) in [(middle - 1, half), (middle, even), (middle + 1, half + 1)] {
                floats.push(float | sign << 31);
                expected.push(sign_of(half));
            }
        }
    }
    let columns = 6;
    let rows = floats.len() / columns;
    let bytes = bytemuck::cast_slice(&floats);
    let placed =
        placed_floats(&host, Precision::MixedFloat16, DeviceElement::F32, bytes, [rows, columns]);
    let placed: Vec<u16> = bytemuck::pod_collect_to_vec(&placed);
    for (row, expected) in placed.chunks(8).zip(expected.chunks(columns)) {
        assert_eq!(row, [expected, &[0, 0]].concat());
    }
}

#[test]
fn rows_that_cannot_be_bound_are_refused() {
    let host = Host::with_default_limits();
    let mut model = model(&host.gpu());
    let device = &host.device;
    let make = |size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let storage = wgpu::BufferUsages::STORAGE;
    let large = make(1000, storage);
    let rows = |count| DeviceRows::new(&large, count);
    let floats = || rows(4);
    let pixels = || rows(4).element(DeviceElement::U8);
    let class = || rows(4).element(DeviceElement::U32);
    let all = || {
        DeviceColumns::new()
            .input("floats", floats())
            .input("pixels", pixels())
            .target("class", class())
            .target("values", floats())
    };
    let mut refused = |columns: DeviceColumns, what: &[&str]| {
        let error = block_on(model.bind_rows(columns, 4)).unwrap_err();
        assert!(matches!(error, Error::Argument { .. } | Error::Shape { .. }), "{error}");
        for what in what {
            assert!(error.to_string().contains(what), "{error}: it does not say {what:?}");
        }
    };
    let with_floats = |floats| {
        DeviceColumns::new()
            .input("floats", floats)
            .input("pixels", pixels())
            .target("class", class())
            .target("values", rows(4))
    };
    refused(DeviceColumns::new(), &["input"]);
    refused(DeviceColumns::new().input("floats", floats()), &["missing", "pixels"]);
    let no_values = DeviceColumns::new().input("floats", floats()).input("pixels", pixels());
    refused(no_values.target("class", class()), &["missing", "values"]);
    refused(all().input("depth", floats()), &["\"depth\"", "floats, pixels"]);
    refused(all().target("depth", floats()), &["\"depth\"", "class, values"]);
    refused(all().sample_weight("depth", floats()), &["\"depth\"", "class, values"]);
    refused(all().input("floats", floats()), &["floats", "twice"]);
    refused(with_floats(rows(0)), &["0"]);
    refused(with_floats(rows(3)), &["3", "4"]);
    refused(with_floats(floats().offset(924)), &["4 of 20 bytes", "924", "1000 bytes"]);
    refused(with_floats(floats().stride(400)), &["400 bytes apart", "1000 bytes"]);
    refused(with_floats(floats().stride(u64::MAX - 3)), &["1000 bytes"]);
    refused(with_floats(floats().offset(2)), &["offset 2", "multiple of 4"]);
    refused(with_floats(floats().stride(22)), &["stride 22", "multiple of 4"]);
    let halves = || floats().element(DeviceElement::F16);
    refused(with_floats(halves().offset(3)), &["offset 3", "multiple of 2"]);
    let copied = DeviceRows::new(&make(1000, wgpu::BufferUsages::COPY_SRC), 4);
    refused(with_floats(copied), &["STORAGE"]);
    // Its last word is not all there.
    let odd = DeviceRows::new(&make(39, storage), 4).element(DeviceElement::U8);
    refused(with_floats(odd.offset(19)), &["39 bytes", "words of 4"]);
    let wide = make(256 << 20, storage);
    let wide = |offset| DeviceRows::new(&wide, 4).stride(44 << 20).offset(offset);
    refused(with_floats(wide(0)), &["138412052 bytes", "134217728"]);
    let most = device.limits().max_storage_buffer_binding_size;
    assert_eq!(most, 134_217_728);

    let pixels_as = |element| {
        let pixels = rows(4).element(element);
        DeviceColumns::new().input("floats", floats()).input("pixels", pixels)
    };
    refused(pixels_as(DeviceElement::F16), &["pixels", "F16", "U8"]);
    let class_as = |element| {
        let all = DeviceColumns::new().input("floats", floats()).input("pixels", pixels());
        all.target("class", rows(4).element(element)).target("values", floats())
    };
    refused(class_as(DeviceElement::F32), &["class", "F32", "U32"]);
    refused(all().indices(rows(4)), &["indices", "F32", "U32"]);
    refused(all().indices(class().stride(0)), &["indices", "stride"]);
    refused(all().indices(class().offset(996)), &["indices", "1000 bytes"]);
    let region = model.binding("floats").unwrap();
    let columns = with_floats(DeviceRows::from(&region));
    let error = block_on(model.bind_rows(columns, 1)).unwrap_err().to_string();
    assert!(error.contains("floats"), "{error}");

    // What could be bound to other limits, and a part of a buffer that is too large as a whole.
    let stride = 30 << 20;
    let part = DeviceRows::new(&make(256 << 20, storage), 4).stride(stride).offset(100 << 20);
    block_on(model.bind_rows(with_floats(part), 4)).unwrap();
    let cpu = Sequential::new(1)
        .dense(1, Activation::Linear)
        .compile(Adam::default(), Loss::MeanSquaredError, [])
        .build(&minibatch::Cpu::new());
    let error = block_on(cpu.unwrap().bind_rows(DeviceColumns::new(), 1)).unwrap_err();
    assert!(error.to_string().contains("CPU"), "{error}");
}
