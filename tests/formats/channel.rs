//! Samples that another thread sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use minibatch::Error;
use minibatch::data::{Element, Field, Fields, Samples, Sender, Source, Values, Visit};

fn fields() -> Arc<Fields> {
    Fields::new([Field::new("x", Element::U32, &[1])], []).unwrap()
}

fn numbers(sender: &Sender, range: std::ops::Range<u32>) -> Samples {
    let mut samples = sender.samples();
    let count = range.len();
    let [Values::U32(values)] = samples.columns_mut() else { panic!("u32") };
    values.extend(range);
    samples.complete(count).unwrap();
    samples
}

fn values(samples: &Samples) -> Vec<u32> {
    match samples.columns() {
        [Values::U32(values)] => values.clone(),
        _ => panic!("u32"),
    }
}

#[test]
fn all_samples_come_in_their_order_whatever_the_bound() {
    for (bound, sent_at_once, batch_size) in
        [(1, 1, 3), (1, 5, 4), (10, 3, 7), (100, 30, 7), (1000, 64, 64)]
    {
        let (sender, source) = Source::channel(fields(), bound);
        assert!(source.is_stream() && source.len().is_none() && !source.is_endless());
        let thread = thread::spawn(move || {
            for start in (0..64).step_by(sent_at_once) {
                let end = 64.min(start + sent_at_once as u32);
                sender.send(&numbers(&sender, start..end)).unwrap();
            }
        });
        let batches: Vec<Vec<u32>> = source
            .batches(batch_size, &Visit::default())
            .unwrap()
            .map(|batch| values(&batch.unwrap()))
            .collect();
        thread.join().unwrap();
        assert_eq!(batches.concat(), Vec::from_iter(0..64));
        let (last, whole) = batches.split_last().unwrap();
        assert!(whole.iter().all(|batch| batch.len() == batch_size));
        assert_eq!(last.len(), (64 - 1) % batch_size + 1);
    }
}

#[test]
fn no_more_wait_than_the_bound() {
    let (sender, source) = Source::channel(fields(), 5);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let thread = thread::spawn(move || {
        for i in 0..20 {
            sender.send(&numbers(&sender, i..i + 1)).unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let batches = source.batches(4, &Visit::default()).unwrap();
    let mut read = 0;
    for batch in batches {
        read += batch.unwrap().len();
        thread::sleep(Duration::from_millis(20));
        assert!(sent.load(Ordering::SeqCst) <= read + 5);
    }
    assert_eq!((read, sent.load(Ordering::SeqCst)), (20, 20));
    thread.join().unwrap();
}

#[test]
fn a_second_pass_goes_on_where_the_first_stopped() {
    let (sender, source) = Source::channel(fields(), 100);
    sender.send(&numbers(&sender, 0..10)).unwrap();
    let first = |source: &Source| {
        let mut batches = source.batches(4, &Visit::default()).unwrap();
        values(&batches.next().unwrap().unwrap())
    };
    assert_eq!(first(&source), [0, 1, 2, 3]);
    assert_eq!(first(&source), [4, 5, 6, 7]);
    let other = sender.clone();
    drop(sender);
    other.send(&numbers(&other, 10..11)).unwrap();
    drop(other);
    assert_eq!(first(&source), [8, 9, 10]);
    assert!(source.batches(4, &Visit::default()).unwrap().next().is_none());
}

#[test]
fn whoever_sends_learns_that_nobody_reads() {
    let (sender, source) = Source::channel(fields(), 2);
    let thread = thread::spawn(move || sender.send(&numbers(&sender, 0..10)));
    // A pass keeps the channel open by itself.
    let batches = source.batches(1, &Visit::default()).unwrap();
    drop(source);
    thread::sleep(Duration::from_millis(100));
    assert!(!thread.is_finished());
    drop(batches);
    let error = thread.join().unwrap().unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error}");
    assert!(error.to_string().contains("2 of 10 samples were sent"), "{error}");

    let (sender, _source) = Source::channel(fields(), 2);
    let others = Fields::new([Field::new("y", Element::U32, &[1])], []).unwrap();
    let error = sender.send(&Samples::new(others)).unwrap_err();
    assert!(matches!(error, Error::Argument { .. }), "{error}");
}

#[test]
fn waiting_ends_when_the_visit_is_cancelled() {
    let (sender, source) = Source::channel(fields(), 10);
    sender.send(&numbers(&sender, 0..3)).unwrap();
    let visit = Visit::default();
    let canceller = visit.clone();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        canceller.cancel();
    });
    let mut batches = source.batches(5, &visit).unwrap();
    assert_eq!(values(&batches.next().unwrap().unwrap()), [0, 1, 2]);
    thread.join().unwrap();
    drop(sender);
}
