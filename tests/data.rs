//! The order of the samples, the synthetic digits, and the random numbers behind both.

use minibatch::data::{synthetic_digits, synthetic_digits_split};
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, BatchOrder, Cpu, Dataset, Error, Features, Fit, Input, Loss, Metric, Sequential,
    Sgd, Shuffle,
};

fn visited(order: &BatchOrder) -> Vec<u32> {
    (0..order.len()).flat_map(|i| order.batch(i)).collect()
}

#[test]
fn every_sample_comes_once_and_the_last_batch_may_be_smaller() {
    for (samples, size) in [(1, 1), (10, 3), (10, 10), (10, 32), (129, 64)] {
        let order = BatchOrder::new(samples, size, Shuffle::Full, 3, 2);
        assert_eq!(order.len(), samples.div_ceil(size));
        let mut all = visited(&order);
        all.sort_unstable();
        assert_eq!(all, (0..samples as u32).collect::<Vec<_>>());
        let tail = order.batch(order.len() - 1).len();
        assert_eq!(tail, samples - (order.len() - 1) * size);
        assert!(order.batch(order.len()).is_empty());
        assert_eq!((order.samples(), order.batch_len(order.len())), (samples, 0));
        assert_eq!(order.batch_len(usize::MAX), 0);
    }
}

#[test]
fn the_order_is_a_function_of_seed_and_epoch() {
    let order = |seed, epoch| visited(&BatchOrder::new(100, 7, Shuffle::Full, seed, epoch));
    assert_eq!(order(1, 0), order(1, 0));
    assert_ne!(order(1, 0), order(1, 1));
    assert_ne!(order(1, 0), order(2, 0));
    let off = visited(&BatchOrder::new(100, 7, Shuffle::Off, 1, 0));
    assert_eq!(off, (0..100).collect::<Vec<_>>());
}

#[test]
fn batches_are_permuted_whole_and_the_smaller_one_stays_last() {
    let order = |epoch| BatchOrder::new(17, 3, Shuffle::Batch, 0, epoch);
    let mut orders = std::collections::HashSet::new();
    for epoch in 0..20 {
        let order = order(epoch);
        let batches: Vec<Vec<u32>> = (0..order.len()).map(|i| order.batch(i)).collect();
        let mut sorted = batches.clone();
        sorted.sort_unstable();
        let whole: [&[u32]; 6] =
            [&[0, 1, 2], &[3, 4, 5], &[6, 7, 8], &[9, 10, 11], &[12, 13, 14], &[15, 16]];
        assert_eq!(sorted, whole);
        assert_eq!(batches[5], [15, 16]);
        orders.insert(visited(&order));
    }
    // Of 120 permutations; fewer than 12 different ones in 20 have a chance below 1e-4.
    assert!(orders.len() >= 12, "{} orders in 20 epochs", orders.len());
    assert_eq!(visited(&order(4)), visited(&order(4)));
}

#[test]
fn first_places_are_uniform() {
    let mut counts = [0u32; 5];
    for epoch in 0..5000 {
        counts[BatchOrder::new(5, 1, Shuffle::Full, 0, epoch).batch(0)[0] as usize] += 1;
    }
    // Five standard deviations of a binomial(5000, 1/5).
    assert!(counts.iter().all(|&c| (c as f64 - 1000.0).abs() < 5.0 * 28.3), "{counts:?}");
}

fn bytes(set: &Dataset) -> &[u8] {
    match &set.inputs()[0].features {
        Features::U8(pixels) => pixels,
        _ => panic!("digits are bytes"),
    }
}

#[test]
fn a_shorter_set_is_the_beginning_of_a_longer_one() {
    let (short, long) = (synthetic_digits(15, 1).unwrap(), synthetic_digits(40, 1).unwrap());
    assert_eq!(short.labels(), &long.labels()[..15]);
    assert_eq!(bytes(&short), &bytes(&long)[..15 * 28 * 28]);
    assert_eq!((short.classes(), short.sample_shape()), (10, &[28, 28][..]));
    let other = synthetic_digits(15, 2).unwrap();
    assert_ne!(bytes(&short), bytes(&other));
    assert_ne!(short.labels(), other.labels());
}

#[test]
fn classes_are_balanced_and_in_random_order() {
    let set = synthetic_digits(1000, 3).unwrap();
    let mut orders = std::collections::BTreeSet::new();
    for ten in set.labels().chunks(10) {
        let mut sorted = ten.to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<u32>>());
        orders.insert(ten.to_vec());
    }
    assert_eq!(orders.len(), 100);
}

#[test]
fn train_and_test_share_no_sample() {
    let sets = synthetic_digits_split(30, 20, 9).unwrap();
    let all = synthetic_digits(50, 9).unwrap();
    assert_eq!((sets.train.len(), sets.test.len()), (30, 20));
    assert_eq!([sets.train.labels(), sets.test.labels()].concat(), all.labels());
    let images: std::collections::BTreeSet<&[u8]> = bytes(&all).chunks(28 * 28).collect();
    assert_eq!(images.len(), 50);
}

#[test]
fn every_image_has_ink_and_paper() {
    let set = synthetic_digits(500, 4).unwrap();
    for image in bytes(&set).chunks(28 * 28) {
        let bright = image.iter().filter(|&&pixel| pixel > 100).count();
        assert!((20..400).contains(&bright), "{bright} bright pixels");
    }
}

#[test]
fn impossible_numbers_are_refused() {
    for samples in [0, usize::MAX, u32::MAX as usize + 1] {
        assert!(matches!(synthetic_digits(samples, 0), Err(Error::Argument { .. })));
    }
    assert!(synthetic_digits_split(0, 10, 0).is_err());
    assert!(synthetic_digits_split(10, 0, 0).is_err());
}

#[test]
fn streams_and_seeds_differ_and_repeat() {
    let draw = |seed, stream| Random::new(seed, stream).next_u64();
    assert_eq!(draw(7, Stream::Shuffle(3)), draw(7, Stream::Shuffle(3)));
    let all = [
        draw(7, Stream::Shuffle(3)),
        draw(8, Stream::Shuffle(3)),
        draw(7, Stream::Shuffle(4)),
        draw(7, Stream::Digit(3)),
        draw(7, Stream::Initializer(3)),
    ];
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b), "two streams share their numbers");
    }
}

#[test]
fn uniform_has_the_moments_of_the_uniform_distribution() {
    let mut random = Random::new(0, Stream::Initializer(0));
    let n = 100_000;
    let draws: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
    let mean = draws.iter().sum::<f64>() / n as f64;
    let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    // Five standard errors of each.
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / 12.0 / n as f64).sqrt());
    assert!((variance - 1.0 / 12.0).abs() < 5.0 * (1.0 / 180.0 / n as f64).sqrt());
    assert!(draws.iter().all(|x| (0.0..1.0).contains(x)));
}

#[test]
fn below_reaches_each_value_evenly() {
    let mut random = Random::new(1, Stream::Shuffle(0));
    let mut counts = [0u32; 7];
    for _ in 0..70_000 {
        counts[random.below(7) as usize] += 1;
    }
    assert!(counts.iter().all(|&c| (c as f64 - 10_000.0).abs() < 500.0), "{counts:?}");
    assert_eq!(random.below(0), 0);
}

/// What a model predicts for `features` after it has learned from them.
fn learned(features: Features) -> Result<Vec<f32>, Error> {
    let data = Dataset::new(features, &[3], vec![0, 1, 0, 1])?;
    let mut model = Sequential::new(Input::floats(&[3]))
        .dense(2, Activation::Softmax)
        .compile(Sgd::new(0.1), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(&Cpu::new())?;
    model.fit(&data, Fit::new().batch_size(2).epochs(2))?;
    model.predict(&data, minibatch::Predict::new())
}

#[test]
fn halves_and_integers_train_as_the_floats_that_they_stand_for() {
    let integers: Vec<u32> = vec![0, 1, 2, 3, 2048, 5, 6, 7, 8, 9, 10, 11];
    let floats: Vec<f32> = integers.iter().map(|&x| x as f32).collect();
    let halves: Vec<half::f16> = floats.iter().map(|&x| half::f16::from_f32(x)).collect();
    let expected = learned(floats.into()).unwrap();
    assert_eq!(learned(integers.clone().into()).unwrap(), expected);
    assert_eq!(learned(halves.into()).unwrap(), expected);

    let mut too_large = integers;
    too_large[7] = 1 << 24;
    let error = learned(std::sync::Arc::new(too_large).into()).unwrap_err();
    assert!(matches!(&error, Error::Data { place, .. } if place.contains("sample 2")), "{error}");
}
