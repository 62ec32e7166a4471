//! A certificate file that changes while the program runs.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::tls::TlsInfo;

use crate::program::{Folder, command, log, start};

/// Puts a new pair in place, as tools that renew certificates do.
fn renew(cert: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    for (file, text) in [(key, made.signing_key.serialize_pem()), (cert, made.cert.pem())] {
        let part = file.with_extension("part");
        std::fs::write(&part, text).unwrap();
        std::fs::rename(&part, file).unwrap();
    }
}

/// The certificate that a new connection is shown.
async fn served(url: &str) -> Vec<u8> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().tls_info(true).tls_danger_accept_invalid_certs(true).build().unwrap();
    let response = client.get(format!("{url}/healthz")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

#[tokio::test]
async fn a_changed_certificate_is_served_without_a_restart() {
    let folder = Folder::new();
    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    renew(&cert, &key);
    let program = start(&folder.data(), &["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    let before = served(&program.url).await;
    renew(&cert, &key);
    let began = Instant::now();
    while served(&program.url).await == before {
        assert!(began.elapsed() < Duration::from_secs(15), "the old certificate is still served");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    program.stop();
}

/// The join string that the console prints now.
fn join_string(data: &Path) -> String {
    command(data, &["admin", "join-token"], "").lines().next().unwrap().to_owned()
}

#[test]
fn only_the_key_of_our_own_certificate_is_pinned() {
    let folder = Folder::new();
    let data = folder.data();
    start(&data, &[]).stop();
    assert!(join_string(&data).contains("#sha256="));

    let (cert, key) = (folder.path("cert.pem"), folder.path("key.pem"));
    renew(&cert, &key);
    let program = start(&data, &["--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()]);
    assert!(program.url.starts_with("https://"), "{}", program.url);
    program.stop();
    let joined = join_string(&data);
    assert!(joined.contains("@127.0.0.1:") && !joined.contains('#'), "{joined}");
    assert!(!log(&data).contains("plain HTTP"), "{}", log(&data));
}
