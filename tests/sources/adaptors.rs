//! What adaptors make of sources.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minibatch::data::{
    Element, Field, Fields, Length, Samples, Source, Values, Visit, synthetic_digits,
};
use minibatch::{Dataset, Error, Features, Targets};

use super::numbers::{Numbers, all, in_pass, numbers, stream};

fn range(range: std::ops::Range<usize>) -> Vec<usize> {
    range.collect()
}

/// The same numbers, read in any order or one after the other.
fn both(len: usize) -> [Source; 2] {
    [numbers(len), stream(Length::Samples(len), len).0]
}

#[test]
fn take_and_skip_cut_what_is_there() {
    for source in both(10) {
        assert_eq!(all(&source.take(4)), range(0..4));
        assert_eq!(all(&source.skip(4)), range(4..10));
        assert_eq!(all(&source.skip(3).take(4)), range(3..7));
        assert_eq!(all(&source.take(99)), range(0..10));
        assert_eq!(all(&source.skip(10)), range(0..0));
        assert_eq!(source.skip(3).take(4).len(), Some(4));
        assert_eq!(source.skip(99).len(), Some(0));
    }
    let (endless, taken) = stream(Length::Endless, usize::MAX);
    let four = endless.take(4);
    assert_eq!((four.len(), four.is_endless()), (Some(4), false));
    assert_eq!(all(&four), range(0..4));
    assert_eq!(taken.load(Ordering::SeqCst), 4, "no more than were asked for");
    // Of batches, batches are counted.
    let batches = numbers(10).batch(3).unwrap();
    assert_eq!(all(&batches.take(2)), range(0..6));
    assert_eq!(all(&batches.skip(2)), range(6..10));
}

#[test]
fn repeat_goes_over_the_samples_again() {
    for source in both(3) {
        assert_eq!(all(&source.repeat(2)), [0, 1, 2, 0, 1, 2]);
        assert_eq!(source.repeat(2).len(), Some(6));
        assert_eq!(all(&source.repeat_forever().take(8)), [0, 1, 2, 0, 1, 2, 0, 1]);
        assert!(source.repeat_forever().is_endless());
    }
    let error = in_pass(&numbers(0).repeat_forever(), &Visit::default(), 2).unwrap_err();
    assert!(error.to_string().contains("no sample to repeat"), "{error}");
}

#[test]
fn concat_interleave_and_zip_join_sources() {
    let odd = |source: &Source| source.skip(5);
    for first in both(3) {
        for second in both(9) {
            let joined = first.concat(&odd(&second)).unwrap();
            assert_eq!(all(&joined), [0, 1, 2, 5, 6, 7, 8]);
            assert_eq!(joined.len(), Some(7));
            let turns = Source::interleave(&[first.clone(), odd(&second)]).unwrap();
            assert_eq!(all(&turns), [0, 5, 1, 6, 2, 7, 8]);
        }
    }
    let other = Fields::new([Field::new("z", Element::F32, &[1])], []).unwrap();
    let other = |length| {
        Source::generator(other.clone(), Length::Samples(length), move |_| {
            let mut next = 0;
            Ok(move |samples: &mut Samples| {
                if let [Values::F32(z)] = samples.columns_mut() {
                    z.push(10.0 * next as f32);
                }
                next += 1;
                Ok(true)
            })
        })
    };
    assert!(matches!(numbers(3).concat(&other(3)), Err(Error::Argument { .. })));
    for first in both(5) {
        for second in [other(4), other(4).cache().unwrap()] {
            let zipped = first.zip(&second).unwrap();
            assert_eq!(zipped.len(), Some(4));
            let mut seen = Vec::new();
            for batch in zipped.batches(3, &Visit::default()).unwrap() {
                let batch = batch.unwrap();
                let (Some(Values::F32(x)), Some(Values::F32(z))) =
                    (batch.input("x"), batch.input("z"))
                else {
                    panic!("the columns of both")
                };
                seen.extend(x.iter().zip(z).map(|(x, z)| (*x, *z)));
            }
            assert_eq!(seen, [(0.0, 0.0), (1.0, 10.0), (2.0, 20.0), (3.0, 30.0)]);
        }
    }
    assert!(numbers(3).zip(&numbers(3)).is_err(), "two inputs of one name");
}

#[test]
fn shards_are_every_nth_sample() {
    for source in both(11) {
        for count in 1..=13 {
            for index in 0..count {
                let shard = source.shard(index, count).unwrap();
                let expected: Vec<usize> = (index..11).step_by(count).collect();
                assert_eq!(shard.len(), Some(expected.len()), "{index} of {count}");
                for batch_size in [1, 2, 100] {
                    let read = in_pass(&shard, &Visit::default(), batch_size).unwrap();
                    assert_eq!(read, expected, "{index} of {count}");
                }
            }
        }
        assert_eq!(all(&source.shard(1, 2).unwrap().shard(2, 3).unwrap()), [5]);
        assert_eq!(all(&source.skip(2).shard(1, 3).unwrap().take(2)), [3, 6]);
        assert_eq!(all(&source.take(6).shard(1, 2).unwrap().repeat(2)), [1, 3, 5, 1, 3, 5]);
    }
    let (endless, taken) = stream(Length::Endless, usize::MAX);
    let shard = endless.shard(2, 3).unwrap();
    assert_eq!((shard.len(), shard.is_endless()), (None, true));
    assert_eq!(all(&shard.take(3)), [2, 5, 8]);
    assert_eq!(taken.load(Ordering::SeqCst), 9, "no more than were needed");
    // Of random access, only the own ones are read.
    let counted = Numbers::new(100);
    assert_eq!(all(&Source::new(counted.clone()).shard(3, 4).unwrap()).len(), 25);
    assert_eq!(counted.count(), 25);
}

#[test]
fn a_shard_needs_a_number_below_that_of_shards() {
    for source in both(5) {
        for (index, count, said) in
            [(0, 0, "0 of 0 shards"), (3, 3, "3 of 3 shards; give 0 to 2"), (7, 1, "7 of 1 shards")]
        {
            let error = source.shard(index, count).unwrap_err();
            assert!(matches!(error, Error::Argument { .. }), "{error:?}");
            assert!(error.to_string().contains(said), "{error}");
        }
        let error = source.batch(2).unwrap().shard(0, 2).unwrap_err();
        assert!(error.to_string().contains("call batch after it"), "{error}");
        let batches = source.shard(1, 2).unwrap().batch(2).unwrap();
        assert_eq!(all(&batches), [1, 3]);
    }
}

/// A shard reads every adaptor's stream by going past some samples: what it reads is what it is in the
/// whole, what is random too, and a map runs for no other sample.
#[test]
fn what_a_shard_goes_past_changes_nothing() {
    let mapped = Arc::new(AtomicUsize::new(0));
    let drawn = |len: usize| {
        let mapped = Arc::clone(&mapped);
        stream(Length::Samples(len), len).0.map(move |sample, random| {
            mapped.fetch_add(1, Ordering::SeqCst);
            if let Some(Values::F32(x)) = sample.input_mut("x") {
                x.iter_mut().for_each(|x| *x += 100.0 * random.below(1000) as f32);
            }
            Ok(())
        })
    };
    let inputs = |source: &Source| -> Vec<f32> {
        let batches = source.batches(4, &Visit::new(3, 2)).unwrap();
        let x = |batch: Samples| match batch.input("x") {
            Some(Values::F32(x)) => x.clone(),
            _ => panic!("no x"),
        };
        batches.flat_map(|batch| x(batch.unwrap())).collect()
    };
    let renamed = Fields::new([Field::new("z", Element::F32, &[1])], []).unwrap();
    let other = numbers(9).map_to(renamed, |from, into, _| {
        into.columns_mut()[0].push_row(from.row(0, 0))?;
        Ok(())
    });
    let forms = [
        ("alone", drawn(13), 1),
        ("take", drawn(13).skip(3).take(8), 1),
        ("concat", drawn(7).concat(&drawn(6)).unwrap(), 1),
        ("interleave", Source::interleave(&[drawn(7), drawn(2), drawn(4)]).unwrap(), 1),
        ("zip", drawn(9).zip(&other).unwrap(), 1),
        ("repeat", drawn(4).repeat(3), 1),
        ("batch", drawn(13).batch(3).unwrap().filter(|_| Ok(true)), 5),
        ("shard", drawn(13).shard(1, 2).unwrap(), 1),
        ("buffer", drawn(13).shuffle_buffer(4).unwrap(), 5),
    ];
    for (name, source, times) in forms {
        mapped.store(0, Ordering::SeqCst);
        let whole = inputs(&source);
        assert_eq!(mapped.swap(0, Ordering::SeqCst), whole.len(), "{name}");
        for index in 0..5 {
            let own: Vec<f32> = whole.iter().copied().skip(index).step_by(5).collect();
            assert_eq!(inputs(&source.shard(index, 5).unwrap()), own, "{name}, {index}");
        }
        // What looks at each sample, or keeps it, needs all of them.
        assert_eq!(mapped.load(Ordering::SeqCst), times * whole.len(), "{name}");
    }
    // Batches are gone past as such.
    let batches = numbers(10).batch(3).unwrap();
    assert_eq!(all(&batches.take(3).skip(1)), range(3..9));
    let again: Vec<usize> = range(9..10).into_iter().chain(0..10).collect();
    assert_eq!(all(&batches.repeat(2).skip(3)), again);
}

#[test]
fn a_filter_reads_no_more_than_it_needs() {
    for source in both(20) {
        let even = source.filter(|sample| {
            let Some(Values::F32(x)) = sample.input("x") else { return Ok(false) };
            Ok((x[0] as usize).is_multiple_of(2))
        });
        assert_eq!(all(&even), [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
        assert_eq!(even.len(), None);
    }
    let (source, taken) = stream(Length::Endless, usize::MAX);
    assert_eq!(all(&source.filter(|_| Ok(true)).take(5)), range(0..5));
    assert_eq!(taken.load(Ordering::SeqCst), 5);
    let failing = numbers(3).filter(|_| Err(Error::data("here", "as told")));
    assert!(in_pass(&failing, &Visit::default(), 2).is_err());
}

#[test]
fn what_map_draws_depends_on_seed_epoch_and_sample_alone() {
    let noisy = |source: &Source| {
        source.map(|sample, random| {
            let drawn = random.below(1000) as f32;
            if let Some(Values::F32(x)) = sample.input_mut("x") {
                x[0] += 1000.0 * drawn;
            }
            if let Some(Values::F32(y)) = sample.target_mut("y") {
                y[0] += 2000.0 * drawn;
            }
            Ok(())
        })
    };
    let read = |source: &Source, seed, epoch, batch| {
        in_pass(source, &Visit::new(seed, epoch), batch).unwrap()
    };
    let [access, stream] = both(50);
    let first = read(&noisy(&access), 1, 0, 7);
    assert_eq!(first, read(&noisy(&access), 1, 0, 50), "whatever is read together");
    assert_eq!(first, read(&noisy(&stream), 1, 0, 3), "also as a stream");
    assert_ne!(first, read(&noisy(&access), 1, 1, 7), "another epoch");
    assert_ne!(first, read(&noisy(&access), 2, 0, 7), "another seed");
    assert_eq!(first[20..], read(&noisy(&access).skip(20), 1, 0, 7)[..], "and whatever is before");
    assert_eq!(first[20..], read(&noisy(&stream).skip(20), 1, 0, 7)[..]);
    let draws: HashSet<usize> = first.iter().map(|number| number / 1000).collect();
    assert!(draws.len() > 40, "samples draw different numbers: {draws:?}");
    assert!(first.iter().enumerate().all(|(place, number)| number % 1000 == place));
}

#[test]
fn an_error_or_panic_of_a_map_names_the_sample() {
    let failing = numbers(9).map(|sample, _| match sample.input("x") {
        Some(Values::F32(x)) if x[0] == 4.0 => panic!("cannot bear four"),
        _ => Ok(()),
    });
    let error = in_pass(&failing, &Visit::default(), 3).unwrap_err().to_string();
    assert!(error.contains("number 4") && error.contains("cannot bear four"), "{error}");
    let longer = numbers(2).map(|sample, _| {
        if let Some(Values::F32(x)) = sample.input_mut("x") {
            x.push(0.0);
        }
        Ok(())
    });
    let error = in_pass(&longer, &Visit::default(), 3).unwrap_err().to_string();
    assert!(error.contains("number 0") && error.contains("\"x\""), "{error}");
}

#[test]
fn map_to_and_map_batch_make_other_samples() {
    let pixels = Fields::new([Field::new("p", Element::U8, &[2])], []).unwrap();
    for source in both(5) {
        let converted = source.map_to(pixels.clone(), |from, into, _| {
            if let (Some(Values::F32(x)), [Values::U8(p)]) = (from.input("x"), into.columns_mut()) {
                p.extend([x[0] as u8, 255 - x[0] as u8]);
            }
            Ok(())
        });
        let batch = converted.batches(9, &Visit::default()).unwrap().next().unwrap().unwrap();
        assert_eq!(batch.columns(), [Values::U8(vec![0, 255, 1, 254, 2, 253, 3, 252, 4, 251])]);
        let error = source.map_batch(|_, _| Ok(())).unwrap_err().to_string();
        assert!(error.contains("call batch before"), "{error}");
        let centred = source.batch(2).unwrap().map_batch(|batch, _| {
            if let Some(Values::F32(x)) = batch.input_mut("x") {
                let mean = x.iter().sum::<f32>() / x.len() as f32;
                x.iter_mut().for_each(|x| *x -= mean);
            }
            Ok(())
        });
        let batches = centred.unwrap().batches(99, &Visit::default()).unwrap();
        let batches: Vec<Samples> = batches.map(Result::unwrap).collect();
        let x: Vec<_> = batches.iter().map(|batch| batch.columns()[0].clone()).collect();
        let half = Values::F32(vec![-0.5, 0.5]);
        assert_eq!(x, [half.clone(), half, Values::F32(vec![0.0])]);
    }
}

#[test]
fn orders_are_permutations_and_functions_of_seed_and_epoch() {
    let sorted = |mut numbers: Vec<usize>| {
        numbers.sort_unstable();
        numbers
    };
    let read = |source: &Source, seed, epoch| in_pass(source, &Visit::new(seed, epoch), 7).unwrap();
    let whole = numbers(100).shuffle().unwrap();
    let [access, pulled] = both(100).map(|source| source.shuffle_buffer(16).unwrap());
    for source in [&whole, &access, &pulled] {
        let order = read(source, 1, 0);
        assert_eq!(sorted(order.clone()), range(0..100));
        assert_ne!(order, range(0..100));
        assert_eq!(order, read(source, 1, 0));
        assert_ne!(order, read(source, 1, 1));
        assert_ne!(order, read(source, 2, 0));
        assert_eq!(source.len(), Some(100));
    }
    assert_eq!(read(&access, 1, 0), read(&pulled, 1, 0));
    // A sample leaves a buffer of 16 no earlier than 16 places before its own.
    let order = read(&access, 1, 0);
    assert!(order.iter().enumerate().all(|(place, number)| number < &(place + 16)));
    // The order does not depend on how many are asked for at a time.
    assert_eq!(order, in_pass(&access, &Visit::new(1, 0), 1).unwrap());
    assert_eq!(all(&numbers(9).shuffle_buffer(0).unwrap()), range(0..9));
    let once = numbers(100).shuffle_once(5).unwrap();
    assert_eq!(read(&once, 1, 0), read(&once, 2, 7));
    let error = stream(Length::Unknown, 3).0.shuffle().unwrap_err().to_string();
    assert!(error.contains("shuffle_buffer"), "{error}");
}

#[test]
fn a_cache_reads_its_source_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for form in 0..2 {
        let source = Numbers::new(20);
        let cached = match form {
            0 => Source::new(source.clone()).cache().unwrap(),
            _ => Source::new(source.clone()).cache_file(file.path()).unwrap(),
        };
        assert_eq!((source.count(), cached.len()), (20, Some(20)));
        assert_eq!(all(&cached), range(0..20));
        assert_eq!(all(&cached.shuffle().unwrap()).len(), 20);
        assert_eq!(source.count(), 20, "it is not read again");
    }
    let stored = stream(Length::Unknown, 5).0.cache().unwrap();
    assert!(!stored.is_stream());
    let error = stream(Length::Endless, usize::MAX).0.cache().unwrap_err().to_string();
    assert!(error.contains("take"), "{error}");
    // A file that shrinks is an error that names it.
    let cached = numbers(20).cache_file(file.path()).unwrap();
    file.as_file().set_len(50).unwrap();
    let error = in_pass(&cached, &Visit::default(), 4).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path == file.path()), "{error}");
}

/// Samples of class 0, but each fifth of class 1.
fn classes(len: u32) -> Source {
    let labels = (0..len).map(|sample| u32::from(sample % 5 == 4)).collect::<Vec<_>>();
    let inputs = (0..len).map(|sample| sample as f32).collect();
    let data = Dataset::new(Features::F32(Arc::new(inputs)), &[1], labels).unwrap();
    data.into()
}

fn labels(source: &Source, visit: &Visit) -> Vec<u32> {
    let batches = source.batches(16, visit).unwrap().map(Result::unwrap);
    let labels = batches.flat_map(|batch| match batch.target("output") {
        Some(Values::U32(labels)) => labels.clone(),
        other => panic!("{other:?}"),
    });
    labels.collect()
}

#[test]
fn parts_for_validation_hold_what_they_promise() {
    let (training, validation) = numbers(10).split_last(0.25).unwrap();
    assert_eq!((all(&training), all(&validation)), (range(0..7), range(7..10)));
    let (first, others) = numbers(10).split_at(4).unwrap();
    assert_eq!((all(&first), all(&others)), (range(0..4), range(4..10)));
    assert!(numbers(10).split_at(10).is_err() && numbers(10).split_at(0).is_err());
    let (training, validation) = numbers(10).split_every(4).unwrap();
    assert_eq!((all(&training), all(&validation)), (vec![0, 1, 2, 4, 5, 6, 8, 9], vec![3, 7]));
    assert_eq!((training.len(), validation.len()), (Some(8), Some(2)));
    let (training, validation) = numbers(5).split_every(2).unwrap();
    assert_eq!((all(&training), all(&validation)), (vec![0, 2, 4], vec![1, 3]));
    let (training, validation) = numbers(5).split_every(5).unwrap();
    assert_eq!((all(&training), all(&validation)), (range(0..4), vec![4]));
    assert!(numbers(5).split_every(1).is_err() && numbers(5).split_every(6).is_err());
    assert!(stream(Length::Samples(9), 9).0.split_every(3).is_err());
    for folds in [2, 3, 10] {
        let mut held_out = Vec::new();
        for (training, validation) in numbers(10).k_folds(folds).unwrap() {
            let (mut training, validation) = (all(&training), all(&validation));
            held_out.extend(validation.clone());
            training.extend(validation);
            training.sort_unstable();
            assert_eq!(training, range(0..10));
        }
        assert_eq!(held_out, range(0..10));
    }
    assert!(numbers(10).k_folds(1).is_err() && numbers(10).k_folds(11).is_err());
    let (training, validation) = classes(100).split_stratified(0.25).unwrap();
    let visit = Visit::default();
    let ones = |source| labels(source, &visit).iter().sum::<u32>();
    assert_eq!((training.len(), validation.len()), (Some(75), Some(25)));
    assert_eq!((ones(&training), ones(&validation)), (15, 5));
    assert_eq!(all(&numbers(9).select(vec![8, 0, 0]).unwrap()), [8, 0, 0]);
    assert!(numbers(9).select(vec![9]).is_err());
}

#[test]
fn balance_draws_each_class_as_often() {
    let balanced = classes(100).balance().unwrap();
    let visit = Visit::new(3, 0);
    assert_eq!(balanced.len(), Some(100));
    assert_eq!(labels(&balanced, &visit).iter().sum::<u32>(), 50);
    // Of the 20 samples of class 1, each comes two or three times.
    let mut times = vec![0; 100];
    for batch in balanced.batches(10, &visit).unwrap() {
        let batch = batch.unwrap();
        let Some(Values::F32(x)) = batch.input("input") else { panic!("floats") };
        x.iter().for_each(|x| times[*x as usize] += 1);
    }
    for (sample, times) in times.iter().enumerate() {
        let expected = if sample % 5 == 4 { 2..=3 } else { 0..=1 };
        assert!(expected.contains(times), "sample {sample} came {times} times");
    }
    assert!(stream(Length::Unknown, 3).0.balance().is_err());
}

#[test]
fn weights_become_a_column() {
    let weights = |source: &Source| {
        let batch = source.batches(99, &Visit::default()).unwrap().next().unwrap().unwrap();
        match batch.columns().last() {
            Some(Values::F32(weights)) => weights.clone(),
            other => panic!("{other:?}"),
        }
    };
    let given = numbers(3).weights(vec![0.5, 2.0, 0.0]).unwrap();
    assert_eq!(weights(&given), [0.5, 2.0, 0.0]);
    assert_eq!(weights(&given.weights_of("y", vec![1.0, 2.0, 3.0]).unwrap()), [1.0, 2.0, 3.0]);
    let by_class = classes(6).class_weights(&[(1, 4.0)]).unwrap();
    assert_eq!(weights(&by_class), [1.0, 1.0, 1.0, 1.0, 4.0, 1.0]);
    assert!(given.class_weights(&[(1, 4.0)]).is_err(), "not both");
    for refused in [vec![1.0], vec![1.0, f32::NAN, 1.0]] {
        assert!(numbers(3).weights(refused).is_err());
    }
    assert!(numbers(3).weights_of("z", vec![1.0; 3]).is_err());
}

#[test]
fn a_set_in_memory_is_a_source_of_its_own_bytes() {
    let digits = synthetic_digits(20, 0).unwrap();
    let source = Source::from(&digits);
    assert_eq!(source.len(), Some(20));
    let batch = source.batches(20, &Visit::default()).unwrap().next().unwrap().unwrap();
    let expected: Vec<u8> =
        (0..20).flat_map(|sample| digits.sample(sample).unwrap().input(0).to_vec()).collect();
    assert_eq!(batch.columns()[0], Values::U8(expected));
    assert_eq!(batch.columns()[1], Values::U32(digits.labels().to_vec()));
    let weighted = Dataset::new(
        Features::F32(Arc::new(vec![1.0, 2.0])),
        &[1],
        Targets::values(vec![3.0, 4.0], 1),
    );
    let weighted = weighted.unwrap().with_sample_weights(vec![5.0, 6.0]).unwrap();
    let batch = Source::from(weighted).batches(9, &Visit::default()).unwrap().next();
    let columns = batch.unwrap().unwrap().columns().to_vec();
    let floats = |values: &[f32]| Values::F32(values.to_vec());
    assert_eq!(columns, [floats(&[1.0, 2.0]), floats(&[3.0, 4.0]), floats(&[5.0, 6.0])]);
}

#[test]
fn images_are_shifted_by_each_distance_alike_and_by_none_twice_in_a_row() {
    // One bright pixel in the middle of 9x9 tells how far an image was moved.
    let images = 2000;
    let mut pixels = vec![0u8; images * 81];
    pixels.iter_mut().skip(40).step_by(81).for_each(|pixel| *pixel = 1);
    let data = Dataset::unlabelled(Features::U8(pixels.into()), &[9, 9]).unwrap();
    let source = Source::from(data);
    let places = |epoch: u32, source: &Source| -> Vec<usize> {
        let mut places = Vec::new();
        for batch in source.batches(64, &Visit::new(3, epoch)).unwrap() {
            let batch = batch.unwrap();
            let Some(Values::U8(pixels)) = batch.input("") else { panic!("no bytes") };
            for image in pixels.chunks_exact(81) {
                assert_eq!(image.iter().filter(|&&pixel| pixel == 1).count(), 1);
                places.extend(image.iter().position(|&pixel| pixel == 1));
            }
        }
        places
    };
    let shifted = source.shift_images(2).unwrap();
    let first = places(0, &shifted);
    assert_eq!(first, places(0, &shifted));
    assert_ne!(first, places(1, &shifted));
    let mut counts = [[0usize; 9]; 9];
    first.iter().for_each(|place| counts[place / 9][place % 9] += 1);
    for (y, row) in counts.iter().enumerate() {
        for (x, &count) in row.iter().enumerate() {
            // 80 are expected of 2,000 in each of 25 places, with a deviation of 9.
            let expected =
                if (2..=6).contains(&y) && (2..=6).contains(&x) { 35..125 } else { 0..1 };
            assert!(expected.contains(&count), "{count} at {y}, {x}");
        }
    }
    assert_eq!(places(0, &source.shift_images(0).unwrap()), vec![40; images]);
    for (width, problem) in [(3, "have the shape [3]"), (1, "have the shape [1]")] {
        let data = Dataset::unlabelled(Features::U8(vec![0; 3].into()), &[width]).unwrap();
        let error = Source::from(data).shift_images(2).unwrap_err().to_string();
        assert!(error.contains("shift_images") && error.contains(problem), "{error}");
    }
}
