//! A disk is full, on the node or at the service.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::audit::Audit;
use super::fake::Play;
use super::node::Node;
use super::site::{Site, eventually};

/// A small disk of its own; taken away when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(at: PathBuf, megabytes: u32) -> Option<Disk> {
        std::fs::create_dir_all(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "none"]).arg(&at);
        let mounted = mount.output().is_ok_and(|said| said.status.success());
        if !mounted {
            println!("no small disk can be made here: skipped");
        }
        mounted.then_some(Disk(at))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        let block = vec![1u8; 1 << 20];
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn node_on(site: &Site, disk: &Disk, play: &Play) -> Node {
    Node::joined_at(site, "n1", disk.0.join("data"), Some(play), None)
}

pub fn the_disk_of_the_node_is_full_while_a_run_is_on() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(700, "lines 1000; gate go; lines 1000");
    let Some(disk) = Disk::new(site.path().join("disk"), 400) else { return };
    let mut node = node_on(&site, &disk, &play);
    let mut other = Node::joined(&site, "n2", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 700);
    node.until_it_says("line 0001000");
    disk.fill();
    // The run is ended so that its end can be told, and the job goes elsewhere.
    eventually("the service hears of it", || site.kinds(&job).contains(&"requeued".to_owned()));
    let why = format!("{:?}", site.history(&job));
    assert!(why.contains("disk_full"), "{why}\n{}", node.log());
    eventually("all of it is delivered", || node.folders("runs").is_empty());
    // It looks before it claims again. Once it did not, and waited for a job on a full disk for all of a claim, 55 s.
    let over = std::time::Instant::now();
    let says = || site.http.get("/api/v1/nodes").good().to_string();
    eventually("the service knows why", || says().contains("needed for logs and artifacts"));
    assert!(over.elapsed().as_secs() < 45, "it claimed on a full disk: {}", node.log());
    play.open("go");
    other.start();
    assert_eq!(site.until_final(&job)["state"], "done");
    // Nothing is claimed by a node that is not well.
    other.stop();
    let next = site.submit(&ada, 701);
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(site.job(&next)["state"], "queued");
    disk.free();
    assert_eq!(site.until_final(&next)["state"], "done", "it recovers by itself: {}", node.log());
    assert!(disk.0.join("data/ballast").exists(), "the ballast lies there again");
    let jobs = vec![(&ada, job), (&ada, next)];
    Audit { site: &site, nodes: vec![&node, &other], jobs, files_refused: false }.hold();
}

pub fn the_disk_of_the_node_is_full_when_the_end_is_written() {
    let site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    // Of the two things that happen next, the end of the run is the quicker.
    play.act(702, "lines 1000; gate go; echo real; real \"$@\"");
    let Some(disk) = Disk::new(site.path().join("disk"), 400) else { return };
    let mut node = node_on(&site, &disk, &play);
    node.start();
    node.until_known();
    let job = site.submit_on(&ada, 702, &node.id());
    node.until_it_says("line 0001000");
    play.open("go");
    let work = node.data().join("runs").join(&node.folders("runs")[0]).join("work");
    eventually("the report is written", || work.join("report.json").exists());
    disk.fill();
    eventually("all of it is delivered", || node.folders("runs").is_empty());
    let state = site.job(&job)["state"].clone();
    println!(
        "the disk was full when the end was written: {state}, ballast there: {}",
        disk.0.join("data/ballast").exists()
    );
    disk.free();
    // Either its result was delivered, or it is told that the disk was full, and the job runs again.
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "done", "{:?}", site.kinds(&job));
    let told = format!("{:?}", site.history(&job));
    assert!(ended["attempts"] == 1 || told.contains("disk_full"), "{told}");
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn the_disk_of_the_service_is_nearly_full() {
    let mut site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(703, "lines 20000; gate go; lines 20000");
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 703);
    node.until_it_says("line 0020000");
    site.stop();
    // Less than that is free on any disk: logs are refused, results are not.
    site.set_flags(&["--disk-low", "1000000000000000"]);
    site.serve();
    play.open("go");
    let ended = site.until_final(&job);
    assert_eq!(ended["state"], "done", "{ended:#}\n{}", node.log());
    let result = site.result(&job).good();
    let findings = result["findings"].to_string();
    println!("findings with logs refused: {findings}");
    // The service finds room before the files are given up.
    site.stop();
    site.set_flags(&[]);
    site.serve();
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

pub fn the_disk_of_the_service_is_full() {
    let mut site = Site::start(&[]);
    let ada = site.user("ada");
    let play = Play::new(site.path());
    play.act(704, "lines 1000; gate go; lines 1000");
    let Some(disk) = Disk::new(site.path().join("small"), 64) else { return };
    // The service moves to the small disk.
    site.stop();
    move_to(&site.data(), &disk.0.join("service"));
    site.serve();
    let mut node = Node::joined(&site, "n1", Some(&play), None);
    node.start();
    let job = site.submit(&ada, 704);
    node.until_it_says("line 0001000");
    site.until(&job, &["running"]);
    disk.fill();
    play.open("go");
    let attempt = node.folders("runs")[0].clone();
    let finish = node.data().join("runs").join(attempt).join("finish.json");
    eventually("the run is over", || finish.exists());
    std::thread::sleep(std::time::Duration::from_secs(3));
    disk.free();
    assert_eq!(site.until_final(&job)["state"], "done");
    assert_eq!(node.witness.starts(), 1);
    Audit::of(&site, &node, &ada, &[&job]).hold();
}

/// Moves a folder to another disk and leaves a link in its place.
fn move_to(from: &Path, to: &Path) {
    let moved = Command::new("mv").arg(from).arg(to).status().unwrap();
    assert!(moved.success());
    std::os::unix::fs::symlink(to, from).unwrap();
}
