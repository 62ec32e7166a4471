//! A certificate file that changes while the program runs.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::tls::TlsInfo;

use crate::program::{Folder, start};

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
