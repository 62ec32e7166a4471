//! Things outside of the run.

use std::io::ErrorKind;
use std::net::TcpListener;

use super::*;

/// Runs a script whose last word says how it went.
fn run(attempt: &mut Attempt) -> Exit {
    let exit = attempt.run();
    assert!(matches!(exit.end, End::Exited(_)), "{exit:?}\n{}", attempt.words());
    exit
}

#[test]
fn files_outside_of_its_folder_are_closed() {
    let mut attempt = Attempt::script("");
    let root = attempt.root();
    let token = root.join("data/node.json");
    fs::write(&token, "hpl_n_secret").unwrap();
    mode(&token, 0o600);
    fs::create_dir(root.join("outside")).unwrap();
    let script = format!(
        "cat {token}; cat /etc/shadow; cat {journal}; ls {data}; ls /root; ls /home
         echo x > {outside}/file; mkdir {outside}/folder; ln {script} {outside}/link; mv inside {outside}/moved
         echo x >> {script}; echo x > /usr/hpl-contain; ln -s {token} link; cat link
         mknod null c 1 3; mknod disk b 254 0; cp /bin/true true; ./true && echo executed
         echo inside > inside; cat inside; echo x > $TMPDIR/x; echo x > /dev/shm/hpl-contain; echo x > /dev/null
         cat /etc/hosts > hosts; cat /proc/cpuinfo > cpus; ls /sys/devices/system/cpu > cpus",
        token = token.display(),
        journal = attempt.folder.launch().display(),
        data = root.join("data").display(),
        outside = root.join("outside").display(),
        script = root.join("read/run.sh").display(),
    );
    fs::write(root.join("read/run.sh"), &script).unwrap();
    // what a run may read must not open the daemon's folder with it
    attempt.launch.read.push(root.clone());
    let exit = run(&mut attempt);
    if !holds(&exit.sandbox, "landlock") {
        return;
    }
    assert_eq!(attempt.out(), "inside\n", "{}", attempt.words());
    assert_eq!(exit.end, End::Exited(0), "what it may do it can do: {}", attempt.words());
    assert_eq!(fs::read_dir(root.join("outside")).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(root.join("read/run.sh")).unwrap(), script);
    assert!(!Path::new("/usr/hpl-contain").exists());
    for device in ["null", "disk"] {
        assert!(!attempt.folder.work().join(device).exists(), "a device was made");
    }
    if holds(&exit.sandbox, "shared_memory") {
        assert!(!Path::new("/dev/shm/hpl-contain").exists(), "its shared memory is its own and ends with it");
    }
}

#[test]
fn the_network_ends_at_its_own_lo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected
         perl -MIO::Socket::INET -e 'my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\") or die;
             IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $l->sockport) or die; print \"itself\\n\"'"
    );
    let mut attempt = Attempt::script(&script);
    let exit = run(&mut attempt);
    if !holds(&exit.sandbox, "network") {
        assert!(exit.network_open);
        return;
    }
    assert!(!exit.network_open);
    assert_eq!(attempt.out(), "itself\n", "{}", attempt.words());
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody came");
}

#[test]
fn other_processes_are_out_of_reach() {
    let own = std::process::id();
    // EPERM is 1
    let call = |number: i64, arguments: &str| {
        format!(
            "perl -e 'my $r = syscall({number}, {arguments}); exit($r == -1 && $! == 1 ? 0 : 1)'; echo \"status $?\"\n"
        )
    };
    // eight bytes of another process, to where they lie in this one
    let read = |pid: &str| {
        let both = "my $to = pack(\"P8 Q\", $x, 8), 1, my $from = pack(\"P8 Q\", $x, 8), 1, 0";
        format!("syscall({}, {pid}, {both})", libc::SYS_process_vm_readv)
    };
    let script = [
        // PTRACE_ATTACH
        call(libc::SYS_ptrace, &format!("16, {own}, 0, 0")),
        call(libc::SYS_process_vm_writev, &format!("{own}, 0, 0, 0, 0, 0")),
        call(libc::SYS_umount2, "my $p = \"/proc\", 0"),
        call(libc::SYS_reboot, "0, 0, 0, 0"),
        // refused, and the program goes on
        call(libc::SYS_unshare, &libc::CLONE_NEWUSER.to_string()),
        call(libc::SYS_clone, &format!("{}, 0, 0, 0, 0", libc::CLONE_NEWUSER | libc::SIGCHLD)),
        call(libc::SYS_keyctl, "0, 0, 0"),
        call(libc::SYS_io_uring_setup, "1, 0"),
        call(libc::SYS_kill, &format!("{own}, 0")),
        format!(
            "perl -e 'my $x = \"12345678\"; my $r = {}; exit($r == -1 && $! == 1 ? 0 : 1)'; echo \"status $?\"\n",
            read(&own.to_string())
        ),
        // which ranks do with each other
        format!(
            "perl -e 'my $x = \"1234\"; $x .= \"5678\"; if (!fork) {{ substr($x, 0, 8, \"abcdefgh\"); {}; print \"$x\\n\"; exit }} wait'\n",
            read("getppid")
        ),
        format!("cat /proc/{own}/environ; cat /proc/{own}/maps\n"),
    ];
    let mut attempt = Attempt::script(&script.concat());
    let exit = run(&mut attempt);
    if !holds(&exit.sandbox, "seccomp") || !holds(&exit.sandbox, "landlock") {
        return;
    }
    // 128 + SIGSYS
    let killed = "status 159\n".repeat(4);
    assert_eq!(attempt.out(), killed + &"status 0\n".repeat(6) + "12345678\n", "{}", attempt.words());
}

#[test]
fn a_program_that_the_filter_kills_ends_by_that_signal() {
    let script = format!("exec perl -e 'syscall({}, 16, 1, 0, 0)'", libc::SYS_ptrace);
    let mut attempt = Attempt::script(&script);
    let exit = attempt.run();
    if holds(&exit.sandbox, "seccomp") {
        assert_eq!(exit.end, End::Signalled(libc::SIGSYS), "{exit:?}");
    }
}

#[test]
fn capabilities_are_gone_and_a_program_cannot_gain_any() {
    let mut attempt = Attempt::script("grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status");
    let exit = run(&mut attempt);
    let out = attempt.out();
    assert!(out.contains("NoNewPrivs:\t1") && out.contains("Seccomp:\t2"), "{out}");
    let caps = |name: &str| {
        let line = out.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    // CAP_DAC_READ_SEARCH alone, as root
    let wanted = if is_root() { 1 << 2 } else { 0 };
    assert_eq!(caps("CapEff:"), wanted, "{out}\n{exit:?}");
    if is_root() {
        assert_eq!(caps("CapBnd:"), wanted, "{out}");
    }
}

#[test]
fn another_user_may_be_named() {
    if !is_root() {
        pass_over("only root can give a run to somebody");
        return;
    }
    let mut attempt = Attempt::script("id -u; id -G; echo x > file; echo x > $TMPDIR/file; ls /proc/self/fd | wc -l");
    attempt.launch.run_as = Some((65_534, 65_534));
    // the way to the folders is open, what lies beside them is not
    for folder in ["", "data", "data/runs", "data/runs/attempt", "read"] {
        mode(&attempt.root().join(folder), 0o711);
    }
    std::os::unix::fs::chown(attempt.folder.work(), Some(65_534), Some(65_534)).unwrap();
    mode(&attempt.root().join("read/run.sh"), 0o644);
    let exit = run(&mut attempt);
    assert_eq!(exit.end, End::Exited(0), "{}", attempt.words());
    assert!(attempt.out().starts_with("65534\n65534\n"), "{}", attempt.words());
    assert_eq!(exit.sandbox["user"], "yes (65534:65534)");
}

/// A network of its own can be made there, but not be brought up: what containers and some distributions do.
#[test]
fn half_a_network_is_given_up_for_the_open_one() {
    if !is_root() {
        pass_over("only root has a power that can be taken away");
        return;
    }
    let mut attempt = Attempt::script("echo \"$(cat /proc/net/dev | wc -l)\"");
    attempt.through = vec!["setpriv", "--bounding-set=-net_admin"];
    let exit = run(&mut attempt);
    assert!(exit.network_open, "{exit:?}");
    assert!(exit.sandbox["network"].starts_with("no: `lo` cannot be brought up"), "{exit:?}");
    let lines = fs::read_to_string("/proc/self/net/dev").unwrap().lines().count();
    assert_eq!(attempt.out(), format!("{lines}\n"));
    // the rest holds all the same
    assert!(exit.sandbox["seccomp"].starts_with("yes") && exit.sandbox["no_new_privs"].starts_with("yes"), "{exit:?}");
}
