//! The computed permutation: that it is one, and that it is as random as a drawn one. What is
//! expected comes from the mathematics of uniformly random permutations.

use minibatch::data::Permutation;
use minibatch::random::{Random, Stream};
use minibatch::{BatchOrder, Shuffle};

fn permutation(len: usize, epoch: u32) -> Permutation {
    Permutation::new(len, Random::new(11, Stream::Shuffle(epoch)))
}

fn all(len: usize, epoch: u32) -> Vec<usize> {
    let permutation = permutation(len, epoch);
    (0..len).map(|index| permutation.at(index)).collect()
}

/// Asserts that `counts` are such as draws of equally likely values give, by chi-square. For `k`
/// degrees of freedom it is beyond these bounds with a probability below `e^-20` at either end
/// (Laurent and Massart 2000, lemma 1).
fn assert_uniform(counts: &[u32], what: &str) {
    let draws: f64 = counts.iter().map(|&count| f64::from(count)).sum();
    let expected = draws / counts.len() as f64;
    assert!(expected >= 20.0, "{what}: too few draws for a chi-square");
    let square = |&count: &u32| (f64::from(count) - expected).powi(2) / expected;
    let chi_square: f64 = counts.iter().map(square).sum();
    let (k, x) = (counts.len() as f64 - 1.0, 20.0);
    let (low, high) = (k - 2.0 * (k * x).sqrt(), k + 2.0 * (k * x).sqrt() + 2.0 * x);
    assert!((low..=high).contains(&chi_square), "{what}: {chi_square}, expected {low} to {high}");
}

/// Asserts that a normal variable is within six standard deviations: beyond them in 1 of 5e8.
fn assert_normal(value: f64, mean: f64, variance: f64, what: &str) {
    let deviations = (value - mean) / variance.sqrt();
    assert!(deviations.abs() <= 6.0, "{what}: {value}, {deviations} deviations from {mean}");
}

#[test]
fn each_number_comes_once() {
    let lengths = (0..=300).chain([1000, 4095, 4096, 4097, 60_000, (1 << 20) + 1]);
    for len in lengths {
        for epoch in [0, 1] {
            let mut seen = vec![false; len];
            for number in all(len, epoch) {
                assert!(!std::mem::replace(&mut seen[number], true), "{number} twice of {len}");
            }
        }
    }
}

#[test]
fn beyond_the_end_nothing_is_permuted() {
    for len in [0, 1, 2, 3, 60_000] {
        let permutation = permutation(len, 0);
        assert_eq!((permutation.len(), permutation.is_empty()), (len, len == 0));
        for index in [len, len + 1, usize::MAX] {
            assert_eq!(permutation.at(index), index);
        }
    }
}

#[test]
fn more_numbers_than_any_memory_holds_are_permuted() {
    for len in [(1usize << 48) - 5, usize::MAX] {
        let permutation = permutation(len, 0);
        let numbers: Vec<usize> = (0..50_000).map(|index| permutation.at(index)).collect();
        let distinct: std::collections::HashSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
        let mut sixteenths = [0; 16];
        for number in numbers {
            assert!(number < len);
            sixteenths[(number as u128 * 16 / len as u128) as usize] += 1;
        }
        assert_uniform(&sixteenths, &format!("sixteenths of {len}"));
    }
}

#[test]
fn it_is_a_function_of_seed_and_epoch() {
    assert_eq!(all(1000, 4), all(1000, 4));
    let of = |seed, epoch| {
        let permutation = Permutation::new(1000, Random::new(seed, Stream::Shuffle(epoch)));
        (0..1000).map(|index| permutation.at(index)).collect::<Vec<_>>()
    };
    let orders = [of(0, 0), of(0, 1), of(1, 0), of(1, 1), of(u64::MAX, 0)];
    for (i, one) in orders.iter().enumerate() {
        for other in &orders[i + 1..] {
            // Two random permutations agree in about one place: in ten or more with probability
            // below 1/10!.
            let agreeing = one.iter().zip(other).filter(|(a, b)| a == b).count();
            assert!(agreeing < 10, "{agreeing} places agree");
        }
    }
}

#[test]
fn each_of_a_few_numbers_permutations_is_equally_likely() {
    for len in [2, 3, 4, 5, 6] {
        let permutations: usize = (1..=len).product();
        let mut counts = vec![0; permutations];
        for epoch in 0..100 * permutations as u32 {
            // Lehmer's code numbers the permutations.
            let numbers = all(len, epoch);
            let code = (0..len).fold(0, |code, i| {
                let smaller = numbers[i + 1..].iter().filter(|&&other| other < numbers[i]).count();
                code * (len - i) + smaller
            });
            counts[code] += 1;
        }
        assert_uniform(&counts, &format!("permutations of {len}"));
    }
}

#[test]
fn each_place_gets_each_number_equally_often() {
    for (len, epochs) in [(7, 2000), (16, 2000), (17, 2000), (100, 4000), (200, 8000)] {
        let mut counts = vec![0; len * len];
        for epoch in 0..epochs {
            for (place, number) in all(len, epoch).into_iter().enumerate() {
                counts[place * len + number] += 1;
            }
        }
        for (place, counts) in counts.chunks(len).enumerate() {
            assert_uniform(counts, &format!("place {place} of {len}"));
        }
    }
}

/// Where two places of the same batch lie side by side, batches would hold the same company again
/// and again if pairs were not random.
#[test]
fn each_two_places_get_each_pair_of_numbers_equally_often() {
    let len = 33;
    let pairs = [(0, 1), (0, 2), (0, 16), (3, 7), (15, 16), (31, 32), (0, 32)];
    for (first, second) in pairs {
        let mut counts = vec![0; len * (len - 1)];
        for epoch in 0..40 * (len * (len - 1)) as u32 {
            let permutation = permutation(len, epoch);
            let (a, b) = (permutation.at(first), permutation.at(second));
            counts[a * (len - 1) + if b > a { b - 1 } else { b }] += 1;
        }
        assert_uniform(&counts, &format!("places {first} and {second}"));
    }
}

/// How far apart neighbours come to lie, what numbers remain of a power of two and of which
/// sixteenth they are: linear patterns show here.
#[test]
fn neighbours_of_a_long_permutation_know_nothing_of_each_other() {
    for len in [1usize << 16, 60_000, 100_003] {
        for epoch in 0..10 {
            let numbers = all(len, epoch);
            for distance in [1, 2, 128, 256, 1 << 12] {
                let (mut apart, mut remainders) = (vec![0; 64], vec![0; 64]);
                for (&a, &b) in numbers.iter().zip(&numbers[distance..]) {
                    apart[(b + len - a) % len * 64 / len] += 1;
                    remainders[(b.wrapping_sub(a)) % 64] += 1;
                }
                assert_uniform(&apart, &format!("{distance} apart of {len}, epoch {epoch}"));
                assert_uniform(&remainders, &format!("remainders, {distance} of {len}, {epoch}"));
            }
        }
    }
}

#[test]
fn the_orders_of_two_epochs_know_nothing_of_each_other() {
    let len = 60_000;
    let orders: Vec<_> = (0..8).map(|epoch| all(len, epoch)).collect();
    for (i, one) in orders.iter().enumerate() {
        for other in &orders[i + 1..] {
            let mut counts = vec![0; 64];
            for (&a, &b) in one.iter().zip(other) {
                counts[(b + len - a) % len * 64 / len] += 1;
            }
            assert_uniform(&counts, "shift between epochs");
        }
    }
}

/// Fixed points, ascents, inversions and records, with the means and variances that they have in
/// uniformly random permutations.
#[test]
fn order_statistics_are_those_of_random_permutations() {
    for len in [50usize, 256, 1000, 5000] {
        let n = len as f64;
        let epochs = (200_000 / len).max(50) as u32;
        let (mut fixed, mut ascents, mut inversions, mut records) = (0.0, 0.0, 0.0, 0.0);
        for epoch in 0..epochs {
            let numbers = all(len, epoch);
            fixed += numbers.iter().enumerate().filter(|(place, number)| place == *number).count()
                as f64;
            ascents += numbers.windows(2).filter(|pair| pair[0] < pair[1]).count() as f64;
            inversions += count_inversions(&numbers) as f64;
            let mut largest = None;
            for number in numbers {
                if Some(number) > largest {
                    largest = Some(number);
                    records += 1.0;
                }
            }
        }
        let times = f64::from(epochs);
        let check = |sum: f64, mean: f64, variance: f64, what: &str| {
            assert_normal(sum, times * mean, times * variance, &format!("{what} of {len}"));
        };
        check(fixed, 1.0, 1.0, "fixed points");
        check(ascents, (n - 1.0) / 2.0, (n + 1.0) / 12.0, "ascents");
        let inversions_variance = n * (n - 1.0) * (2.0 * n + 5.0) / 72.0;
        check(inversions, n * (n - 1.0) / 4.0, inversions_variance, "inversions");
        let harmonic = |power: i32| (1..=len).map(|i| (i as f64).powi(-power)).sum::<f64>();
        check(records, harmonic(1), harmonic(1) - harmonic(2), "records");
    }
}

/// Of each number, how many later ones are smaller, by a Fenwick tree.
fn count_inversions(numbers: &[usize]) -> u64 {
    let mut tree = vec![0u64; numbers.len() + 1];
    let mut inversions = 0;
    for &number in numbers.iter().rev() {
        let mut i = number;
        while i > 0 {
            inversions += tree[i];
            i &= i - 1;
        }
        i = number + 1;
        while i < tree.len() {
            tree[i] += 1;
            i += i & i.wrapping_neg();
        }
    }
    inversions
}

#[test]
fn an_order_takes_the_same_memory_for_any_number_of_samples() {
    // It owns nothing but itself: a copy of its bytes would be a copy of it.
    assert!(!std::mem::needs_drop::<BatchOrder>());
    assert!(size_of::<BatchOrder>() <= 1024);
}

#[test]
fn places_samples_and_batches_agree() {
    for shuffle in [Shuffle::Off, Shuffle::Full, Shuffle::Batch] {
        for (samples, batch_size) in [(0, 3), (1, 3), (3, 3), (17, 3), (100, 7), (1000, 128)] {
            let order = BatchOrder::new(samples, batch_size, shuffle, 1, 0);
            let mut refilled = vec![7; 3];
            let mut place = 0;
            for index in 0..order.len() {
                let batch = order.batch(index);
                order.batch_into(index, &mut refilled);
                assert_eq!(refilled, batch);
                assert_eq!(order.batch_len(index), batch.len());
                for sample in batch {
                    assert_eq!(order.sample(place), sample as usize);
                    place += 1;
                }
            }
            assert_eq!(place, samples);
        }
    }
}

#[test]
fn a_refilled_vector_of_a_batchs_capacity_is_not_moved() {
    let order = BatchOrder::new(60_000, 128, Shuffle::Full, 0, 0);
    let mut samples = Vec::with_capacity(128);
    let memory: *const u32 = samples.as_ptr();
    for index in 0..order.len() {
        order.batch_into(index, &mut samples);
        assert_eq!(samples.as_ptr(), memory);
    }
}
