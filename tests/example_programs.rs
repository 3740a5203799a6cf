//! The examples with a window, run as a user without a display runs them.
#![cfg(all(feature = "cli", feature = "images"))]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// How an example ended, and what it printed.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs an example in `place`, with `line` split at spaces.
fn run(place: &TempDir, example: &str, line: &str) -> Ended {
    let output = Command::new(built().join(example))
        .args(line.split_whitespace())
        .current_dir(place)
        // Or Mesa prints what it misses.
        .env("NODEVICE_SELECT", "1")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// What it prints; it must succeed.
fn succeed(place: &TempDir, example: &str, line: &str) -> String {
    let ended = run(place, example, line);
    assert_eq!(ended.code, Some(0), "{example} {line}: {}", ended.err);
    ended.out
}

/// What it complains of; it must fail, by itself.
fn fail(place: &TempDir, example: &str, line: &str) -> String {
    let ended = run(place, example, line);
    assert_eq!(ended.code, Some(1), "{example} {line}: {} {}", ended.out, ended.err);
    assert!(!ended.err.contains("panicked"), "{example} {line}: {}", ended.err);
    ended.err
}

/// The directory of the examples, built as this test was: `cargo test --test` does not build them.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // target/release/deps/example_programs-0123456789abcdef
        let test = std::env::current_exe().unwrap();
        let profile = test.ancestors().nth(2).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--example", "learn_image", "--example", "particles"])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .arg("--target-dir")
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        // What cargo tells this test of its package is not for build scripts of others, which would run
        // anew, and all that depends on them.
        let told = std::env::vars_os().map(|(name, _)| name);
        for name in told.filter(|name| {
            let name = name.to_string_lossy();
            ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"]
                .iter()
                .any(|told| name.starts_with(told))
        }) {
            cargo.env_remove(name);
        }
        // Other features would build the library once more.
        for (feature, is_on) in [
            ("noop", cfg!(feature = "noop")),
            ("parquet", cfg!(feature = "parquet")),
            ("window", cfg!(feature = "window")),
        ] {
            if is_on {
                cargo.args(["--features", feature]);
            }
        }
        assert!(cargo.status().unwrap().success(), "the examples are built");
        profile.join("examples")
    })
}

/// Columns, rows, and red, green and blue of each pixel.
fn read_png(path: &Path) -> ([u32; 2], Vec<[u8; 3]>) {
    let decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut bytes).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    ([frame.width, frame.height], bytes.as_chunks::<3>().0.to_vec())
}

fn write_png(path: &Path, [width, height]: [u32; 2], pixels: &[[u8; 3]]) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(pixels.as_flattened()).unwrap();
    writer.finish().unwrap();
}

/// The number of the last line, which is `PSNR 12.34 dB`.
fn psnr(out: &str) -> f64 {
    let line = out.lines().last().unwrap_or_default();
    let number = line.strip_prefix("PSNR ").and_then(|rest| rest.strip_suffix(" dB"));
    let number = number.unwrap_or_else(|| panic!("{line:?} in {out}"));
    assert_eq!(number.split_once('.').map(|(_, decimals)| decimals.len()), Some(2), "{line}");
    number.parse().unwrap()
}

/// The PSNR of the best picture of one colour, whose mean squared error is the variance.
fn psnr_of_one_colour(pixels: &[[u8; 3]]) -> f64 {
    let mut variance = 0.0;
    for channel in 0..3 {
        let values = || pixels.iter().map(|pixel| f64::from(pixel[channel]) / 255.0);
        let mean = values().sum::<f64>() / pixels.len() as f64;
        variance += values().map(|value| (value - mean).powi(2)).sum::<f64>() / 3.0;
    }
    -10.0 * (variance / pixels.len() as f64).log10()
}

/// The mean squared difference of two pictures, as dB.
fn psnr_between(one: &[[u8; 3]], other: &[[u8; 3]]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares = one
        .as_flattened()
        .iter()
        .zip(other.as_flattened())
        .map(|(&one, &other)| ((f64::from(one) - f64::from(other)) / 255.0).powi(2));
    -10.0 * (squares.sum::<f64>() / (one.len() * 3) as f64).log10()
}

/// The left or right half of a picture.
fn half(([width, _], pixels): &([u32; 2], Vec<[u8; 3]>), right: bool) -> Vec<[u8; 3]> {
    let (row, half) = (*width as usize, *width as usize / 2);
    let first = if right { half } else { 0 };
    pixels.chunks(row).flat_map(|row| row[first..first + half].to_vec()).collect()
}

/// A picture with edges, slopes and fine stripes.
fn small_picture() -> ([u32; 2], Vec<[u8; 3]>) {
    let pixels = (0..32 * 48).map(|i| {
        let (column, row) = (i % 48, i / 48);
        let disc = (column - 30_i32).pow(2) + (row - 14_i32).pow(2) < 90;
        let stripe = if column % 6 < 3 { 60 } else { 0 };
        [if disc { 230 } else { 40 }, (row * 7) as u8, (column * 4) as u8 + stripe]
    });
    ([48, 32], pixels.collect())
}

#[test]
fn a_picture_is_learned_the_better_the_longer() {
    let place = TempDir::new().unwrap();
    let (size, pixels) = small_picture();
    write_png(&place.path().join("small.png"), size, &pixels);
    for (encoding, [few, many], more) in [("hash", [5, 60], 5.0), ("frequency", [2, 15], 1.0)] {
        let learn = |frames: u32| {
            let line = format!(
                "--image small.png --encoding {encoding} --headless --frames {frames} --out {frames}.png"
            );
            psnr(&succeed(&place, "learn_image", &line))
        };
        let (early, late) = (learn(few), learn(many));
        let constant = psnr_of_one_colour(&pixels);
        assert!(
            late > early + 1.0,
            "{encoding}: {early} dB after {few} frames, {late} after {many}"
        );
        assert!(late > constant + more, "{encoding}: {late} dB, one colour {constant} dB");

        // Left what was learned, right the picture; a byte of rounding apart.
        let drawn = read_png(&place.path().join(format!("{many}.png")));
        assert_eq!(drawn.0, [96, 32]);
        assert_eq!(half(&drawn, true), pixels, "the picture itself");
        let shown = psnr_between(&half(&drawn, false), &pixels);
        assert!((shown - late).abs() < 0.5, "{encoding}: {late} dB, the drawn one {shown} dB");
    }
}

#[test]
fn the_bundled_picture_is_one_of_real_detail() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lake.png");
    assert!(path.metadata().unwrap().len() >= 60_000);
    let (size, pixels) = read_png(&path);
    assert_eq!(size, [256, 256]);
    // Neighbours differ: a mean over two by two pixels loses more than 35 dB would show.
    let mean = |row: usize, column: usize| {
        let block = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(down, right)| pixels[(row / 2 * 2 + down) * 256 + column / 2 * 2 + right]);
        [0, 1, 2].map(|channel| {
            (block.iter().map(|pixel| u32::from(pixel[channel])).sum::<u32>() / 4) as u8
        })
    };
    let blurred: Vec<[u8; 3]> = (0..65536).map(|i| mean(i / 256, i % 256)).collect();
    assert!(psnr_between(&blurred, &pixels) < 35.0);
}

#[test]
fn the_network_learns_how_particles_move() {
    let place = TempDir::new().unwrap();
    let out = succeed(&place, "particles", "--headless --frames 60 --out particles.png");
    let ratio = ratio(&out);
    // 1 is what the prediction reaches that nothing changes.
    assert!(ratio < 0.9, "{ratio}: {out}");
    let ([width, height], pixels) = read_png(&place.path().join("particles.png"));
    assert_eq!([width, height], [1024, 512]);
    assert!(psnr_of_one_colour(&pixels) < 40.0, "something is drawn");
}

/// The number that ends the last line: the network's error over that of "nothing changes".
fn ratio(out: &str) -> f64 {
    let line = out.lines().last().unwrap_or_default();
    let number = line.split_once("ratio ").map(|(_, number)| number.trim());
    number.unwrap_or_else(|| panic!("{line:?} in {out}")).parse().unwrap()
}

#[test]
fn what_is_wrong_with_the_options_is_said() {
    let place = TempDir::new().unwrap();
    std::fs::write(place.path().join("broken.png"), b"\x89PNG\r\n\x1a\nno more").unwrap();
    let shown = "--headless --frames 1 --out out.png";
    for (example, line, words) in [
        ("learn_image", &*format!("{shown} --encoding cosine"), "--encoding is hash or frequency"),
        ("learn_image", &*format!("{shown} --image none.png"), "none.png"),
        ("learn_image", &*format!("{shown} --image broken.png"), "broken.png"),
        ("learn_image", &*format!("{shown} --image ."), ".:"),
        ("learn_image", "--headless --frames 1 --out none/out.png", "none/out.png"),
        ("learn_image", "--headless --frames 0 --out out.png", "--frames"),
        ("learn_image", "--headless --frames few --out out.png", "few"),
        ("learn_image", "--headless --frames 1", "--out"),
        ("learn_image", "--headless --out out.png", "--frames"),
        ("learn_image", "--out out.png", "--headless"),
        ("learn_image", &*format!("{shown} --encoding"), "--encoding"),
        ("learn_image", &*format!("{shown} --quick"), "--quick"),
        ("particles", &*format!("{shown} --image some.png"), "--image"),
        ("particles", "--headless --frames 1 --out .", ".:"),
        // No window: there is no display.
        ("learn_image", "--frames 1", "--headless --frames N --out FILE.png"),
        ("particles", "--frames 1", "--headless --frames N --out FILE.png"),
    ] {
        let err = fail(&place, example, line);
        assert!(err.contains(words), "{example} {line}: {err}");
        assert!(err.lines().count() <= 4, "{example} {line}: {err}");
    }
    for example in ["learn_image", "particles"] {
        assert!(succeed(&place, example, "--help").contains("--headless"));
    }
}

/// A thousand steps, which take minutes on a software adapter: `.ci/long examples`.
#[test]
#[ignore = "takes long; .ci/long runs it"]
fn a_thousand_steps_learn_the_bundled_picture() {
    let place = TempDir::new().unwrap();
    for (encoding, at_least) in [("hash", 35.0), ("frequency", 30.0)] {
        let line = format!("--encoding {encoding} --headless --frames 1000 --out {encoding}.png");
        let out = succeed(&place, "learn_image", &line);
        println!("{encoding}: {out}");
        assert!(psnr(&out) >= at_least, "{encoding}: {out}");
        let parameters =
            out.lines().find_map(|line| line.split_once(" parameters for the 196608 "));
        let parameters: u32 = parameters.unwrap().0.parse().unwrap();
        assert!(parameters < 196_608, "{parameters}");
    }
}

#[test]
#[ignore = "takes long; .ci/long runs it"]
fn two_thousand_frames_of_particles_take_no_more_memory_than_two_hundred() {
    let place = TempDir::new().unwrap();
    let out = succeed(&place, "particles", "--headless --frames 2000 --out particles.png");
    println!("{out}");
    assert!(ratio(&out) <= 0.1, "{out}");
    let held = |frame: u32| -> [f64; 2] {
        let line = out
            .lines()
            .find(|line| line.starts_with(&format!("frame {frame}: the process")))
            .unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let numbers = words.windows(2).filter(|words| words[1].starts_with("MB"));
        numbers.map(|words| words[0].parse().unwrap()).collect::<Vec<_>>().try_into().unwrap()
    };
    let ([host, device], [host_later, device_later]) = (held(200), held(2000));
    assert_eq!(device, device_later);
    // The allocator of the C library may keep a few pages more.
    assert!(host_later <= host + 2.0, "{host} MB, later {host_later} MB");
}
