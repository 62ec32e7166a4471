//! What the daemon does for itself, in a process of its own: priority, score and locked memory stay with a process to
//! its end. (One test only: others would run under them.)
#![forbid(unsafe_code)]

use node_daemon::host::{environment, protect};

#[test]
fn the_daemon_protects_itself_or_says_why_not() {
    let measures = protect();
    let names: Vec<&str> = measures.keys().map(String::as_str).collect();
    assert_eq!(names, ["memory_locked", "nice", "oom_score"]);
    assert!(measures.values().all(|value| value == "yes" || value.starts_with("no: ")), "{measures:?}");
    let of = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or(&text).trim().to_owned()
    };
    if measures["oom_score"] == "yes" {
        assert!(of("/proc/self/oom_score_adj", "").parse::<i32>().unwrap() <= -900);
    }
    if measures["nice"] == "yes" {
        // field 19 of stat, of this thread; the name in field 2 may hold spaces
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let nice: i32 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap();
        assert!(nice <= -10, "{stat}");
    }
    if measures["memory_locked"] == "yes" {
        assert_ne!(of("/proc/self/status", "VmLck:"), "0 kB");
        // threads and programs can still be started
        std::thread::spawn(|| vec![1u8; 1 << 20].len()).join().unwrap();
        let found = environment("/no/xhpl".as_ref(), "/no/mpirun".as_ref());
        assert!(found.contains_key("kernel"), "{found:?}");
    }
    // a second call finds everything done
    assert_eq!(protect(), measures);
}
