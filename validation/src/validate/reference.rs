//! netlib's own code: Debian's `hpcc`, which contains HPL 2.0 with the 64-bit generator, or an `xhpl` of netlib's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hpl_spec::out::{self, Parsed};
use hpl_spec::{Output, Sweep};

use crate::Job;
use crate::validate::agree::PRINTS_NORMS;

/// hpcc runs its other tests too, and ranks that share a core wait for each other.
const LIMIT: Duration = Duration::from_secs(90);
/// The line in hpcc's file above netlib's own.
const SECTION: &str = "Begin of HPL section.";

/// A program that contains netlib's HPL.
#[derive(Debug, Clone)]
pub struct Reference {
    program: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Hpcc,
    Xhpl,
}

/// What it told of a sweep.
#[derive(Debug)]
pub struct Told {
    /// The tests, in the order of the sweep.
    pub parsed: Parsed,
    /// What it calls itself.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

impl Reference {
    /// `hpcc` on the PATH.
    ///
    /// # Errors
    /// There is none: how to get it.
    pub fn hpcc() -> Result<Reference, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).map(|folder| folder.join("hpcc")).find(|file| file.is_file());
        let program = found.ok_or(
            "hpcc is not on the PATH: nothing can be compared with netlib's code. `cargo xtask setup` installs it, \
             and `--reference PATH` names an xhpl of netlib's instead",
        )?;
        Ok(Reference { program, kind: Kind::Hpcc })
    }

    /// A netlib `xhpl`.
    ///
    /// # Errors
    /// There is no such file.
    pub fn xhpl(path: &Path) -> Result<Reference, String> {
        let program = path.canonicalize().map_err(|e| {
            format!("--reference {}: {e}. It must name an xhpl that was built from netlib's HPL", path.display())
        })?;
        Ok(Reference { program, kind: Kind::Xhpl })
    }

    /// Runs a sweep on as many ranks as its largest grid has, with a threshold that makes it print norms.
    ///
    /// # Errors
    /// It did not do what it should: a sentence, and what it said.
    pub fn run(&self, sweep: &Sweep) -> Result<Told, String> {
        let ranks = sweep.grids.iter().map(|(p, q)| p * q).max().unwrap_or(1);
        let dat = printing_norms(sweep).to_dat();
        let (input, output) = match self.kind {
            Kind::Hpcc => ("hpccinf.txt", "hpccoutf.txt"),
            Kind::Xhpl => ("HPL.dat", FILE),
        };
        let job = Job::of(&self.program).ranks(ranks).file(input, dat).limit(LIMIT);
        // A BLAS that starts threads would only slow these small matrices down.
        let outcome = job.variable("OPENBLAS_NUM_THREADS", "1").attempt()?;
        let text = outcome.file(output).ok_or_else(|| format!("it wrote no {output}\n{}", outcome.said()))?;
        let section = match self.kind {
            Kind::Hpcc => text.split_once(SECTION).map(|(_, section)| section),
            Kind::Xhpl => Some(text.as_str()),
        };
        let section = section.ok_or_else(|| format!("{output} has no line '{SECTION}'\n{}", outcome.said()))?;
        let parsed = out::parse(section).map_err(|e| format!("{output}: {e}\n{}", outcome.said()))?;
        let same = parsed.reports.len() == sweep.tests()
            && parsed.reports.iter().zip(sweep.runs()).all(|(report, params)| report.params == params);
        if !same {
            let tests = sweep.tests();
            return Err(format!(
                "{output} tells of other tests than the {tests} that were asked for\n{}",
                outcome.said()
            ));
        }
        Ok(Told { parsed, name: self.name(&text), seconds: outcome.seconds })
    }

    /// `hpcc 1.5.0 with HPLinpack 2.0`, from its own words.
    fn name(&self, text: &str) -> String {
        let after = |words: &str| {
            let rest = text.lines().find_map(|line| line.split_once(words))?.1;
            rest.split_whitespace().next().map(str::to_owned)
        };
        let hpl =
            after("HPLinpack ").map_or("an HPL of unknown version".into(), |version| format!("HPLinpack {version}"));
        match self.kind {
            Kind::Hpcc => {
                let version = after("HPC Challenge Benchmark version ").unwrap_or_default();
                format!("hpcc {version} with netlib's {hpl}")
            }
            Kind::Xhpl => format!("xhpl of netlib's {hpl}"),
        }
    }
}

/// The file that a report goes to.
pub const FILE: &str = "HPL.out";

/// The same sweep, with a threshold that no residual stays below, reported to [`FILE`].
#[must_use]
pub fn printing_norms(sweep: &Sweep) -> Sweep {
    Sweep { threshold: PRINTS_NORMS, output: Output::File(FILE.into()), file_name: FILE.into(), ..sweep.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named() {
        let why = Reference::xhpl(Path::new("/no/such/xhpl")).unwrap_err();
        assert!(why.contains("--reference /no/such/xhpl") && why.contains("netlib"), "{why}");
    }

    #[test]
    fn its_own_words_tell_which_version_it_is() {
        let reference = |kind| Reference { program: PathBuf::new(), kind };
        let hpcc = "This is the DARPA/DOE HPC Challenge Benchmark version 1.5.0 October 2012\n\
                    HPLinpack 2.0  --  High-Performance Linpack benchmark  --   September 10, 2008\n";
        assert_eq!(reference(Kind::Hpcc).name(hpcc), "hpcc 1.5.0 with netlib's HPLinpack 2.0");
        assert_eq!(reference(Kind::Xhpl).name("HPLinpack 2.3  --\n"), "xhpl of netlib's HPLinpack 2.3");
    }

    #[test]
    fn what_is_no_hpl_is_no_reference() {
        let sweep = Sweep::of(hpl_spec::RunParams::new(10, 4, 1, 1), 16.0);
        let reference = Reference { program: "true".into(), kind: Kind::Xhpl };
        let why = reference.run(&sweep).unwrap_err();
        assert!(why.contains("it wrote no HPL.out"), "{why}");
    }
}
