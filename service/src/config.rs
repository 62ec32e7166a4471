//! Every setting of `serve`: one struct, each field a flag or an environment variable, shown by `--help`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use crate::limits::Rates;

/// Who may sign up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signup {
    /// Everybody.
    Open,
    /// Who was invited by an administrator.
    Invite,
    /// Nobody; administrators make accounts.
    Closed,
}

/// Where the data is: the one setting that all commands share.
#[derive(Debug, Clone, Args)]
pub struct Data {
    /// Folder of the database, logs, artifacts and keys; made if need be
    #[arg(long = "data", env = "HPL_SERVICE_DATA", default_value = "hpl-data", value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// The settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where the data is.
    #[command(flatten)]
    pub data: Data,

    /// Address and port to listen on
    #[arg(long, env = "HPL_SERVICE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    pub listen: SocketAddr,

    /// The name people and nodes reach the service by, with the port; goes into join strings and the certificate
    #[arg(long = "public-name", env = "HPL_SERVICE_NAME", value_name = "HOST[:PORT]")]
    pub public_name: Option<String>,

    /// Plain HTTP instead of TLS; only on loopback, unless --plain-http-anywhere is given too
    #[arg(long, env = "HPL_SERVICE_PLAIN_HTTP")]
    pub plain_http: bool,

    /// Allow plain HTTP on any address: passwords cross the network unprotected
    #[arg(long, env = "HPL_SERVICE_PLAIN_HTTP_ANYWHERE", requires = "plain_http")]
    pub plain_http_anywhere: bool,

    /// Certificate chain, PEM; read again when it changes. Without it a self-signed one is made at first start
    #[arg(long, env = "HPL_SERVICE_CERT", value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, env = "HPL_SERVICE_KEY", value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,

    /// Network of a proxy whose X-Forwarded-For and -Proto are believed; may be given several times
    #[arg(long = "trusted-proxy", env = "HPL_SERVICE_TRUSTED_PROXY", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// Who may sign up; by default everybody on loopback, who was invited elsewhere
    #[arg(long, env = "HPL_SERVICE_SIGNUP", value_enum)]
    pub signup: Option<Signup>,

    /// Runs of one user at the same time
    #[arg(long, env = "HPL_SERVICE_RUNNING_MAX", default_value_t = 1, value_name = "RUNS")]
    pub running_max: u32,

    /// Waiting jobs and sweeps of one user
    #[arg(long, env = "HPL_SERVICE_QUEUED_MAX", default_value_t = 20, value_name = "JOBS")]
    pub queued_max: u32,

    /// Longest walltime of a job
    #[arg(long = "walltime-max", env = "HPL_SERVICE_WALLTIME_MAX", default_value_t = 1800, value_name = "SECONDS")]
    pub walltime_max_s: u32,

    /// Seconds between two beats of a node
    #[arg(long = "beat", env = "HPL_SERVICE_BEAT", default_value_t = 10, value_name = "SECONDS")]
    pub beat_s: u32,

    /// Seconds without a sign of life after which a node counts as lost
    #[arg(long = "lease", env = "HPL_SERVICE_LEASE", default_value_t = 90, value_name = "SECONDS")]
    pub lease_s: u32,

    /// Free disk below which logs and artifacts are refused
    #[arg(long, env = "HPL_SERVICE_DISK_LOW", default_value_t = 2 << 30, value_name = "BYTES")]
    pub disk_low: u64,

    /// Free disk below which new jobs are refused, too
    #[arg(long, env = "HPL_SERVICE_DISK_CRITICAL", default_value_t = 512 << 20, value_name = "BYTES")]
    pub disk_critical: u64,

    /// How often who may ask.
    #[command(flatten)]
    pub rates: Rates,

    /// Requests are not limited by rate, whatever the rates are: for measuring the service alone. A failed log-in has to
    /// wait all the same
    #[arg(long, env = "HPL_SERVICE_NO_RATE_LIMITS")]
    pub no_rate_limits: bool,

    /// SHA-256 of an xhpl binary whose results can be Verified; may be given several times
    #[arg(long = "known-binary", env = "HPL_SERVICE_KNOWN_BINARIES", value_name = "HEX", value_delimiter = ',')]
    pub known_binaries: Vec<String>,

    /// Version that daemons should have: others are told to install it when they are idle
    #[arg(long, env = "HPL_SERVICE_DAEMON_VERSION", value_name = "VERSION")]
    pub daemon_version: Option<String>,

    /// Write the address that was bound to this file once requests are taken (for scripts, with port 0)
    #[arg(long, env = "HPL_SERVICE_READY_FILE", value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

impl Config {
    /// Who may sign up, the default resolved.
    #[must_use]
    pub fn signup(&self) -> Signup {
        let default = if self.listen.ip().is_loopback() { Signup::Open } else { Signup::Invite };
        self.signup.unwrap_or(default)
    }

    /// How often who may ask, if that is limited at all.
    #[must_use]
    pub fn rates(&self) -> Rates {
        if self.no_rate_limits { Rates::unlimited() } else { self.rates }
    }

    /// Settings that contradict each other.
    ///
    /// # Errors
    /// Which, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.plain_http && !self.plain_http_anywhere && !self.listen.ip().is_loopback() {
            return Err(format!(
                "--plain-http on {} would send passwords unprotected; listen on 127.0.0.1 behind a proxy, leave TLS on, \
                 or add --plain-http-anywhere",
                self.listen
            ));
        }
        if self.lease_s < 3 * self.beat_s || self.beat_s == 0 {
            return Err(format!(
                "--lease {} must be at least three times --beat {}, or one lost message loses a run",
                self.lease_s, self.beat_s
            ));
        }
        if self.disk_critical > self.disk_low {
            return Err("--disk-critical must not be above --disk-low: logs are refused first, jobs later".into());
        }
        if self.walltime_max_s == 0 {
            return Err("--walltime-max must be above 0".into());
        }
        if let Some(hash) =
            self.known_binaries.iter().find(|h| h.len() != 64 || !h.bytes().all(|b| b.is_ascii_hexdigit()))
        {
            return Err(format!("--known-binary {hash}: expected the 64 hexadecimal digits of a SHA-256"));
        }
        Ok(())
    }
}

/// The settings that these flags, with blanks between, make.
#[cfg(test)]
pub(crate) fn of_flags(flags: &str) -> Result<Config, clap::Error> {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }
    let words = std::iter::once("serve").chain(flags.split_whitespace());
    <Cli as clap::Parser>::try_parse_from(words).map(|cli| cli.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &str) -> Config {
        of_flags(flags).unwrap()
    }

    #[test]
    fn every_rate_is_a_setting() {
        assert_eq!(config("").rates(), Rates::default());
        let flags = "--signups-per-hour 1 --logins-per-minute 2 --submits-per-hour 3 --calls-per-hour 4 \
                     --node-calls-per-minute 5 --stranger-calls-per-minute 0";
        let rates = Rates {
            sign_up_per_hour: 1,
            log_in_per_minute: 2,
            submit_per_hour: 3,
            api_per_hour: 4,
            agent_per_minute: 5,
            anonymous_per_minute: 0,
        };
        assert_eq!(config(flags).rates(), rates);
        assert_eq!(config(&format!("{flags} --no-rate-limits")).rates(), Rates::unlimited());
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused_with_what_to_do() {
        let hash = "a1".repeat(32);
        for good in [
            "",
            "--plain-http",
            "--plain-http --listen [::1]:0",
            "--listen 192.0.2.1:443",
            "--listen 192.0.2.1:80 --plain-http --plain-http-anywhere",
            "--beat 30 --lease 90",
            "--disk-low 5 --disk-critical 5",
            &format!("--known-binary {hash} --known-binary {hash}"),
        ] {
            assert_eq!(config(good).check(), Ok(()), "{good}");
        }
        for (wrong, named) in [
            ("--plain-http --listen 192.0.2.1:80", "--plain-http-anywhere"),
            ("--plain-http --listen 0.0.0.0:80", "--plain-http-anywhere"),
            ("--beat 31", "--lease 90"),
            ("--beat 0", "--beat 0"),
            ("--disk-low 5 --disk-critical 6", "--disk-critical"),
            ("--walltime-max 0", "--walltime-max"),
            (&format!("--known-binary {hash} --known-binary {}", &hash[1..]), "64 hexadecimal digits"),
            (&format!("--known-binary {}", hash.replace('a', "g")), "64 hexadecimal digits"),
        ] {
            let said = config(wrong).check().unwrap_err();
            assert!(said.contains(named), "{wrong}: {said}");
        }
        for wrong in ["--plain-http-anywhere", "--cert a.pem", "--key a.pem", "--trusted-proxy here"] {
            assert!(of_flags(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn everybody_may_sign_up_on_loopback_alone_unless_it_is_said() {
        assert_eq!(config("").signup(), Signup::Open);
        assert_eq!(config("--listen 192.0.2.1:443").signup(), Signup::Invite);
        assert_eq!(config("--listen 192.0.2.1:443 --signup open").signup(), Signup::Open);
        assert_eq!(config("--signup closed").signup(), Signup::Closed);
    }
}
