//! Every reader of files and texts on bytes that were changed at random: an error or what was read, and
//! no panic, no hang, and no memory that the bytes do not pay for.
//!
//! `MINIBATCH_FUZZ_ROUNDS` says how many inputs each reader gets, `MINIBATCH_FUZZ_SEED` from which seed,
//! `MINIBATCH_FUZZ_FIRST` from which on, and `MINIBATCH_FUZZ_ONLY` names one reader. CONTRIBUTING.md says
//! how cargo-fuzz runs the same readers.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use minibatch::random::{Random, Stream};

#[path = "../support/counted_memory.rs"]
mod counted_memory;
mod targets;
use targets::{TARGETS, Target};

/// Bytes that a reader may take at a time, whatever a header says: the inputs are smaller than 10 KB.
const MOST_BYTES: usize = 96 << 20;

/// Numbers that headers get wrong.
const NUMBERS: [u64; 10] = [
    0,
    1,
    0x7f,
    0x8000,
    u32::MAX as u64,
    1 << 31,
    1 << 60,
    i64::MAX as u64,
    u64::MAX,
    u64::MAX / 4 + 2,
];

fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let any = |random: &mut Random, bound: usize| random.below(bound.max(1) as u64) as usize;
    let mut bytes = seeds[any(random, seeds.len())].clone();
    let most = 1 + random.below(4);
    for _ in 0..=random.below(most) {
        let place = any(random, bytes.len());
        let length = any(random, 16).min(bytes.len() - place.min(bytes.len()));
        match random.below(9) {
            0 if !bytes.is_empty() => bytes[place] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[place] = random.below(256) as u8,
            2 => bytes.truncate(place),
            3 => drop(bytes.drain(place..place + length)),
            4 => {
                let copied = bytes[place..place + length].to_vec();
                bytes.splice(place..place, copied);
            }
            5 => {
                let number = NUMBERS[any(random, NUMBERS.len())];
                let [little, big] = [number.to_le_bytes(), number.to_be_bytes()];
                let size = [1, 2, 4, 8][any(random, 4)];
                let number = if random.below(2) == 0 { &little[..size] } else { &big[8 - size..] };
                let end = (place + size).min(bytes.len());
                bytes.splice(place..end, number.iter().copied());
            }
            6 => {
                // A number in a text becomes another one.
                let digit = (place..bytes.len()).find(|&at| bytes[at].is_ascii_digit());
                if let Some(from) = digit {
                    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit());
                    let end = from + digits.count();
                    let number = NUMBERS[any(random, NUMBERS.len())].to_string();
                    bytes.splice(from..end, number.into_bytes());
                }
            }
            7 => {
                let other = &seeds[any(random, seeds.len())];
                let from = any(random, other.len());
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from.min(other.len())..]);
            }
            _ => {
                let inserted = (0..length).map(|_| random.below(256) as u8).collect::<Vec<_>>();
                bytes.splice(place..place, inserted);
            }
        }
    }
    bytes
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// How many of the inputs were read, of `rounds`.
fn fuzz(target: &Target, seed: u64, first: u64, rounds: u64) -> u64 {
    let seeds = (target.seeds)();
    let directory = tempfile::tempdir().unwrap();
    for (number, bytes) in seeds.iter().enumerate() {
        let place = directory.path().join(format!("seed{number}"));
        std::fs::create_dir_all(&place).unwrap();
        let _ = (target.read)(bytes, &place);
    }
    let mut read = 0;
    for round in first..first + rounds {
        let mut random = Random::new(seed, Stream::Parity).of(round);
        let bytes = mutated(&mut random, &seeds);
        let again = Again { target: target.name, seed, round };
        let (result, most) = counted_memory::most(|| (target.read)(&bytes, directory.path()));
        read += u64::from(result.is_ok());
        assert!(most < MOST_BYTES, "{} bytes of input took {most} bytes of memory", bytes.len());
        drop(again);
    }
    read
}

/// Says how to repeat a round that panics.
struct Again {
    target: &'static str,
    seed: u64,
    round: u64,
}

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Again { target, seed, round } = self;
            eprintln!(
                "MINIBATCH_FUZZ_ONLY={target} MINIBATCH_FUZZ_SEED={seed} \
                 MINIBATCH_FUZZ_FIRST={round} has failed"
            );
        }
    }
}

/// One test, as the memory that is counted is that of the process.
#[test]
fn every_reader_survives_what_it_is_given() {
    let only = std::env::var("MINIBATCH_FUZZ_ONLY").unwrap_or_default();
    let seed = setting("MINIBATCH_FUZZ_SEED", 0);
    let first = setting("MINIBATCH_FUZZ_FIRST", 0);
    let rounds = setting("MINIBATCH_FUZZ_ROUNDS", 150);
    let mut ran = 0;
    for target in TARGETS.iter().filter(|target| only.is_empty() || target.name == only) {
        let (done, watched) = channel::<()>();
        let (name, longest) = (target.name, Duration::from_secs(120 + rounds));
        std::thread::spawn(move || {
            if watched.recv_timeout(longest) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{name} hangs (seed {seed})");
                std::process::abort();
            }
        });
        let read = fuzz(target, seed, first, rounds);
        drop(done);
        println!("{}: {read} of {rounds} were read", target.name);
        ran += 1;
    }
    assert!(ran > 0, "no reader is called {only:?}");
}

#[test]
fn the_seeds_are_read() {
    for target in TARGETS {
        let directory = tempfile::tempdir().unwrap();
        let read: Vec<_> = (target.seeds)()
            .iter()
            .enumerate()
            .map(|(number, bytes)| {
                let place = directory.path().join(number.to_string());
                std::fs::create_dir_all(&place).unwrap();
                (target.read)(bytes, &place)
            })
            .collect();
        // Some are wrong on purpose, one at least is right: what always fails tests nothing.
        assert!(read.iter().any(Result::is_ok), "{}: {read:?}", target.name);
    }
}

/// cargo-fuzz has a file for each reader.
#[test]
fn each_reader_is_a_fuzz_target() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let file = root.join(format!("fuzz_targets/{}.rs", target.name));
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(text.contains(&format!("{:?}", target.name)), "{} is missing", file.display());
        assert!(manifest.contains(&format!("name = {:?}\n", target.name)), "{}", target.name);
    }
}
