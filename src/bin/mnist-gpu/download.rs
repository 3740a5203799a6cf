//! Fetches the four MNIST files from a public mirror.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use ureq::Agent;

/// Where the files are, the first one that answers.
const MIRRORS: [&str; 2] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
];

/// A file's name and its SHA-256.
type Wanted = (&'static str, &'static str);

const FILES: [Wanted; 4] = [
    (
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
];

/// More than any of the files has (9.9 MB); a mirror that sends more is broken.
const MAX_BYTES: u64 = 16 << 20;

/// Fetches the four MNIST files into `directory` (made if it does not exist) from `mirror` or, if
/// there is none, from the first public mirror that has them. A file that is there already with the
/// right checksum is not fetched again. Each file gets its name only once it is whole and its
/// checksum right.
///
/// # Errors
/// With the reason of each mirror if a file can be had from none of them.
pub(crate) fn download(
    directory: &Path,
    mirror: Option<&str>,
    show_progress: bool,
) -> anyhow::Result<()> {
    let mirrors = mirror.map_or(MIRRORS.to_vec(), |mirror| vec![mirror]);
    let agent = Agent::new_with_config(config().build());
    Fetch { agent, mirrors, limit: MAX_BYTES, show_progress }.all(&FILES, directory)
}

/// Time limits such that without a network both mirrors have failed after 10 s at most.
fn config() -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Agent::config_builder()
        .timeout_resolve(Some(Duration::from_secs(2)))
        .timeout_connect(Some(Duration::from_secs(3)))
        .timeout_per_read(Some(Duration::from_secs(3)))
        .timeout_recv_response(Some(Duration::from_secs(5)))
        .timeout_recv_body(Some(Duration::from_secs(300)))
}

struct Fetch<'a> {
    agent: Agent,
    /// Base addresses, the one to try first in front.
    mirrors: Vec<&'a str>,
    /// Most bytes of one file.
    limit: u64,
    show_progress: bool,
}

impl Fetch<'_> {
    fn all(mut self, files: &[Wanted], directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
        for &(name, expected) in files {
            let path = directory.join(name);
            match sha256(&path) {
                Ok(actual) if actual == expected => {}
                // Missing, damaged or unreadable: fetching replaces it or says why it cannot.
                _ => self.one(name, expected, &path)?,
            }
        }
        Ok(())
    }

    /// Fetches one file from the first mirror that has it, and puts that mirror in front for the
    /// next file: one that hangs costs its time limit once.
    fn one(&mut self, name: &str, expected: &str, path: &Path) -> anyhow::Result<()> {
        // The hosts and why nothing came from them; those with the same reason are named together.
        let mut failures: Vec<(String, String)> = Vec::new();
        for number in 0..self.mirrors.len() {
            let mirror = self.mirrors[number];
            match self.fetch_from(mirror, name, expected, path) {
                Ok(()) => {
                    self.mirrors[..=number].rotate_right(1);
                    return Ok(());
                }
                Err(error) => match (failures.last_mut(), format!("{error:#}")) {
                    (Some((hosts, same)), reason) if *same == reason => {
                        *hosts += ", ";
                        *hosts += host(mirror);
                    }
                    (_, reason) => failures.push((host(mirror).into(), reason)),
                },
            }
        }
        let failures: Vec<String> =
            failures.iter().map(|(hosts, reason)| format!("{hosts}: {reason}")).collect();
        Err(anyhow!("{name}: {}", failures.join("; ")))
    }

    /// Fetches one file, written beside `path` and renamed; on failure nothing is left behind.
    fn fetch_from(
        &self,
        mirror: &str,
        name: &str,
        expected: &str,
        path: &Path,
    ) -> anyhow::Result<()> {
        let url = format!("{}/{name}", mirror.trim_end_matches('/'));
        let mut response = self.agent.get(&url).call().map_err(in_short)?;
        let bar = self.progress(name, response.body().content_length());
        let cannot_write = || format!("cannot write {}", path.display());
        let directory = path.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        // Temporary files are private by default; this one becomes an ordinary file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // It has a name of its own, for two programs may fetch at the same time; and it goes away
        // on every way out of here but the last.
        let mut output = builder.tempfile_in(directory).with_context(cannot_write)?;
        let mut hash = Sha256::new();
        let mut body = bar.wrap_read(response.body_mut().as_reader()).take(self.limit + 1);
        let mut buffer = vec![0; 64 << 10];
        let mut total = 0;
        loop {
            let bytes = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(in_short(ureq::Error::from(error))),
            };
            total += bytes.len() as u64;
            ensure!(total <= self.limit, "sends more than {} bytes", self.limit);
            hash.update(bytes);
            output.write_all(bytes).with_context(cannot_write)?;
        }
        bar.finish_and_clear();
        let actual = hex(&hash.finalize());
        ensure!(actual == expected, "SHA-256 is {actual}, expected {expected}");
        output.as_file().sync_all().with_context(cannot_write)?;
        output.persist(path).with_context(cannot_write)?;
        Ok(())
    }

    fn progress(&self, name: &str, length: Option<u64>) -> ProgressBar {
        if !self.show_progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::no_length();
        let template = if length.is_some() {
            "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}"
        } else {
            "{msg} {spinner} {bytes} {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if let Some(length) = length {
            bar.set_length(length);
        }
        bar.set_message(name.to_owned());
        bar
    }
}

/// The reason in a few words: it ends up within one line.
fn in_short(error: ureq::Error) -> anyhow::Error {
    match error {
        ureq::Error::StatusCode(status) => anyhow!("HTTP status {status}"),
        ureq::Error::HostNotFound => anyhow!("host not found"),
        ureq::Error::ConnectionFailed => anyhow!("connection failed"),
        ureq::Error::Timeout(_) => anyhow!("timed out"),
        // The kind is the shorter text. A host not found has none: it is no error of a system call.
        ureq::Error::Io(error) if error.raw_os_error().is_some() => anyhow!("{}", error.kind()),
        ureq::Error::Io(error) => anyhow!("{error}"),
        other => anyhow!("{other}"),
    }
}

/// The host of an address, to name a mirror shortly.
fn host(url: &str) -> &str {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    address.split('/').next().unwrap_or(address)
}

fn sha256(path: &Path) -> std::io::Result<String> {
    // A larger file cannot be the right one: no need to read all of it.
    let mut file = File::open(path)?.take(MAX_BYTES + 1);
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(count) => hash.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const HELLO: Wanted =
        ("hello", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    const WORLD: Wanted =
        ("world", "486ea46224d1bb4fb680f34f7c9ad96a8f24ec88be73ea8e5a6c65260e9cb8a7");

    /// A server that gives each request the answer of `answer(path)`: a status line and a body.
    struct Server {
        url: String,
        requests: Arc<AtomicUsize>,
    }

    impl Server {
        fn start(answer: fn(&str) -> (&'static str, Vec<u8>)) -> Server {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/sets/mnist/", listener.local_addr().unwrap());
            let requests = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&requests);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    counted.fetch_add(1, Ordering::SeqCst);
                    // A client that hangs up in the middle is part of what is tested.
                    let _ = stream.and_then(|stream| Server::serve(stream, answer));
                }
            });
            Server { url, requests }
        }

        fn serve(
            mut stream: TcpStream,
            answer: fn(&str) -> (&'static str, Vec<u8>),
        ) -> std::io::Result<()> {
            let mut lines = BufReader::new(stream.try_clone()?).lines();
            let request = lines.next().transpose()?.unwrap_or_default();
            while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
            let path = request.split(' ').nth(1).unwrap_or_default();
            let (status, body) = answer(path);
            write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&body)
        }

        fn requests(&self) -> usize {
            self.requests.load(Ordering::SeqCst)
        }
    }

    /// The last part of the path as the body, wherever it is right.
    fn good(path: &str) -> (&'static str, Vec<u8>) {
        match path.strip_prefix("/sets/mnist/") {
            Some(name) => ("200 OK", name.as_bytes().to_vec()),
            None => ("404 Not Found", Vec::new()),
        }
    }

    fn wrong(_: &str) -> (&'static str, Vec<u8>) {
        ("200 OK", b"help".to_vec())
    }

    fn missing(_: &str) -> (&'static str, Vec<u8>) {
        ("404 Not Found", b"hello".to_vec())
    }

    fn fetch(mirrors: &[&str], files: &[Wanted], directory: &Path) -> anyhow::Result<()> {
        let agent = Agent::new_with_config(config().proxy(None).build());
        Fetch { agent, mirrors: mirrors.to_vec(), limit: 1000, show_progress: false }
            .all(files, directory)
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn good_files_are_fetched_once() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        let server = Server::start(good);
        fetch(&[&server.url], &[HELLO, WORLD], &directory).unwrap();
        assert_eq!(names(&directory), ["hello", "world"]);
        assert_eq!(fs::read(directory.join("hello")).unwrap(), b"hello");
        assert_eq!(server.requests(), 2);

        fetch(&[&server.url], &[HELLO, WORLD], &directory).unwrap();
        assert_eq!(server.requests(), 2, "what is there is not fetched again");
        fs::write(directory.join("world"), "damaged").unwrap();
        fetch(&[server.url.trim_end_matches('/')], &[HELLO, WORLD], &directory).unwrap();
        assert_eq!(server.requests(), 3, "what is damaged is");
        assert_eq!(fs::read(directory.join("world")).unwrap(), b"world");
    }

    #[test]
    fn a_wrong_checksum_names_both_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(wrong);
        let error = fetch(&[&server.url], &[HELLO], directory.path()).unwrap_err().to_string();
        let actual = "SHA-256 is 106a5842fc5fce6f663176285ed1516dbb1e3d15c05abab12fdca46d60b539b7";
        assert!(error.contains(actual) && error.contains(HELLO.1), "{error}");
        assert!(error.starts_with("hello: 127.0.0.1:"), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn the_next_mirror_is_tried_and_then_kept() {
        for bad in [wrong, missing] {
            let directory = tempfile::tempdir().unwrap();
            let (first, second) = (Server::start(bad), Server::start(good));
            fetch(&[&first.url, &second.url], &[HELLO, WORLD], directory.path()).unwrap();
            assert_eq!(names(directory.path()), ["hello", "world"]);
            assert_eq!((first.requests(), second.requests()), (1, 2));
        }
    }

    #[test]
    fn every_mirrors_reason_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let absent = Server::start(missing);
        // A port that was free a moment ago.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let closed = format!("http://{closed}/");
        let error =
            fetch(&[&absent.url, &closed], &[HELLO], directory.path()).unwrap_err().to_string();
        assert!(error.contains(": HTTP status 404; 127.0.0.1:"), "{error}");
        assert!(error.ends_with(": connection refused"), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn the_same_reason_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (Server::start(missing), Server::start(missing));
        let mirrors = [first.url.as_str(), second.url.as_str()];
        let error = fetch(&mirrors, &[HELLO], directory.path()).unwrap_err().to_string();
        let hosts = mirrors.map(host).join(", ");
        assert_eq!(error, format!("hello: {hosts}: HTTP status 404"));
    }

    #[test]
    fn a_server_that_sends_too_much_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(|_| ("200 OK", vec![7; 5_000_000]));
        let error = fetch(&[&server.url], &[HELLO], directory.path()).unwrap_err().to_string();
        assert!(error.ends_with(": sends more than 1000 bytes"), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = fetch(&["http://127.0.0.1:1/"], &[HELLO], file.path()).unwrap_err().to_string();
        assert!(error.contains(&file.path().display().to_string()), "{error}");
    }
}
