//! TensorBoard's event files: records of a length, its checksum, a message and its checksum
//! ([TFRecord](https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details)),
//! each message an `Event` of
//! [event.proto](https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";

/// Files of this process so far: two made in one second have different names.
static FILES: AtomicU32 = AtomicU32::new(0);

/// One file of a run, open to be added to.
#[derive(Debug)]
pub(super) struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Makes a file in `directory`, and the directory if there is none.
    pub(super) fn create(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        loop {
            let number = FILES.fetch_add(1, Ordering::Relaxed);
            // TensorBoard reads the files of a run in the order of their names.
            let name = format!(
                "events.out.tfevents.{:010}.minibatch.{}.{number}",
                wall_time() as u64,
                std::process::id()
            );
            let path = directory.join(name);
            let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                // Of a process of that id on another machine.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file.map_err(Error::io("create", &path))?,
            };
            let mut file = EventFile { path, file };
            file.write(&event(wall_time(), 0, |event| event.bytes(3, VERSION.as_bytes())))?;
            return Ok(file);
        }
    }

    /// Adds the value of `tag` at `step`, which TensorBoard shows in single precision.
    pub(super) fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.write(&scalar_event(wall_time(), tag, step, value))
    }

    fn write(&mut self, event: &[u8]) -> Result<()> {
        // One call a record, and nothing of it stays in the program if that is killed.
        self.file.write_all(&record(event)).map_err(Error::io("write", &self.path))
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(data);
    record.extend(masked(crc32c(data)).to_le_bytes());
    record
}

/// A checksum as TFRecord stores it, so that those of data with checksums in it stay sound.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), [RFC 3720](https://www.rfc-editor.org/rfc/rfc3720#appendix-B.4), bit by
/// bit: an event is some 60 bytes.
fn crc32c(data: &[u8]) -> u32 {
    /// The polynomial, its bits in reverse.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let crc = data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => (crc >> 1) ^ POLYNOMIAL,
        })
    });
    !crc
}

/// `Event { wall_time: 1, step: 2, .. }`.
fn event(wall_time: f64, step: u64, rest: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.varint(2, step);
    rest(&mut event);
    event.0
}

/// `Event { summary: 5 = Summary { value: 1 = Value { tag: 1, simple_value: 2 } } }`. Every version
/// of TensorBoard reads a `simple_value`; TensorFlow writes a tensor of one value in its place.
fn scalar_event(wall_time: f64, tag: &str, step: u64, value: f64) -> Vec<u8> {
    let mut scalar = Message::default();
    scalar.bytes(1, tag.as_bytes());
    scalar.float(2, value as f32);
    let mut summary = Message::default();
    summary.bytes(1, &scalar.0);
    event(wall_time, step, |event| event.bytes(5, &summary.0))
}

/// A message in [protobuf's encoding](https://protobuf.dev/programming-guides/encoding/), field by
/// field.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u8, wire_type: u8) {
        // A field below 16 is one byte.
        self.0.push(field << 3 | wire_type);
    }

    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u8, value: u64) {
        self.key(field, 0);
        self.number(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, value: &[u8]) {
        self.key(field, 2);
        self.number(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        // Appendix B.4, whose bytes are those of the sum from the lowest up.
        let counting: Vec<u8> = (0..32).collect();
        let backward: Vec<u8> = (0..32).rev().collect();
        let mut read_command = [0; 48];
        for (index, byte) in [
            (0, 0x01),
            (1, 0xc0),
            (16, 0x14),
            (22, 0x04),
            (27, 0x14),
            (31, 0x18),
            (32, 0x28),
            (40, 0x02),
        ] {
            read_command[index] = byte;
        }
        for (data, sum) in [
            (&[0; 32][..], [0xaa, 0x36, 0x91, 0x8a]),
            (&[0xff; 32], [0x43, 0xab, 0xa8, 0x62]),
            (&counting, [0x4e, 0x79, 0xdd, 0x46]),
            (&backward, [0x5c, 0xdb, 0x3f, 0x11]),
            (&read_command, [0x56, 0x3a, 0x96, 0xd9]),
        ] {
            assert_eq!(crc32c(data).to_le_bytes(), sum, "{data:02x?}");
        }
    }

    #[test]
    fn a_scalar_is_encoded_as_protobuf_does() {
        // As Python's protobuf writes Event(wall_time=1.5, step=300, summary=Summary(value=[
        // Summary.Value(tag="epoch_loss", simple_value=0.25)])).
        let expected: [&[u8]; 4] = [
            b"\x09\x00\x00\x00\x00\x00\x00\xf8\x3f",
            b"\x10\xac\x02",
            b"\x2a\x13\x0a\x11\x0a\x0aepoch_loss",
            b"\x15\x00\x00\x80\x3e",
        ];
        assert_eq!(scalar_event(1.5, "epoch_loss", 300, 0.25), expected.concat());
    }
}
