//! `cargo xtask web`: the scripts of the pages, built from `service/web` where they are older than their sources.
//!
//! The service embeds what is there when it is built. Every command that builds it comes by here first; without npm it
//! goes on, as the pages work without scripts.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::build;
use crate::error::Error;
use crate::npm::{self, changed};
use crate::setup;

/// What the table of minutes and the messages call it.
pub const NAME: &str = "scripts of the pages";
/// What the scripts are made of: files, and folders with all in them.
const SOURCES: [&str; 6] = ["package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "public", "src"];
/// What is written last of a build.
const BUILT: &str = "dist/.vite/manifest.json";

/// How the scripts stand beside their sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// Built from them.
    Fresh,
    /// Built from older ones.
    Outdated,
    /// Not built.
    Absent,
}

fn folder() -> PathBuf {
    build::root().join("service/web")
}

/// Builds the scripts where they are older than their sources.
///
/// # Errors
/// npm is missing or fails.
pub fn web() -> Result<(), Error> {
    let folder = folder();
    if stand(&folder) == Stand::Fresh {
        println!("the {NAME} are as new as their sources");
        return Ok(());
    }
    if let Some(why) = npm::lacking() {
        return Err(Error::Missing(format!("the {NAME} cannot be built: {why}")));
    }
    make(&folder)?;
    println!("the {NAME} are built; the next build of the service takes them in");
    Ok(())
}

/// The same before the service is built. What cannot be fetched stops only the CI; what does not compile stops anyone.
///
/// # Errors
/// npm is missing or cannot fetch, in CI; the scripts do not compile.
pub fn ensure() -> Result<(), Error> {
    let folder = folder();
    let stand = stand(&folder);
    if stand == Stand::Fresh {
        return Ok(());
    }
    let fetched = match npm::lacking() {
        Some(why) => Err(Error::Missing(format!("the {NAME} cannot be built: {why}"))),
        None => npm::fetch(&folder, NAME),
    };
    match fetched {
        Ok(()) => npm::run(&folder, NAME, "run build"),
        Err(why) if setup::in_ci() => Err(why),
        Err(why) => {
            eprintln!("{}", without(&why, stand));
            Ok(())
        }
    }
}

/// Builds the scripts and tests what they are made of, where npm is there.
///
/// # Errors
/// Those of [`ensure`]; a test that fails.
pub fn test() -> Result<(), Error> {
    ensure()?;
    let folder = folder();
    if npm::lacking().is_some() {
        return Ok(());
    }
    match npm::fetch(&folder, NAME) {
        Ok(()) => npm::run(&folder, NAME, "test"),
        Err(why) if setup::in_ci() => Err(why),
        Err(why) => {
            eprintln!("{why}\nGoing on: the {NAME} are not tested.\n");
            Ok(())
        }
    }
}

fn make(folder: &Path) -> Result<(), Error> {
    npm::fetch(folder, NAME)?;
    npm::run(folder, NAME, "run build")
}

fn without(why: &Error, stand: Stand) -> String {
    let on = match stand {
        Stand::Outdated => "with those that were built from older sources",
        _ => "without them: the pages work, but have no charts and no estimate as one types",
    };
    format!("{why}\nGoing on {on}. `cargo xtask web` builds the {NAME}.\n")
}

fn stand(folder: &Path) -> Stand {
    let newest = SOURCES.iter().filter_map(|name| newest(&folder.join(name))).max();
    match changed(&folder.join(BUILT)) {
        None => Stand::Absent,
        Some(built) if newest.is_none_or(|newest| newest <= built) => Stand::Fresh,
        Some(_) => Stand::Outdated,
    }
}

/// The latest change of a file, or of a folder and all in it: a file that was taken away changes its folder.
fn newest(path: &Path) -> Option<SystemTime> {
    let inside = path.read_dir().into_iter().flatten().flatten().filter_map(|entry| newest(&entry.path()));
    inside.chain(changed(path)).max()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::Duration;

    use super::*;

    /// Sets when something was last changed, in seconds after a moment long ago.
    fn touch(path: &Path, seconds: u64) {
        File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn what_is_built_is_as_new_as_the_newest_source() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("src/pages")).unwrap();
        fs::create_dir_all(at("dist/.vite")).unwrap();
        for name in ["package.json", "src/pages/all.ts", "test.ts"] {
            fs::write(at(name), "").unwrap();
        }
        assert_eq!(stand(folder.path()), Stand::Absent);
        fs::write(at(BUILT), "{}").unwrap();
        let all = ["src", "src/pages", "src/pages/all.ts", "package.json", "test.ts"];
        all.iter().for_each(|name| touch(&at(name), 100));
        touch(&at(BUILT), 200);
        assert_eq!(stand(folder.path()), Stand::Fresh);
        for name in ["src/pages/all.ts", "src/pages", "package.json"] {
            touch(&at(name), 300);
            assert_eq!(stand(folder.path()), Stand::Outdated, "{name}");
            touch(&at(name), 100);
        }
        touch(&at("test.ts"), 300);
        assert_eq!(stand(folder.path()), Stand::Fresh, "a test is no source");
    }

    #[test]
    fn who_goes_on_without_is_told_what_is_missing_and_what_to_type() {
        let why = Error::Missing("npm is not on the PATH".into());
        let told = without(&why, Stand::Absent);
        assert!(told.starts_with("npm is not on the PATH\nGoing on without them: the pages work"), "{told}");
        assert!(told.contains("`cargo xtask web`"), "{told}");
        assert!(without(&why, Stand::Outdated).contains("built from older sources"));
    }

    #[test]
    fn the_sources_are_where_they_are_looked_for() {
        for name in SOURCES {
            assert!(folder().join(name).exists(), "{name}");
        }
    }
}
