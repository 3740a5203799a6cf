//! Directories of images. Those in `golden/` are written by `golden/make.py`.

use std::fs;
use std::path::{Path, PathBuf};

use minibatch::Error;
use minibatch::data::{ImageColour, ImageDirectory, RandomAccess, Values};

use crate::files::{Place, all, columns, damage};

fn golden(name: &str) -> Vec<u8> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/golden");
    fs::read(golden.join(name)).unwrap()
}

/// A directory with these files, each a golden one.
fn directory(place: &Place, files: &[(&str, &str)]) -> PathBuf {
    for (name, from) in files {
        place.file(&format!("images/{name}"), &golden(from));
    }
    place.path().join("images")
}

fn open(directory: &Path, colour: ImageColour) -> ImageDirectory {
    ImageDirectory::open(directory, colour).unwrap()
}

#[test]
fn directories_are_classes_and_names_give_the_order() {
    let place = Place::new();
    let path = directory(
        &place,
        &[
            ("dog/b.png", "grey.png"),
            ("dog/a.JPG", "grey.jpg"),
            ("cat/z.png", "grey16.png"),
            ("dog/notes.txt", "make.py"),
            (".hidden/x.png", "grey.png"),
        ],
    );
    fs::create_dir(path.join("eel")).unwrap();
    place.file("images/loose.png", &golden("grey.png"));
    let images = open(&path, ImageColour::Grey);
    assert_eq!(images.classes(), ["cat", "dog", "eel"]);
    let field = &images.fields().targets()[0];
    assert_eq!((field.classes, &field.class_names[..]), (Some(3), images.classes()));
    assert_eq!(images.fields().inputs()[0].shape, [3, 4]);
    let ramp: Vec<u8> = (0..12).collect();
    let pixels = [ramp.clone(), vec![77; 12], ramp].concat();
    let expected = [Values::U8(pixels), Values::U32(vec![0, 1, 1])];
    assert_eq!(columns(&images.source()), expected);
    assert!(images.place(1).ends_with("a.JPG"));
}

#[test]
fn grey_and_colours_become_what_is_asked_for() {
    let place = Place::new();
    let files = [
        ("c/1.png", "rgb.png"),
        ("c/2.png", "palette.png"),
        ("c/3.png", "grey.png"),
        ("c/4.jpg", "rgb.jpg"),
    ];
    let path = directory(&place, &files);
    let colours: Vec<u8> = (0..12u8).flat_map(|x| [x, 2 * x, 3 * x]).collect();
    let greys: Vec<u8> = (0..12u8).flat_map(|x| [x; 3]).collect();
    let rgb = open(&path, ImageColour::Rgb);
    assert_eq!(rgb.fields().inputs()[0].shape, [3, 4, 3]);
    let pixels = [colours.clone(), colours.clone(), greys, vec![128; 36]].concat();
    assert_eq!(columns(&rgb.source())[0], Values::U8(pixels));

    let luma = |pixel: &[u8]| {
        let [r, g, b] = [0, 1, 2].map(|i| f64::from(pixel[i]));
        (0.299 * r + 0.587 * g + 0.114 * b).round() as u8
    };
    let luma: Vec<u8> = colours.chunks(3).map(luma).collect();
    let pixels = [luma.clone(), luma, (0..12).collect(), vec![128; 12]].concat();
    assert_eq!(columns(&open(&path, ImageColour::Grey).source())[0], Values::U8(pixels));
}

#[test]
fn what_is_wrong_is_named_by_its_file() {
    let place = Place::new();
    let path = directory(&place, &[("a/1.png", "grey.png"), ("b/2.png", "grey.png")]);
    let second = path.join("b/2.png");
    let read = || all(&open(&path, ImageColour::Grey).source(), 2);
    fs::write(&second, golden("make.py")).unwrap();
    assert!(damage(&read().unwrap_err(), &second).contains("neither a PNG nor a JPEG"));
    // Another size: columns and rows are bytes 16 to 23, with a checksum after them.
    let mut encoded = Vec::new();
    let mut encoder = png::Encoder::new(&mut encoded, 4, 4);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[0; 16]).unwrap();
    fs::write(&second, &encoded).unwrap();
    let message = damage(&read().unwrap_err(), &second);
    assert!(message.contains("4 x 4 pixels, expected 4 x 3"), "{message}");
    fs::remove_file(&second).unwrap();
    let images = open(&path, ImageColour::Grey);
    fs::remove_file(path.join("a/1.png")).unwrap();
    let gone = all(&images.source(), 1).unwrap_err();
    assert!(matches!(gone, Error::Io { .. }), "{gone}");
    let none = ImageDirectory::open(&path, ImageColour::Grey).unwrap_err();
    assert!(damage(&none, &path).contains("has no directory with"), "{none}");
}

#[test]
fn damaged_images_give_errors_or_images() {
    for name in ["grey.png", "rgb.png", "palette.png", "grey.jpg", "rgb.jpg"] {
        let place = Place::new();
        let bytes = golden(name);
        let file = place.file(&format!("images/a/{name}"), &bytes);
        let directory = place.path().join("images");
        let read = || all(&ImageDirectory::open(&directory, ImageColour::Rgb)?.source(), 1);
        let right = read().unwrap();
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
            fs::write(&file, &bytes[..end]).unwrap();
            match read() {
                // The marker of the end alone may be missing.
                Ok(samples) => assert!(
                    end + 12 >= bytes.len() && samples.columns() == right.columns(),
                    "{name} cut at {end}"
                ),
                Err(error) => drop(damage(&error, &file)),
            }
        }
        for byte in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
            for bit in [0x01, 0x40, 0xff] {
                let mut changed = bytes.clone();
                changed[byte] ^= bit;
                fs::write(&file, &changed).unwrap();
                if let Err(error) = read() {
                    damage(&error, &file);
                }
            }
        }
    }
}

/// What the fuzzer found: a header of 8,000 x 8,000 pixels in a file of 83 bytes took 256 MB.
#[test]
fn a_header_that_promises_more_than_its_file_holds_is_refused_before_memory_is_taken() {
    let place = Place::new();
    let mut png = golden("grey.png");
    for size in [16..20, 20..24] {
        png[size].copy_from_slice(&8000u32.to_be_bytes());
    }
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let mut jpeg = golden("grey.jpg");
    // The frame's header: its length, the bits of a value, rows and columns.
    let frame = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    for size in [frame + 5..frame + 7, frame + 7..frame + 9] {
        jpeg[size].copy_from_slice(&8000u16.to_be_bytes());
    }
    for (name, bytes) in [("a.png", png), ("a.jpg", jpeg)] {
        let path = place.file(&format!("{name}/x/{name}"), &bytes);
        let directory = path.parent().unwrap().parent().unwrap();
        let error = ImageDirectory::open(directory, ImageColour::Grey).unwrap_err();
        let problem = format!("8000 x 8000 pixels, which {} bytes cannot hold", bytes.len());
        assert!(damage(&error, &path).contains(&problem), "{error}");
    }
}
