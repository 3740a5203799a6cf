//! What processes that train one model say of their data, to find out whether it is the same.

use super::source::{Source, SourceKind};
use crate::error::Result;

/// What is known of `source`, as names and values in the same order in every process: its kind, how
/// many samples it has, its columns and classes, and, unless it is a stream, whose samples might be used up by
/// reading, a [checksum](Source::checksum) of 1,024 samples in epoch 0 under the seed 0.
///
/// # Errors
/// Those of reading the samples.
pub(crate) fn fingerprint(source: &Source) -> Result<Vec<(String, String)>> {
    let kind = match source.kind() {
        SourceKind::Dataset(_) => "arrays in memory",
        SourceKind::RandomAccess(_) => "samples in any order",
        SourceKind::Stream(_) => "a stream",
    };
    let samples = match source.len() {
        Some(samples) => samples.to_string(),
        None if source.is_endless() => "without an end".into(),
        None => "not known".into(),
    };
    let mut known = vec![("kind".into(), kind.into()), ("samples".into(), samples)];
    if let Some(samples) = source.batch_size() {
        known.push(("samples of a batch".into(), samples.to_string()));
    }
    let fields = source.fields();
    known.push(("columns".into(), fields.to_string()));
    for field in fields.targets() {
        let names = match &*field.class_names {
            [] => String::new(),
            names => format!(": {}", names.join(", ")),
        };
        if let Some(classes) = field.classes {
            known.push((format!("classes of {:?}", field.name), format!("{classes}{names}")));
        }
    }
    if !source.is_stream()
        && let Some(checksum) = source.checksum()?
    {
        known.push(("checksum of 1,024 samples".into(), format!("{checksum:08x}")));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Dataset, Element, Features, Field, Fields, Length, Samples};

    fn digits(bytes: &[u8], shape: &[usize], labels: Vec<u32>) -> Dataset {
        Dataset::new(Features::U8(Arc::new(bytes.to_vec())), shape, labels).unwrap()
    }

    fn of(source: impl Into<Source>) -> Vec<(String, String)> {
        fingerprint(&source.into()).unwrap()
    }

    /// The names of what differs.
    fn differences(a: &[(String, String)], b: &[(String, String)]) -> Vec<String> {
        let differs = |known: &&(String, String)| !b.contains(known);
        a.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    }

    #[test]
    fn it_names_what_is_known() {
        let data = Dataset::unlabelled(Features::U8(Arc::new(b"123456789".to_vec())), &[3]);
        let known = of(data.unwrap());
        let expected = [
            ("kind", "arrays in memory"),
            ("samples", "3"),
            ("columns", "input \"input\" [3] U8"),
            // The check value of CRC-32.
            ("checksum of 1,024 samples", "cbf43926"),
        ];
        assert_eq!(known, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_differs_is_named() {
        let checksum = "checksum of 1,024 samples";
        let data = digits(&[1, 2, 3, 4, 5, 6], &[2], vec![0, 1, 1]);
        let known = of(&data);
        assert_eq!(known, of(digits(&[1, 2, 3, 4, 5, 6], &[2], vec![0, 1, 1])));
        let differ = |other: Dataset, names: &[&str]| {
            assert_eq!(differences(&known, &of(other)), names);
        };
        differ(digits(&[1, 2, 3, 4, 5, 7], &[2], vec![0, 1, 1]), &[checksum]);
        differ(digits(&[1, 2, 3, 4, 5, 6], &[2], vec![0, 0, 1]), &[checksum]);
        differ(digits(&[1, 2, 3, 4], &[2], vec![0, 1]), &["samples", checksum]);
        differ(digits(&[1, 2, 3, 4, 5, 6], &[2, 1], vec![0, 1, 1]), &["columns"]);
        let three = digits(&[1, 2, 3, 4, 5, 6], &[2], vec![0, 1, 2]);
        differ(three, &["classes of \"output\"", checksum]);
        let weighted = |weight| data.clone().with_sample_weights(vec![1.0, weight, 1.0]).unwrap();
        differ(weighted(1.0), &["columns", checksum]);
        assert_eq!(differences(&of(weighted(1.0)), &of(weighted(2.0))), [checksum]);
        let mapped = Source::from(&data).map(|_, _| Ok(()));
        assert_eq!(differences(&known, &of(mapped)), ["kind"]);
    }

    #[test]
    fn augmentation_is_that_of_one_epoch() {
        let data = digits(&[1, 2, 3, 4, 5, 6], &[2], vec![0, 1, 1]);
        let noisy = Source::from(data).map(|sample, random| {
            if let Some(crate::data::Values::U8(pixels)) = sample.input_mut("input") {
                pixels.iter_mut().for_each(|pixel| *pixel ^= random.next_u64() as u8);
            }
            Ok(())
        });
        assert_eq!(of(&noisy), of(&noisy));
    }

    #[test]
    fn a_stream_is_not_read() {
        let fields = Fields::new([Field::new("x", Element::F32, &[1])], []).unwrap();
        for (length, samples) in [
            (Length::Samples(5), "5"),
            (Length::Unknown, "not known"),
            (Length::Endless, "without an end"),
        ] {
            let source = Source::generator(Arc::clone(&fields), length, |_| {
                panic!("a pass begins");
                #[allow(unreachable_code, reason = "it gives the closure a type")]
                Ok(|_: &mut Samples| Ok(false))
            });
            let known = of(source);
            let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["kind", "samples", "columns"]);
            assert_eq!(known[1].1, samples);
        }
    }
}
