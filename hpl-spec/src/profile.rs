//! What was found to be fastest on a CPU: the profile that `xhpl tune` writes and later runs read.

use serde::{Deserialize, Serialize};

use crate::rates::Rates;

/// The number of the file format. 1 had no rates.
pub const FORMAT: u32 = 2;

/// Which parts of its caches a product uses; the block sizes for any NB follow from them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// Part of the second level cache for a packed strip of B.
    pub strip: f64,
    /// Part of the second level cache for the block of A that passes the strip.
    pub block: f64,
    /// The most columns of a strip.
    pub widest: usize,
}

impl Default for Shares {
    /// What serves well where nothing was measured.
    fn default() -> Shares {
        Shares { strip: 0.5, block: 0.25, widest: 192 }
    }
}

impl Shares {
    /// Whether blocks can be made of them: parts above nothing that fit together, strips of 1 to 4096 columns.
    #[must_use]
    pub fn are_sane(&self) -> bool {
        [self.strip, self.block].iter().all(|part| *part > 0.0 && *part <= 0.9)
            && self.strip + self.block <= 0.95
            && (1..=4096).contains(&self.widest)
    }
}

/// A profile. It serves the CPU it was measured on, with the kernel it was measured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`FORMAT`].
    pub format: u32,
    /// The CPU's name for itself.
    pub cpu_model: String,
    /// The kernel.
    pub kernel: String,
    /// Bytes of a core's first and second level cache, of which the shares are.
    pub caches: [u64; 2],
    /// Threads that were at work.
    pub threads: usize,
    /// What was fastest.
    pub shares: Shares,
    /// The block size NB that was fastest for large N.
    pub nb: usize,
    /// Gflop/s of the product with these shares, with the usual ones, and of LU with this NB.
    pub measured: Measured,
    /// What solves took on one rank of these threads, from which times are told.
    pub rates: Rates,
    /// The xhpl that measured.
    pub version: String,
}

/// The figures of a profile, in Gflop/s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// C −= A·B with the shares of the profile.
    pub product: f64,
    /// The same with the shares that serve where nothing was measured.
    pub product_untuned: f64,
    /// LU with the shares and the NB of the profile.
    pub lu: f64,
}

/// What a profile of any format has.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// What is wrong with the text, in one sentence.
    pub fn parse(text: &str) -> Result<Profile, String> {
        // The format first: another one has other fields.
        let Versioned { format } = serde_json::from_str(text).map_err(|e| format!("it is no profile: {e}"))?;
        if format != FORMAT {
            return Err(format!("its format is {format}, expected {FORMAT}. Write it anew with `xhpl tune`"));
        }
        let profile: Profile = serde_json::from_str(text).map_err(|e| format!("it is no profile: {e}"))?;
        if !profile.shares.are_sane() || !(1..=4096).contains(&profile.nb) || !profile.rates.are_sane() {
            return Err("its numbers are out of range".to_owned());
        }
        Ok(profile)
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Why it does not serve a CPU of that name with that kernel and those caches; `None` if it does.
    #[must_use]
    pub fn foreign(&self, cpu_model: &str, kernel: &str, caches: [u64; 2]) -> Option<String> {
        let differs = |what: &str, found: &str, here: &str| {
            (found != here).then(|| format!("it is for the {what} {found}, and this is {here}"))
        };
        differs("CPU", &self.cpu_model, cpu_model)
            .or_else(|| differs("kernel", &self.kernel, kernel))
            .or_else(|| differs("caches", &format!("{:?}", self.caches), &format!("{caches:?}")))
    }
}

/// The profile that a run used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileUsed {
    /// Its file.
    pub file: String,
    /// SHA-256 of its text, in hex.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rates::Solve;

    fn profile() -> Profile {
        Profile {
            format: FORMAT,
            cpu_model: "Some CPU".into(),
            kernel: "avx2-12x4".into(),
            caches: [32 << 10, 1 << 20],
            threads: 2,
            shares: Shares::default(),
            nb: 224,
            measured: Measured { product: 100.0, product_untuned: 98.5, lu: 90.0 },
            rates: Rates { product: 100.0, solves: vec![Solve { n: 8000, nb: 224, seconds: 3.8 }] },
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn texts_round_trip_and_nonsense_is_refused() {
        let text = profile().to_text();
        assert_eq!(Profile::parse(&text), Ok(profile()));
        for (from, to, why) in [
            ("\"format\": 2", "\"format\": 1", "format is 1, expected 2. Write it anew"),
            ("\"seconds\": 3.8", "\"seconds\": 0", "out of range"),
            ("\"nb\": 224", "\"nb\": 0", "out of range"),
            ("\"widest\": 192", "\"widest\": 0", "out of range"),
            ("\"block\": 0.25", "\"block\": 0.7", "out of range"),
            ("\"block\": 0.25", "\"block\": -1", "out of range"),
            ("\"threads\"", "\"treads\"", "no profile"),
            ("{", "", "no profile"),
        ] {
            assert!(text.contains(from), "{from}");
            let told = Profile::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn a_foreign_profile_says_why() {
        let caches = [32 << 10, 1 << 20];
        assert_eq!(profile().foreign("Some CPU", "avx2-12x4", caches), None);
        assert!(profile().foreign("Another", "avx2-12x4", caches).unwrap().contains("CPU Some CPU"));
        assert!(profile().foreign("Some CPU", "faer", caches).unwrap().contains("kernel"));
        assert!(profile().foreign("Some CPU", "avx2-12x4", [0; 2]).unwrap().contains("caches"));
    }
}
