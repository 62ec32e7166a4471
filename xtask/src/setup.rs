//! The set-up step: looks for what is missing, installs it where that is allowed, else says how to.
//!
//! The looking is done the way the build itself looks: the compiler wrapper that the MPI bindings
//! call, the folders in which their generator searches libclang, pkg-config for hwloc.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::error::Error;
use crate::needs::{Item, Manager, Need, Probe, Purpose, command_for, missing, not_packaged};

/// Open MPI refuses to start as root without these; a container often has no other user.
pub const AS_ROOT: [(&str, &str); 2] = [("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")];

/// Makes sure that everything `purpose` needs is there. Quiet when it is.
///
/// # Errors
/// [`Error::Missing`] with the command to type, if something is missing and may not be installed;
/// [`Error::Install`] if installing failed.
pub fn ensure(purpose: Purpose) -> Result<(), Error> {
    let needs = missing(&probe(), purpose);
    if needs.is_empty() {
        return Ok(());
    }
    if let Some(sudo) = may_install() {
        let installed = install(&sudo, &needs);
        // What only some tests need may fail to come; the look below tells.
        if needs.iter().any(|n| !n.optional) || in_ci() {
            installed?;
        }
    }
    let probe = probe();
    let left = missing(&probe, purpose);
    if left.is_empty() {
        return Ok(());
    }
    let text = explain(&probe, &left, &managers());
    if left.iter().all(|n| n.optional) && !in_ci() {
        eprintln!("{text}\nGoing on: the tests that need it will say that they are skipped.\n");
        return Ok(());
    }
    Err(Error::Missing(text))
}

/// Are we the CI, where a skipped test is a failure?
pub fn in_ci() -> bool {
    env::var("CI").is_ok_and(|v| v == "true" || v == "1")
}

/// Is this process root's?
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn explain(probe: &Probe, needs: &[&'static Need], managers: &[Manager]) -> String {
    let mut text = String::from("missing on this machine:\n");
    for need in needs {
        text += &format!("  - {}\n", need.what);
    }
    let mpi_missing = needs.iter().any(|n| n.item == Item::Mpi);
    if let (true, Some(folder)) = (mpi_missing, &probe.mpi_off_path) {
        let folder = folder.display();
        text += &format!("An MPI is installed in {folder} but not on the PATH; to use it:\n");
        text += &format!("  export PATH={folder}:$PATH\n");
    }
    let asked = if managers.is_empty() { &Manager::ALL } else { managers };
    text += match asked.len() {
        1 => "Install it with\n",
        _ => "Install it with the line for your system\n",
    };
    for &manager in asked {
        if let Some(command) = command_for(manager, needs) {
            text += &format!("  {command}\n");
        }
        for need in not_packaged(manager, needs) {
            text += &format!("  ({} has no package of {})\n", manager.program(), need.name);
        }
    }
    text + "and run the same command again."
}

fn managers() -> Vec<Manager> {
    Manager::ALL.into_iter().filter(|m| on_path(m.program())).take(1).collect()
}

/// The words to put before apt-get, or `None` if we may not install.
fn may_install() -> Option<Vec<&'static str>> {
    if !on_path("apt-get") {
        None
    } else if is_root() {
        Some(vec![])
    } else {
        succeeds("sudo", &["-n", "true"]).then(|| vec!["sudo", "-n"])
    }
}

/// Installs with apt. Package lists are fetched only when the first try fails without them.
fn install(sudo: &[&str], needs: &[&Need]) -> Result<(), Error> {
    let packages = Manager::Apt.packages(needs);
    let spinner = ProgressBar::new_spinner().with_message(format!("installing {}", packages.join(" ")));
    if spinner.is_hidden() {
        println!("installing {}", packages.join(" "));
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    let mut words = vec!["apt-get", "install", "-y", "--no-install-recommends"];
    words.extend(&packages);
    let mut said = apt(sudo, &words)?;
    if !said.status.success() {
        apt(sudo, &["apt-get", "update"])?;
        said = apt(sudo, &words)?;
    }
    spinner.finish_and_clear();
    if said.status.success() {
        println!("installed {}", packages.join(" "));
        return Ok(());
    }
    let output = [said.stdout, said.stderr].concat();
    let output = String::from_utf8_lossy(&output).trim_end().to_owned();
    Err(Error::Install { command: words.join(" "), output })
}

fn apt(sudo: &[&str], words: &[&str]) -> Result<Output, Error> {
    let mut line = sudo.to_vec();
    line.extend(["env", "DEBIAN_FRONTEND=noninteractive"]);
    line.extend(words);
    Command::new(line[0]).args(&line[1..]).stdin(Stdio::null()).output().map_err(Error::start(line[0]))
}

fn probe() -> Probe {
    let mpicc = env::var("MPICC").unwrap_or_else(|_| "mpicc".to_owned());
    Probe {
        mpicc: env::var_os("MPI_PKG_CONFIG").is_some() || finds_header(&mpicc, "mpi.h"),
        mpirun: on_path("mpirun"),
        mpi_off_path: mpi_off_path(),
        hwloc: says("pkg-config", &["--modversion", "hwloc"]),
        libclang: libclang(),
        pkg_config: succeeds("pkg-config", &["--version"]),
        cc: finds_header("cc", "stdio.h"),
        git: succeeds("git", &["--version"]),
        hpcc: on_path("hpcc"),
        openblas: openblas(),
        curl: on_path("curl"),
        browser: browser().is_some(),
        node: succeeds("node", &["--version"]) && on_path("npm"),
        python: succeeds("python3", &["-c", "import ensurepip, venv"]),
    }
}

/// The browser that tests drive: `HPL_BROWSER` names it, else the one on the PATH.
pub fn browser() -> Option<PathBuf> {
    match env::var_os("HPL_BROWSER").map(PathBuf::from) {
        Some(named) => named.is_file().then_some(named),
        None => ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(which),
    }
}

fn mpi_off_path() -> Option<PathBuf> {
    ["/usr/lib64/openmpi/bin", "/usr/lib64/mpich/bin", "/opt/openmpi/bin", "/usr/local/openmpi/bin"]
        .into_iter()
        .map(PathBuf::from)
        .find(|folder| folder.join("mpicc").exists() && folder.join("mpirun").exists())
}

/// libclang where the generator looks for it, with the headers that it opens (stddef.h first).
fn libclang() -> bool {
    let is_library = |name: &str| {
        name.starts_with("libclang") && !name.contains("-cpp.") && (name.contains(".so") || name.contains(".dylib"))
    };
    if let Some(named) = env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        // Only this place is searched then; whoever named it also answers for the headers.
        return named.is_file() || holds(&named, is_library);
    }
    let llvm = says("llvm-config", &["--prefix"]).map(PathBuf::from);
    let mut roots: Vec<PathBuf> = llvm.iter().flat_map(|p| [p.join("lib"), p.join("lib64")]).collect();
    // The generator knows nothing of Homebrew's folder on ARM: there LIBCLANG_PATH has to name it.
    let known = library_folders().filter(|folder| !folder.starts_with("/opt/homebrew"));
    roots.extend(paths_in("LD_LIBRARY_PATH").chain(known));
    let headers = || {
        let own = says("clang", &["-print-resource-dir"]).map(|dir| PathBuf::from(dir).join("include"));
        let versions = roots.iter().flat_map(|r| folders_in(&r.join("clang")));
        own.into_iter().chain(versions.map(|v| v.join("include"))).any(|include| include.join("stddef.h").exists())
    };
    roots.iter().any(|r| holds(r, is_library)) && headers()
}

fn openblas() -> bool {
    let nested = |folder: PathBuf| {
        let inner = folder.join("openblas-pthread");
        [folder, inner]
    };
    paths_in("LD_LIBRARY_PATH")
        .chain(library_folders())
        .flat_map(nested)
        .any(|folder| holds(&folder, |name| name.starts_with("libopenblas")))
}

/// The usual library folders, the folders in them, and the `lib` of every LLVM among these.
fn library_folders() -> impl Iterator<Item = PathBuf> {
    let tops = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/usr/local/opt", "/opt/homebrew/opt"];
    let named = ["/opt/homebrew/lib", "/Library/Developer/CommandLineTools/usr/lib"];
    let inside = tops.into_iter().flat_map(|top| folders_in(Path::new(top)));
    let with_lib = inside.flat_map(|folder| {
        let inner = ["lib", "lib64"].map(|l| folder.join(l));
        std::iter::once(folder).chain(inner)
    });
    tops.into_iter().chain(named).map(PathBuf::from).chain(with_lib)
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.is_dir())
}

fn holds(folder: &Path, wanted: impl Fn(&str) -> bool) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|e| e.file_name().to_str().is_some_and(&wanted))
}

fn paths_in(variable: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let value = env::var_os(variable).unwrap_or_default();
    env::split_paths(&value).filter(|p| !p.as_os_str().is_empty()).collect::<Vec<_>>().into_iter()
}

/// Is there a program of this name on the PATH?
pub fn on_path(program: &str) -> bool {
    which(program).is_some()
}

fn which(program: &str) -> Option<PathBuf> {
    paths_in("PATH").map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Does this compiler run and find this header? A wrapper can be installed without the library's headers.
fn finds_header(compiler: &str, header: &str) -> bool {
    let mut command = Command::new(compiler);
    command.args(["-E", "-x", "c", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that does not read is judged by its exit status.
        let _ = writeln!(stdin, "#include <{header}>");
    }
    child.wait().is_ok_and(|status| status.success())
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    says(program, args).is_some()
}

/// What a program prints when it succeeds.
pub fn says(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_explanation_names_things_the_path_and_one_command() {
        let probe = Probe { mpi_off_path: Some("/somewhere/mpi/bin".into()), ..Probe::default() };
        let needs = missing(&probe, Purpose::Run);
        let text = explain(&probe, &needs, &[Manager::Dnf]);
        assert!(text.contains("libhwloc 2"), "{text}");
        assert!(text.contains("export PATH=/somewhere/mpi/bin:$PATH"), "{text}");
        assert_eq!(text.matches("install openmpi-devel").count(), 1, "{text}");
        assert!(!text.contains("pacman"), "{text}");
    }

    #[test]
    fn without_a_known_manager_all_four_are_told() {
        let needs = missing(&Probe::default(), Purpose::Test);
        let text = explain(&Probe::default(), &needs, &[]);
        for word in ["apt-get install", "dnf install", "pacman -S", "brew install"] {
            assert_eq!(text.matches(word).count(), 1, "{text}");
        }
    }
}
