//! Namespaces: whether a run can have a network with nothing in it. Root makes one directly; any other user needs a
//! user namespace around it, which only a process of one thread can enter. So a child tries both and says what came of
//! it; where this program cannot be its own child, `unshare` of util-linux is asked.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::{Ability, State};
use crate::host::said::ask;
use crate::sys;

/// How long the child may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before what the child says.
const MARK: &str = "namespaces: ";

/// What came of each try: nothing if it went well, else why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// A network of its own, directly.
    pub network: Option<String>,
    /// A user namespace.
    pub user: Option<String>,
    /// A network of its own inside of the user namespace.
    pub network_of_user: Option<String>,
}

impl Tried {
    fn all(why: &str) -> Tried {
        let why = Some(why.to_owned());
        Tried { network: why.clone(), user: why.clone(), network_of_user: why }
    }
}

/// What the child does: it tries, says it on one line, and ends. It must have one thread only, and nothing else to do:
/// what it leaves it does not come back to.
pub fn child() -> ExitCode {
    let leave = |flags| sys::leave(flags).map_err(|e| e.to_string());
    let network = leave(UnshareFlags::NEWNET).err();
    let user = leave(UnshareFlags::NEWUSER).err();
    let network_of_user = match &user {
        None => leave(UnshareFlags::NEWNET).err(),
        Some(_) => Some("no user namespace".to_owned()),
    };
    // three optional strings have a JSON form
    println!("{MARK}{}", serde_json::to_string(&Tried { network, user, network_of_user }).unwrap_or_default());
    ExitCode::SUCCESS
}

/// Tries in a child.
#[must_use]
pub fn look(helper: &[OsString]) -> Tried {
    let own = helper.split_first().and_then(|(program, arguments)| {
        let said = ask(Command::new(program).args(arguments), PATIENCE).ok()?;
        parse(&said.out)
    });
    own.unwrap_or_else(with_unshare)
}

fn parse(text: &str) -> Option<Tried> {
    text.lines().find_map(|line| serde_json::from_str(line.split_once(MARK)?.1).ok())
}

/// The same with the program `unshare`.
fn with_unshare() -> Tried {
    let attempt = |flags: &[&str]| match ask(Command::new("unshare").args(flags).arg("true"), PATIENCE) {
        Ok(said) if said.status.success() => None,
        Ok(said) => Some(said.words()),
        Err(why) => Some(why),
    };
    match ask(Command::new("unshare").arg("--version"), PATIENCE) {
        Ok(_) => Tried {
            network: attempt(&["--net"]),
            user: attempt(&["--user", "--map-root-user"]),
            network_of_user: attempt(&["--user", "--map-root-user", "--net"]),
        },
        Err(why) => Tried::all(&format!("could not be tried: {why}")),
    }
}

/// Whether a run can be kept from the network.
#[must_use]
pub fn network(tried: &Tried) -> Ability {
    match (&tried.network, &tried.network_of_user) {
        (None, _) => Ability::has("network", "a run gets an empty network of its own"),
        (Some(_), None) => Ability::has("network", "a run gets an empty network of its own (in a user namespace)"),
        (Some(direct), Some(_)) => Ability::lacks(
            "network",
            State::No,
            format!("no network namespace: {direct}"),
            "runs can reach the network; their results say `network open`",
            "run the daemon as root, or allow user namespaces (see user_namespaces)",
        ),
    }
}

/// Whether a user namespace can be made. Root does without.
#[must_use]
pub fn user(tried: &Tried) -> Ability {
    let settings = Settings::read(&|file| std::fs::read_to_string(file).ok());
    judge_user(tried, &settings)
}

/// What systems do to forbid them.
#[derive(Debug, Default)]
struct Settings {
    apparmor: bool,
    debian: bool,
    none: bool,
}

impl Settings {
    fn read(text: &dyn Fn(&str) -> Option<String>) -> Settings {
        let is = |file: &str, value: &str| text(file).is_some_and(|text| text.trim() == value);
        Settings {
            apparmor: is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
            debian: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            none: is("/proc/sys/user/max_user_namespaces", "0"),
        }
    }

    fn mend(&self) -> &'static str {
        match self {
            Settings { none: true, .. } => {
                "sysctl user.max_user_namespaces=10000 (for ever: in /etc/sysctl.d/hpl.conf)"
            }
            Settings { debian: true, .. } => {
                "sysctl kernel.unprivileged_userns_clone=1 (for ever: in /etc/sysctl.d/hpl.conf)"
            }
            Settings { apparmor: true, .. } => {
                "give hpl-node an AppArmor profile with `userns,`, or sysctl \
                 kernel.apparmor_restrict_unprivileged_userns=0 (for ever: in /etc/sysctl.d/hpl.conf)"
            }
            _ => "in a container, allow `unshare` (Docker: --security-opt seccomp=unconfined); else run as root",
        }
    }
}

fn judge_user(tried: &Tried, settings: &Settings) -> Ability {
    let direct = tried.network.is_none();
    match (&tried.user, &tried.network_of_user) {
        (None, None) => Ability::has("user_namespaces", "can be made, with a network inside"),
        (None, Some(why)) if !direct => Ability::lacks(
            "user_namespaces",
            State::Partly,
            format!("can be made, but no network inside: {why}"),
            "runs can reach the network; their results say `network open`",
            settings.mend(),
        ),
        (None, Some(_)) => Ability::has("user_namespaces", "can be made"),
        (Some(why), _) if direct => Ability::has("user_namespaces", format!("not needed as root (none: {why})")),
        (Some(why), _) => Ability::lacks(
            "user_namespaces",
            State::No,
            why.clone(),
            "runs can reach the network; their results say `network open`",
            settings.mend(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(network: bool, user: bool, network_of_user: bool) -> Tried {
        let why = |works: bool| (!works).then(|| "EPERM".to_owned());
        Tried { network: why(network), user: why(user), network_of_user: why(network_of_user) }
    }

    #[test]
    fn what_was_tried_is_judged() {
        let none = Settings::default();
        let states = |t: &Tried| (network(t).state, judge_user(t, &none).state);
        assert_eq!(states(&tried(true, true, true)), (State::Yes, State::Yes));
        assert_eq!(states(&tried(true, false, false)), (State::Yes, State::Yes));
        assert_eq!(states(&tried(false, true, true)), (State::Yes, State::Yes));
        assert_eq!(states(&tried(false, true, false)), (State::No, State::Partly));
        assert_eq!(states(&tried(false, false, false)), (State::No, State::No));
    }

    #[test]
    fn the_setting_that_forbids_it_is_named() {
        let mend = |file: &'static str, value: &'static str| {
            let settings = Settings::read(&|asked| (asked == file).then(|| value.to_owned()));
            judge_user(&tried(false, false, false), &settings).mend
        };
        assert!(mend("/proc/sys/user/max_user_namespaces", "0\n").starts_with("sysctl user.max_user_namespaces"));
        assert!(mend("/proc/sys/kernel/unprivileged_userns_clone", "0\n").contains("userns_clone=1"));
        assert!(mend("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n").contains("AppArmor"));
        assert!(mend("/proc/sys/user/max_user_namespaces", "99\n").contains("Docker"));
    }

    #[test]
    fn a_child_that_says_nothing_is_replaced() {
        let said = "rubbish\nnamespaces: {\"network\":null,\"user\":\"EPERM\",\"network_of_user\":\"EPERM\"}\n";
        assert_eq!(parse(said), Some(tried(true, false, false)));
        assert_eq!((parse("namespaces: rubbish"), parse("")), (None, None));
        // whatever this system allows, there is an answer
        for helper in [vec![], vec!["true".into()], vec!["/no/such/program".into()]] {
            let tried = look(&helper);
            assert!(!network(&tried).found.is_empty() && !user(&tried).found.is_empty(), "{tried:?}");
        }
    }
}
