//! Where the program keeps what it can get again.

use std::ffi::OsString;
use std::path::PathBuf;

/// The directory `minibatch` in the user's cache directory, whether or not it exists; `None` if the
/// system does not say where that is.
pub(crate) fn directory() -> Option<PathBuf> {
    directory_on(std::env::consts::OS, |name| std::env::var_os(name))
}

fn directory_on(system: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path would mean another place for each directory the program is started in.
    let directory =
        |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = match system {
        "windows" => directory("LOCALAPPDATA"),
        "macos" => directory("HOME").map(|home| home.join("Library/Caches")),
        _ => directory("XDG_CACHE_HOME")
            .or_else(|| directory("HOME").map(|home| home.join(".cache"))),
    };
    caches.map(|caches| caches.join("minibatch"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_cache_lies_where_the_system_has_its_caches() {
        let variables = |name: &str| match name {
            "HOME" => Some("/home/me".into()),
            "LOCALAPPDATA" => Some("/me/local".into()),
            _ => None,
        };
        let on = |system| directory_on(system, variables);
        assert_eq!(on("linux"), Some("/home/me/.cache/minibatch".into()));
        assert_eq!(on("macos"), Some("/home/me/Library/Caches/minibatch".into()));
        assert_eq!(on("windows"), Some("/me/local/minibatch".into()));
        let xdg = |value: &'static str| {
            directory_on("linux", |name| {
                (name == "XDG_CACHE_HOME").then(|| value.into()).or_else(|| variables(name))
            })
        };
        assert_eq!(xdg("/caches"), Some("/caches/minibatch".into()));
        assert_eq!(xdg("caches"), Some("/home/me/.cache/minibatch".into()));
        assert_eq!(directory_on("linux", |_| None), None);
    }
}
