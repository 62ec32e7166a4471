//! What this project needs from the system, and what each system calls it: one table, no I/O.

use std::path::PathBuf;

/// One thing the system must bring. The table [`NEEDS`] has one row for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// An MPI library with its compiler wrapper and its launcher.
    Mpi,
    /// The hwloc library, version 2 or newer, with headers.
    Hwloc,
    /// The clang library with its own C headers, from which the MPI bindings are generated.
    Libclang,
    /// The program that tells where libraries are.
    PkgConfig,
    /// A C compiler and the C library's headers.
    Cc,
    /// git.
    Git,
    /// The HPC Challenge suite: netlib's HPL, ready built.
    Hpcc,
    /// The matrix library that hpcc runs on.
    OpenBlas,
    /// The program with which the README's calls are made.
    Curl,
    /// A browser that walks through the pages.
    Browser,
    /// Node.js and npm, which build the scripts of the pages and drive the browser.
    Node,
    /// Python with the module that makes virtual environments, for the fuzzer of the API.
    Python,
}

/// Why something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To build and run.
    Run,
    /// To build, run and test.
    Test,
}

/// A row of [`NEEDS`].
#[derive(Debug, PartialEq, Eq)]
pub struct Need {
    /// Which thing.
    pub item: Item,
    /// Its short name.
    pub name: &'static str,
    /// What it is, for a person.
    pub what: &'static str,
    /// Only tests ask for it.
    pub tests_only: bool,
    /// Tests that miss it say so and skip, except in CI.
    pub optional: bool,
    apt: &'static [&'static str],
    dnf: &'static [&'static str],
    pacman: &'static [&'static str],
    brew: &'static [&'static str],
}

/// Everything that may be missing. An empty list of packages: that system has none.
pub static NEEDS: [Need; 12] = [
    Need {
        item: Item::Mpi,
        name: "an MPI",
        what: "an MPI with its compiler wrapper (mpicc) and launcher (mpirun)",
        tests_only: false,
        optional: false,
        apt: &["libopenmpi-dev", "openmpi-bin"],
        dnf: &["openmpi-devel"],
        pacman: &["openmpi"],
        brew: &["open-mpi"],
    },
    Need {
        item: Item::Hwloc,
        name: "libhwloc",
        what: "libhwloc 2 or newer, with headers",
        tests_only: false,
        optional: false,
        apt: &["libhwloc-dev"],
        dnf: &["hwloc-devel"],
        pacman: &["hwloc"],
        brew: &["hwloc"],
    },
    Need {
        item: Item::Libclang,
        name: "libclang",
        what: "libclang with its C headers (the MPI bindings are generated with it)",
        tests_only: false,
        optional: false,
        apt: &["libclang-dev"],
        dnf: &["clang-devel"],
        pacman: &["clang"],
        brew: &["llvm"],
    },
    Need {
        item: Item::PkgConfig,
        name: "pkg-config",
        what: "pkg-config",
        tests_only: false,
        optional: false,
        apt: &["pkg-config"],
        dnf: &["pkgconf-pkg-config"],
        pacman: &["pkgconf"],
        brew: &["pkgconf"],
    },
    Need {
        item: Item::Cc,
        name: "a C compiler",
        what: "a C compiler (cc) and the C library's headers",
        tests_only: false,
        optional: false,
        apt: &["gcc", "libc6-dev"],
        dnf: &["gcc", "glibc-devel"],
        pacman: &["gcc", "glibc"],
        brew: &["gcc"],
    },
    Need {
        item: Item::Git,
        name: "git",
        what: "git",
        tests_only: true,
        optional: false,
        apt: &["git"],
        dnf: &["git"],
        pacman: &["git"],
        brew: &["git"],
    },
    Need {
        item: Item::Hpcc,
        name: "hpcc",
        what: "hpcc (netlib's HPL inside the HPC Challenge suite, the reference of some tests)",
        tests_only: true,
        optional: true,
        apt: &["hpcc"],
        dnf: &[],
        pacman: &[],
        brew: &[],
    },
    Need {
        item: Item::OpenBlas,
        name: "OpenBLAS",
        what: "OpenBLAS (hpcc runs on it)",
        tests_only: true,
        optional: true,
        apt: &["libopenblas0-pthread"],
        dnf: &["openblas-threads"],
        pacman: &["openblas"],
        brew: &["openblas"],
    },
    Need {
        item: Item::Curl,
        name: "curl",
        what: "curl",
        tests_only: true,
        optional: false,
        apt: &["curl"],
        dnf: &["curl"],
        pacman: &["curl"],
        brew: &["curl"],
    },
    Need {
        item: Item::Browser,
        name: "Chromium",
        what: "Chromium (a test walks through the pages with it)",
        tests_only: true,
        optional: true,
        apt: &["chromium"],
        dnf: &["chromium"],
        pacman: &["chromium"],
        brew: &[],
    },
    Need {
        item: Item::Node,
        name: "Node.js with npm",
        what: "Node.js with npm (they build the scripts of the pages and drive the browser)",
        tests_only: true,
        optional: true,
        apt: &["nodejs", "npm"],
        dnf: &["nodejs", "npm"],
        pacman: &["nodejs", "npm"],
        brew: &["node"],
    },
    Need {
        item: Item::Python,
        name: "Python with venv",
        what: "Python 3 with venv (a test fuzzes the API with a Python program)",
        tests_only: true,
        optional: true,
        apt: &["python3", "python3-venv"],
        dnf: &["python3"],
        pacman: &["python"],
        brew: &["python"],
    },
];

/// What was found on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The MPI compiler wrapper runs and finds mpi.h.
    pub mpicc: bool,
    /// The launcher is on the PATH.
    pub mpirun: bool,
    /// A folder with an MPI that is installed but not on the PATH.
    pub mpi_off_path: Option<PathBuf>,
    /// The version of libhwloc that pkg-config knows.
    pub hwloc: Option<String>,
    /// libclang is where the binding generator looks, and so are its headers.
    pub libclang: bool,
    /// pkg-config runs.
    pub pkg_config: bool,
    /// A C compiler runs and finds the C library's headers.
    pub cc: bool,
    /// git runs.
    pub git: bool,
    /// hpcc is on the PATH.
    pub hpcc: bool,
    /// An OpenBLAS library was found.
    pub openblas: bool,
    /// curl is on the PATH.
    pub curl: bool,
    /// A browser was found.
    pub browser: bool,
    /// Node.js and npm are on the PATH.
    pub node: bool,
    /// Python runs and can make virtual environments.
    pub python: bool,
}

impl Probe {
    fn has(&self, item: Item) -> bool {
        match item {
            Item::Mpi => self.mpicc && self.mpirun,
            Item::Hwloc => self.hwloc.as_deref().is_some_and(|v| major(v) >= 2),
            Item::Libclang => self.libclang,
            Item::PkgConfig => self.pkg_config,
            Item::Cc => self.cc,
            Item::Git => self.git,
            Item::Hpcc => self.hpcc,
            Item::OpenBlas => self.openblas,
            Item::Curl => self.curl,
            Item::Browser => self.browser,
            Item::Node => self.node,
            Item::Python => self.python,
        }
    }
}

fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|m| m.trim().parse().ok()).unwrap_or(0)
}

/// The rows that the probe did not find and the purpose asks for.
pub fn missing(probe: &Probe, purpose: Purpose) -> Vec<&'static Need> {
    NEEDS.iter().filter(|n| !n.tests_only || purpose == Purpose::Test).filter(|n| !probe.has(n.item)).collect()
}

/// A package manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and their kin.
    Apt,
    /// Fedora, RHEL and their kin.
    Dnf,
    /// Arch and its kin.
    Pacman,
    /// Homebrew.
    Brew,
}

impl Manager {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [Manager; 4] = [Manager::Apt, Manager::Dnf, Manager::Pacman, Manager::Brew];

    /// The program that must be on the PATH.
    pub fn program(self) -> &'static str {
        match self {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Pacman => "pacman",
            Manager::Brew => "brew",
        }
    }

    fn install(self) -> &'static str {
        match self {
            Manager::Apt => "sudo apt-get install --no-install-recommends",
            Manager::Dnf => "sudo dnf install",
            Manager::Pacman => "sudo pacman -S --needed",
            Manager::Brew => "brew install",
        }
    }

    /// What the packages of `item` leave to do in the shell: they install where nobody looks.
    fn afterwards(self, item: Item) -> Option<&'static str> {
        match (self, item) {
            (Manager::Dnf, Item::Mpi) => Some("export PATH=/usr/lib64/openmpi/bin:$PATH"),
            (Manager::Brew, Item::Libclang) => Some("export LIBCLANG_PATH=$(brew --prefix llvm)/lib"),
            _ => None,
        }
    }

    fn packages_of(self, need: &Need) -> &'static [&'static str] {
        match self {
            Manager::Apt => need.apt,
            Manager::Dnf => need.dnf,
            Manager::Pacman => need.pacman,
            Manager::Brew => need.brew,
        }
    }

    /// The packages that bring all of `needs`, in the table's order.
    pub fn packages(self, needs: &[&Need]) -> Vec<&'static str> {
        needs.iter().flat_map(|n| self.packages_of(n)).copied().collect()
    }
}

/// The one command a person types to get `needs`, or `None` if that system packages none of them.
pub fn command_for(manager: Manager, needs: &[&Need]) -> Option<String> {
    let packages = manager.packages(needs);
    let install = format!("{} {}", manager.install(), packages.join(" "));
    let afterwards = needs.iter().filter_map(|n| manager.afterwards(n.item)).map(|line| format!(" && {line}"));
    (!packages.is_empty()).then(|| install + &afterwards.collect::<String>())
}

/// The rows that a system does not package.
pub fn not_packaged(manager: Manager, needs: &[&'static Need]) -> Vec<&'static Need> {
    needs.iter().copied().filter(|n| manager.packages_of(n).is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Probe {
        Probe {
            mpicc: true,
            mpirun: true,
            mpi_off_path: None,
            hwloc: Some("2.9.0".into()),
            libclang: true,
            pkg_config: true,
            cc: true,
            git: true,
            hpcc: true,
            openblas: true,
            curl: true,
            browser: true,
            node: true,
            python: true,
        }
    }

    const TESTS_ONLY: [Item; 7] =
        [Item::Git, Item::Hpcc, Item::OpenBlas, Item::Curl, Item::Browser, Item::Node, Item::Python];

    fn items(needs: &[&Need]) -> Vec<Item> {
        needs.iter().map(|n| n.item).collect()
    }

    #[test]
    fn a_complete_machine_misses_nothing() {
        assert!(missing(&complete(), Purpose::Test).is_empty());
    }

    #[test]
    fn a_bare_machine_misses_every_row() {
        assert_eq!(missing(&Probe::default(), Purpose::Test).len(), NEEDS.len());
    }

    #[test]
    fn running_does_not_ask_for_what_only_tests_use() {
        let runs = Probe {
            hpcc: false,
            openblas: false,
            git: false,
            curl: false,
            browser: false,
            node: false,
            python: false,
            ..complete()
        };
        assert!(missing(&runs, Purpose::Run).is_empty());
        assert_eq!(items(&missing(&runs, Purpose::Test)), TESTS_ONLY);
    }

    #[test]
    fn an_mpi_without_a_launcher_or_an_old_hwloc_is_missing() {
        for probe in [Probe { mpirun: false, ..complete() }, Probe { mpicc: false, ..complete() }] {
            assert_eq!(items(&missing(&probe, Purpose::Run)), [Item::Mpi]);
        }
        for version in ["1.11.13", "", "x"] {
            let probe = Probe { hwloc: Some(version.into()), ..complete() };
            assert_eq!(items(&missing(&probe, Purpose::Run)), [Item::Hwloc]);
        }
    }

    #[test]
    fn one_command_names_every_package_of_what_is_missing() {
        let needs = missing(&Probe { mpirun: false, hwloc: None, ..complete() }, Purpose::Run);
        let told: Vec<_> = Manager::ALL.iter().map(|&m| command_for(m, &needs).unwrap()).collect();
        assert_eq!(
            told,
            [
                "sudo apt-get install --no-install-recommends libopenmpi-dev openmpi-bin libhwloc-dev",
                "sudo dnf install openmpi-devel hwloc-devel && export PATH=/usr/lib64/openmpi/bin:$PATH",
                "sudo pacman -S --needed openmpi hwloc",
                "brew install open-mpi hwloc",
            ]
        );
    }

    #[test]
    fn a_system_without_the_package_has_no_command() {
        let needs = missing(&Probe { hpcc: false, ..complete() }, Purpose::Test);
        assert_eq!(command_for(Manager::Dnf, &needs), None);
        assert_eq!(items(&not_packaged(Manager::Dnf, &needs)), [Item::Hpcc]);
        assert_eq!(command_for(Manager::Apt, &needs).unwrap(), "sudo apt-get install --no-install-recommends hpcc");
    }
}
