//! Which peers this machine has. One that is missing is named, and left out.

use std::fs;
use std::path::{Path, PathBuf};

use super::blas::Blas;
use super::hpl::Hpcc;

/// A matrix library.
pub struct Peer {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
    /// Whether it also factors.
    pub factors: bool,
}

/// All that were found, and what is missing.
pub struct Peers {
    /// Matrix libraries.
    pub libraries: Vec<Peer>,
    /// HPL 2.0 in Debian's HPC Challenge suite.
    pub hpcc: Option<Hpcc>,
    /// An xhpl of netlib's.
    pub netlib: Option<PathBuf>,
    missing: Vec<String>,
}

impl Peers {
    /// Looks for them: in the folder where PyPI's packages are installed, and where Debian puts its own.
    pub fn find(folder: Option<&Path>, netlib: Option<&Path>) -> Peers {
        let mut found =
            Peers { libraries: Vec::new(), hpcc: None, netlib: netlib.map(Path::to_owned), missing: Vec::new() };
        let files = folder.map(walk).unwrap_or_default();
        let named = |part: &str| files.iter().find(|file| file_name(file).contains(part)).cloned();
        let version = |package: &str| {
            let folder = files.iter().find_map(|file| file.ancestors().find(|a| file_name(a).starts_with(package)))?;
            file_name(folder).strip_prefix(package)?.strip_suffix(".dist-info").map(str::to_owned)
        };
        let openblas = version("scipy_openblas32-").unwrap_or_default();
        found.library(&format!("OpenBLAS {openblas}"), named("libscipy_openblas"), "PyPI: scipy-openblas32");
        let mkl = version("mkl-").unwrap_or_default();
        found.library(&format!("MKL {mkl}"), named("libmkl_rt"), "PyPI: mkl");
        let debian = |file: &str| {
            let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
            folders.map(|entry| entry.path().join(file)).find(|file| file.exists())
        };
        let blis = debian("blis-openmp/libblis.so.4").or_else(|| debian("libblis.so.4"));
        found.library("BLIS (Debian)", blis, "Debian: libblis4-openmp");
        match Hpcc::find() {
            Ok(hpcc) => found.hpcc = Some(hpcc),
            Err(why) => found.missing.push(why),
        }
        if found.netlib.is_none() {
            found.missing.push("a netlib xhpl (name one with --netlib)".into());
        }
        found
    }

    fn library(&mut self, name: &str, file: Option<PathBuf>, from: &str) {
        match file {
            Some(file) => {
                let factors = Blas::has_factor(&file);
                self.libraries.push(Peer { name: name.trim().to_owned(), file, factors });
            }
            None => self.missing.push(format!("{} ({from})", name.trim())),
        }
    }

    /// What there is and what is missing, in two lines.
    pub fn describe(&self) -> String {
        let mut there: Vec<String> = self.libraries.iter().map(|peer| peer.name.clone()).collect();
        there.push("faer".into());
        there.extend(self.hpcc.as_ref().map(Hpcc::describe));
        there.extend(self.netlib.as_ref().map(|file| format!("netlib xhpl ({})", file.display())));
        let missing = if self.missing.is_empty() { "none".to_owned() } else { self.missing.join(", ") };
        format!("peers: {}\nmissing, left out: {missing}", there.join(", "))
    }
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// All files and folders below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
