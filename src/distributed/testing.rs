//! What the tests of this folder share: gradients, their sum by the definition, and processes as threads.

use super::tree::{Then, after_shard, slots};
use super::{InProcess, Process};

/// The gradients of a shard: numbers of many sizes, some that vanish in others, subnormal ones, and zeros of
/// both signs. So another order of additions has other bits.
pub(super) fn gradients(shard: usize, length: usize) -> Vec<f32> {
    let number = |element: usize| {
        let mut bits = (shard as u64) << 32 | element as u64;
        for _ in 0..3 {
            bits = (bits ^ bits >> 29).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let bits = bits >> 16;
        let sign_and_digits = bits as u32 & 0x807f_ffff;
        let exponent = match element % 5 {
            // Subnormal numbers and the least normal ones.
            0 => (bits >> 32) as u32 % 3,
            _ => 120 + (bits >> 32) as u32 % 12,
        };
        let zero = bits >> 40 & 15 == 0;
        f32::from_bits(if zero {
            sign_and_digits & 1 << 31
        } else {
            sign_and_digits | exponent << 23
        })
    };
    (0..length).map(number).collect()
}

/// By the definition, not by [`add_normal`](crate::number::add_normal).
pub(super) fn plain_sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    let normal = |x: f32| if x.is_subnormal() || x == 0.0 { 0.0 } else { x };
    a.iter().zip(b).map(|(&a, &b)| normal(normal(a) + normal(b))).collect()
}

/// The sum of the gradients of `present` shards, node by node as the [tree](super::tree) is defined.
pub(super) fn tree_sum(present: usize, length: usize) -> Vec<f32> {
    fn node(level: u32, index: usize, present: usize, length: usize) -> Option<Vec<f32>> {
        let Some(below) = level.checked_sub(1) else {
            return (index < present).then(|| gradients(index, length));
        };
        let left = node(below, 2 * index, present, length)?;
        Some(match node(below, 2 * index + 1, present, length) {
            Some(right) => plain_sum(&left, &right),
            None => left,
        })
    }
    node(6, 0, present, length).unwrap()
}

/// What a process emits.
pub(super) fn partials(
    process: Process,
    shards: usize,
    present: usize,
    length: usize,
) -> Vec<Vec<f32>> {
    let own = process.shards(shards);
    let mut kept = vec![Vec::new(); slots(&own)];
    let mut emitted = Vec::new();
    for shard in own.start..own.end.min(present) {
        let after = after_shard(shard, present, &own);
        let mut sum = gradients(shard, length);
        after.joins.iter().for_each(|&level| sum = plain_sum(&kept[level], &sum));
        match after.then {
            Then::Keep(level) => kept[level] = sum,
            Then::Emit => emitted.push(sum),
        }
    }
    emitted
}

/// What `run` returns in each of `count` processes, by rank.
pub(super) fn in_threads<T: Send>(count: usize, run: impl Fn(InProcess) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let run = &run;
        let start = |transport| scope.spawn(move || run(transport));
        let threads: Vec<_> = InProcess::group(count).into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub(super) fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|number| number.to_bits()).collect()
}
