//! Data that are larger than the memory that a run may take.
#![cfg(all(feature = "cli", target_os = "linux"))]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Images of 28x28 in 4 GiB.
const IMAGES: usize = (4 << 30) / 784;

/// Writes the four IDX files, with `images` images to train on.
fn write_digits(directory: &Path, images: usize) {
    fs::create_dir(directory).unwrap();
    for (part, images) in [("train", images), ("t10k", 1000)] {
        let open = |rest: &str| {
            let file = File::create(directory.join(format!("{part}-{rest}-ubyte"))).unwrap();
            BufWriter::with_capacity(1 << 20, file)
        };
        let size = (images as u32).to_be_bytes();
        let mut labels = open("labels-idx1");
        labels.write_all(&[[0, 0, 8, 1], size].concat()).unwrap();
        let mut pixels = open("images-idx3");
        let side = 28u32.to_be_bytes();
        pixels.write_all(&[[0, 0, 8, 3], size, side, side].concat()).unwrap();
        for image in 0..images {
            // A bright row tells the class; the rest is noise.
            let class = image % 10;
            let mut bytes = [0u8; 784];
            let mut state = (image as u32).wrapping_mul(0x9e37_79b9) | 1;
            for byte in &mut bytes {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                *byte = (state >> 25) as u8;
            }
            bytes[28 * (2 * class + 3)..28 * (2 * class + 4)].fill(255);
            pixels.write_all(&bytes).unwrap();
            labels.write_all(&[class as u8]).unwrap();
        }
        pixels.flush().unwrap();
        labels.flush().unwrap();
    }
}

/// The largest anonymous memory of a run in KiB, seen every few milliseconds, and what it printed.
fn peak(directory: &Path, prefix: &str, flags: &str) -> (u64, String) {
    let line = format!(
        "{prefix} exec {} train --data {} --backend cpu --epochs 1 --hidden 8 --batch-size 1024 \
         {flags}",
        env!("CARGO_BIN_EXE_mnist-gpu"),
        directory.display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let anonymous = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{line}");
    let out = String::from_utf8(output.stdout).unwrap();
    println!("{flags}: {peak} KiB\n{out}");
    (peak, out)
}

#[test]
#[ignore = "writes 5 GB and takes minutes; .ci/long runs it"]
fn peak_memory_does_not_depend_on_the_size_of_the_data() {
    let home = tempfile::tempdir().unwrap();
    let (whole, tenth) = (home.path().join("whole"), home.path().join("tenth"));
    write_digits(&whole, IMAGES);
    write_digits(&tenth, IMAGES / 10);
    for (prefix, flags, told) in [
        ("", "", "; read by position"),
        ("", "--augment shift --workers 2", "; read by position"),
        ("ulimit -v 3000000;", "--stream", "; streamed through a shuffle buffer of 16384 samples"),
    ] {
        let (large, out) = peak(&whole, prefix, flags);
        assert!(out.contains(told), "{out}");
        assert!(out.contains("test: loss: "), "{out}");
        let (small, out) = peak(&tenth, prefix, flags);
        assert!(out.contains(told), "{out}");
        let most = (small + small / 20).max(small + (8 << 10));
        assert!(large <= most, "{flags}: {large} KiB, and {small} KiB on a tenth of the data");
    }
}
