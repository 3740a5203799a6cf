//! What tells the samples of one source from those of another.

use super::any::Source;
use super::contract::Visit;
use crate::data::samples::{Row, Samples};
use crate::error::Result;

/// How many samples are looked at.
const SAMPLED: usize = 1024;

impl Source {
    /// A CRC-32 of the values of up to 1,024 samples, to tell whether a run goes on with the data
    /// that it began with. Where samples can be read in any order, their places are spread evenly
    /// and depend on the number of samples only; of a stream they are the first ones. `None` for a
    /// stream that does not know its length: reading it might use its samples up.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) and [`Error::Io`](crate::Error::Io) if one of them is
    /// damaged or cannot be read.
    pub fn checksum(&self) -> Result<Option<u32>> {
        let visit = Visit::default();
        let Some(samples) = self.len() else {
            return Ok(None);
        };
        let sampled = samples.min(SAMPLED);
        let mut crc = flate2::Crc::new();
        if let Some(access) = self.random_access() {
            let mut read = Samples::new(self.fields());
            for number in 0..sampled {
                // In 128 bits it cannot overflow.
                let index = number as u128 * samples as u128 / sampled as u128;
                read.clear();
                access.read(index as usize, &visit, &mut read)?;
                add(&mut crc, &read, 1);
            }
            return Ok(Some(crc.sum()));
        }
        let mut left = sampled;
        for batch in self.batches(SAMPLED, &visit)? {
            let batch = batch?;
            add(&mut crc, &batch, left);
            left = left.saturating_sub(batch.len());
            if left == 0 {
                break;
            }
        }
        Ok(Some(crc.sum()))
    }
}

/// Adds the first `most` samples, each with all of its columns.
fn add(crc: &mut flate2::Crc, samples: &Samples, most: usize) {
    for place in 0..samples.len().min(most) {
        for column in 0..samples.columns().len() {
            match samples.row(column, place) {
                Row::Dense(bytes) => crc.update(bytes),
                Row::Sparse { indices, values } => {
                    crc.update(bytemuck::cast_slice(indices));
                    crc.update(bytemuck::cast_slice(values));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::data::source::{RandomAccess, StreamPass, Streaming};
    use crate::data::{Dataset, Features, Fields};

    fn source(bytes: &[u8], width: usize) -> Source {
        let features = Features::U8(Arc::new(bytes.to_vec()));
        Dataset::unlabelled(features, &[width]).unwrap().into()
    }

    #[test]
    fn it_is_the_crc_of_the_values() {
        // The check value of CRC-32.
        for width in [9, 3, 1] {
            let checksum = source(b"123456789", width).checksum().unwrap();
            assert_eq!(checksum, Some(0xcbf4_3926));
        }
        let features = Features::U8(Arc::new(b"1".to_vec()));
        let one = Dataset::new(features, &[1], vec![0x3534_3332]).unwrap();
        let four = source(b"12345", 5);
        assert_eq!(Source::from(one).checksum().unwrap(), four.checksum().unwrap());
    }

    /// Notes what is read.
    #[derive(Debug)]
    struct Noted {
        fields: Arc<Fields>,
        samples: usize,
        read: Arc<Mutex<Vec<usize>>>,
    }

    impl RandomAccess for Noted {
        fn fields(&self) -> &Arc<Fields> {
            &self.fields
        }

        fn len(&self) -> usize {
            self.samples
        }

        fn read(&self, index: usize, _visit: &Visit, into: &mut Samples) -> Result<()> {
            self.read.lock().unwrap().push(index);
            into.columns_mut()[0].extend_from_bytes(&[index as u8])?;
            into.complete(1)
        }
    }

    #[test]
    fn the_places_are_spread_evenly() {
        for samples in [1, 1000, 1024, 1025, 5000, 1 << 40] {
            let read = Arc::default();
            let noted =
                Noted { fields: source(b"1", 1).fields(), samples, read: Arc::clone(&read) };
            Source::new(noted).checksum().unwrap();
            let mut places = read.lock().unwrap().clone();
            assert_eq!((places.len(), places[0]), (samples.min(1024), 0));
            places.push(samples);
            let gap = samples.div_ceil(1024);
            let even = |pair: &[usize]| (1..=gap).contains(&(pair[1] - pair[0]));
            assert!(places.windows(2).all(even), "{samples}");
        }
    }

    /// Bytes 0, 1, 2, ... one after the other, in batches of at most 100.
    #[derive(Debug)]
    struct Counted(Arc<Fields>, Option<usize>);

    struct Counting(usize);

    impl Streaming for Counted {
        fn fields(&self) -> &Arc<Fields> {
            &self.0
        }

        fn len(&self) -> Option<usize> {
            self.1
        }

        fn start(&self, _visit: &Visit) -> Result<Box<dyn StreamPass>> {
            assert!(self.1.is_some(), "a stream of unknown length is read");
            Ok(Box::new(Counting(0)))
        }

        fn batch_size(&self) -> Option<usize> {
            Some(100)
        }
    }

    impl StreamPass for Counting {
        fn next(&mut self, _most: usize, into: &mut Samples) -> Result<()> {
            let bytes: Vec<u8> = (self.0..self.0 + 100).map(|number| number as u8).collect();
            self.0 += 100;
            into.columns_mut()[0].extend_from_bytes(&bytes)?;
            into.complete(100)
        }
    }

    #[test]
    fn of_a_stream_the_first_samples_count() {
        let fields = source(b"1", 1).fields();
        let stream = Source::stream(Counted(Arc::clone(&fields), Some(5000)));
        let first: Vec<u8> = (0..1024).map(|number| number as u8).collect();
        assert_eq!(stream.checksum().unwrap(), source(&first, 1).checksum().unwrap());
        assert_eq!(Source::stream(Counted(fields, None)).checksum().unwrap(), None);
    }
}
