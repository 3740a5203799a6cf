//! Matrix libraries at the products of training steps, in f32:
//! `cargo run --release --manifest-path benches/matrix/Cargo.toml`.
//!
//! GFLOP/s, median over rounds in which all take turns. With two threads, "cut" is the engine's way:
//! each thread computes one block of the output with the library on one thread. "rayon" is the
//! library's own. The last column tells whether one thread, blocks and rayon give the same bits.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const ROUNDS: usize = 25;
/// Floating-point operations of one measurement.
const OPERATIONS: f64 = 2e8;

/// A network by its batch size and its units.
type Network = (&'static str, usize, &'static [usize]);

const NETWORKS: [Network; 4] = [
    ("A", 32, &[784, 128, 10]),
    ("B", 128, &[784, 128, 10]),
    ("C", 1024, &[784, 128, 10]),
    ("D", 256, &[784, 1024, 1024, 10]),
];

/// First element, elements between rows, elements between columns.
#[derive(Clone, Copy)]
struct Matrix {
    start: *const f32,
    strides: [isize; 2],
}

impl Matrix {
    fn transposed(self) -> Self {
        let [rows, columns] = self.strides;
        Matrix { strides: [columns, rows], ..self }
    }

    fn from(self, row: usize, column: usize) -> Self {
        let [rows, columns] = self.strides;
        let offset = row as isize * rows + column as isize * columns;
        Matrix { start: self.start.wrapping_offset(offset), ..self }
    }
}

/// `[rows, depth] · [depth, columns]`, row-major, written to where the result begins.
#[derive(Clone, Copy)]
struct Product {
    size: [usize; 3],
    left: Matrix,
    right: Matrix,
    result: *mut f32,
    stride: isize,
}

// SAFETY: the threads of this program write different blocks of the result, and outlive nothing.
unsafe impl Send for Product {}
unsafe impl Sync for Product {}

type Library = unsafe fn(&Product);

unsafe fn matrixmultiply(product: &Product) {
    let &Product { size: [m, k, n], left, right, result, stride } = product;
    let ([rsa, csa], [rsb, csb]) = (left.strides, right.strides);
    // SAFETY: the caller's matrices have these sizes.
    unsafe {
        let (a, b) = (left.start, right.start);
        matrixmultiply::sgemm(m, k, n, 1.0, a, rsa, csa, b, rsb, csb, 0.0, result, stride, 1);
    }
}

unsafe fn by_gemm(product: &Product, parallelism: gemm::Parallelism) {
    let &Product { size: [m, k, n], left, right, result, stride } = product;
    let ([rsa, csa], [rsb, csb]) = (left.strides, right.strides);
    // SAFETY: the caller's matrices have these sizes.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            result,
            1,
            stride,
            false,
            left.start,
            csa,
            rsa,
            right.start,
            csb,
            rsb,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

unsafe fn gemm_alone(product: &Product) {
    // SAFETY: the caller's matrices have these sizes.
    unsafe { by_gemm(product, gemm::Parallelism::None) }
}

unsafe fn gemm_rayon(product: &Product) {
    // SAFETY: the caller's matrices have these sizes.
    unsafe { by_gemm(product, gemm::Parallelism::Rayon(2)) }
}

/// What faer computes with on this architecture. It has no portable path.
#[cfg(target_arch = "x86_64")]
unsafe fn private_gemm(product: &Product) {
    use private_gemm_x86::{Accum, DType, DstKind, IType, InstrSet};
    use std::ptr::null;
    let &Product { size: [m, k, n], left, right, result, stride } = product;
    let ([rsa, csa], [rsb, csb]) = (left.strides, right.strides);
    let one = 1f32;
    // SAFETY: the caller's matrices have these sizes, and `main` has looked for AVX-512.
    unsafe {
        private_gemm_x86::gemm(
            DType::F32,
            IType::U64,
            InstrSet::Avx512,
            m,
            n,
            k,
            result.cast(),
            stride,
            1,
            null(),
            null(),
            DstKind::Full,
            Accum::Replace,
            left.start.cast(),
            rsa,
            csa,
            false,
            null(),
            0,
            right.start.cast(),
            rsb,
            csb,
            false,
            (&raw const one).cast(),
            1,
        );
    }
}

/// The blocks of two threads: the longer side of the result is cut.
fn halves(product: &Product) -> [Product; 2] {
    let [rows, depth, columns] = product.size;
    let down = rows >= columns;
    let half = (if down { rows } else { columns }).div_ceil(2).next_multiple_of(16);
    let half = half.min(if down { rows } else { columns });
    let sizes = match down {
        true => [[half, depth, columns], [rows - half, depth, columns]],
        false => [[rows, depth, half], [rows, depth, columns - half]],
    };
    let (row, column) = if down { (half, 0) } else { (0, half) };
    let offset = row as isize * product.stride + column as isize;
    let second = Product {
        size: sizes[1],
        left: product.left.from(row, 0),
        right: product.right.from(0, column),
        result: product.result.wrapping_offset(offset),
        ..*product
    };
    [Product { size: sizes[0], ..*product }, second]
}

/// Seconds for one product on the calling thread.
fn alone(library: Library, product: &Product, times: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        // SAFETY: the matrices of `main` have the sizes of the product.
        unsafe { library(product) };
    }
    start.elapsed().as_secs_f64() / times as f64
}

/// The same in two blocks on two threads, which wait for each other after each product.
fn cut(library: Library, product: &Product, times: usize) -> f64 {
    let parts = halves(product);
    let done = AtomicUsize::new(0);
    let run = |part: &Product| {
        for time in 1..=times {
            // SAFETY: as above, and the blocks do not overlap.
            unsafe { library(part) };
            done.fetch_add(1, Ordering::AcqRel);
            while done.load(Ordering::Acquire) < 2 * time {
                std::hint::spin_loop();
            }
        }
    };
    std::thread::scope(|scope| {
        let (run, [first, second]) = (&run, &parts);
        scope.spawn(move || run(second));
        let start = Instant::now();
        run(first);
        start.elapsed().as_secs_f64() / times as f64
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn values(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(next).collect()
}

/// A way to compute a product: its name, the library, whether in blocks.
type Way = (&'static str, Library, bool);

/// Whether all ways of a library leave the same bits.
fn same_bits(ways: &[&Way], product: &Product, length: usize) -> &'static str {
    let result = |&&(_, library, in_blocks): &&Way| {
        match in_blocks {
            true => cut(library, product, 1),
            false => alone(library, product, 1),
        };
        // SAFETY: `product.result` begins a vector of this length.
        unsafe { std::slice::from_raw_parts(product.result, length) }.to_vec()
    };
    let results: Vec<Vec<f32>> = ways.iter().map(result).collect();
    if results.windows(2).all(|pair| pair[0] == pair[1]) { "yes" } else { "no" }
}

fn main() {
    let mut ways: Vec<Way> = vec![
        ("matrixmultiply", matrixmultiply, false),
        ("matrixmultiply, cut", matrixmultiply, true),
        ("gemm", gemm_alone, false),
        ("gemm, cut", gemm_alone, true),
        ("gemm, rayon", gemm_rayon, false),
    ];
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        ways.push(("private-gemm-x86", private_gemm, false));
    }
    let names: Vec<&str> = ways.iter().map(|way| way.0).collect();
    println!("| product | {} | same bits: matrixmultiply, gemm |", names.join(" | "));
    println!("|---|{}---|", "---|".repeat(ways.len()));
    for (network, rows, units) in NETWORKS {
        let mut total = vec![0.0; ways.len()];
        let mut operations = 0.0;
        for (layer, pair) in units.windows(2).enumerate() {
            let [inputs, units] = [pair[0], pair[1]];
            let stride = units.next_multiple_of(4);
            let (x, w) = (values(rows * inputs, 1), values(inputs * stride, 2));
            let g = values(rows * stride, 3);
            let view = |data: &[f32], stride: usize| Matrix {
                start: data.as_ptr(),
                strides: [stride as isize, 1],
            };
            let (left, weight, gradient) = (view(&x, inputs), view(&w, stride), view(&g, stride));
            let mut products = vec![
                ("forward", [rows, inputs, units], left, weight, stride),
                ("weight gradient", [inputs, rows, units], left.transposed(), gradient, stride),
            ];
            if layer > 0 {
                let size = [rows, units, inputs];
                products.push(("input gradient", size, gradient, weight.transposed(), inputs));
            }
            for (name, size, left, right, stride) in products {
                let [m, k, n] = size;
                let mut result = vec![0f32; m * stride];
                let result_start = result.as_mut_ptr();
                let product =
                    Product { size, left, right, result: result_start, stride: stride as isize };
                let work = 2.0 * (m * k * n) as f64;
                let times = ((OPERATIONS / work) as usize).max(1);
                let mut seconds = vec![Vec::new(); ways.len()];
                for _ in 0..ROUNDS {
                    for ((_, library, in_blocks), seconds) in ways.iter().zip(&mut seconds) {
                        seconds.push(match in_blocks {
                            true => cut(*library, &product, times),
                            false => alone(*library, &product, times),
                        });
                    }
                }
                operations += work;
                let medians: Vec<f64> = seconds.into_iter().map(median).collect();
                total.iter_mut().zip(&medians).for_each(|(total, seconds)| *total += seconds);
                let rates: Vec<String> =
                    medians.iter().map(|seconds| format!("{:.0}", work / seconds / 1e9)).collect();
                let bits = ["matrixmultiply", "gemm"].map(|library| {
                    let own: Vec<&Way> = ways
                        .iter()
                        .filter(|way| way.0.split(',').next() == Some(library))
                        .collect();
                    same_bits(&own, &product, result.len())
                });
                let title = format!("{network}: {name} [{m},{k}]·[{k},{n}]");
                println!("| {title} | {} | {} |", rates.join(" | "), bits.join(", "));
            }
        }
        let rates: Vec<String> =
            total.iter().map(|seconds| format!("{:.0}", operations / seconds / 1e9)).collect();
        println!("| {network}, all | {} | |", rates.join(" | "));
    }
}
