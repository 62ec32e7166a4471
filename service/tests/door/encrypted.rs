//! The door with TLS: versions, certificates, HTTP/2.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use service::serve::ServeSettings;
use service::tls::{Tls, TlsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Door, hasty, rest};

fn client(tls: &Path, versions: &[&'static rustls::SupportedProtocolVersion], alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls.join("tls/cert.pem")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

async fn handshake(door: &Door, connector: &TlsConnector, name: &str) -> std::io::Result<TlsStream> {
    connector.connect(ServerName::try_from(name.to_owned()).unwrap(), door.connect().await).await
}

#[tokio::test]
async fn both_versions_of_tls_and_http_are_spoken() {
    let data = tempfile::tempdir().unwrap();
    let names = ["hpl.example", "192.0.2.7", "2001:db8::7"].map(str::to_owned);
    let tls = Tls::self_signed(data.path(), &names).unwrap();
    let door = Door::open(Some(&tls), ServeSettings::default()).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let connector = client(data.path(), &[version], &["http/1.1"]);
        for name in ["hpl.example", "192.0.2.7", "2001:db8::7", "localhost", "127.0.0.1", "::1"] {
            let mut stream = handshake(&door, &connector, name).await.unwrap();
            stream.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
            let said = rest(&mut stream).await;
            assert!(said.ends_with("true"), "{name} {said}");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        }
        assert!(handshake(&door, &connector, "other.example").await.is_err());
        let connector = client(data.path(), &[version], &["h2", "http/1.1"]);
        let stream = handshake(&door, &connector, "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    }
    door.close().await;
}

/// An HTTP/2 connection that believes the certificate of this folder.
async fn http_2(door: &Door, data: &Path) -> SendRequest<Empty<Bytes>> {
    let connector = client(data, rustls::ALL_VERSIONS, &["h2"]);
    let stream = handshake(door, &connector, "localhost").await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request with so many header lines of so many bytes each.
async fn ask(sender: &SendRequest<Empty<Bytes>>, path: &str, lines: usize, bytes: usize) -> (u16, String) {
    let mut request = Request::get(format!("https://localhost{path}"));
    for n in 0..lines {
        request = request.header(format!("x-{n}"), "y".repeat(bytes));
    }
    let answer = sender.clone().send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn http_2_has_the_same_limits_and_the_same_end() {
    let data = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &[]).unwrap();
    let door = Door::open(Some(&tls), hasty()).await;
    let sender = http_2(&door, data.path()).await;
    let (status, said) = ask(&sender, "/peer", 0, 0).await;
    assert!(status == 200 && said.ends_with("true"), "{status} {said}");
    assert_eq!(ask(&sender, "/", 90, 1).await.0, 200);
    assert_eq!(ask(&sender, "/", 110, 1).await.0, 431);
    assert_eq!(ask(&sender, "/", 50, 1000).await.0, 431);
    assert_eq!(ask(&http_2(&door, data.path()).await, "/", 0, 0).await.0, 200, "the door is still open");

    let slow = ask(&sender, "/slow", 0, 0);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        door.close().await;
    };
    let (answer, ()) = tokio::join!(slow, stop);
    assert_eq!(answer, (200, "slow but whole".to_owned()));
    assert!(sender.is_closed());
}

#[tokio::test]
async fn an_idle_http_2_connection_ends() {
    let data = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &[]).unwrap();
    let door = Door::open(Some(&tls), hasty()).await;
    let sender = http_2(&door, data.path()).await;
    assert_eq!(ask(&sender, "/", 0, 0).await.0, 200);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(ask(&sender, "/slow", 0, 0).await.0, 200, "idle for longer than a head may take");
    let idle = Instant::now();
    while !sender.is_closed() {
        assert!(idle.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(idle.elapsed() >= Duration::from_millis(1500), "{:?}", idle.elapsed());
    door.close().await;
}

#[tokio::test]
async fn plain_http_is_told_to_use_tls_and_silence_is_closed() {
    let data = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &[]).unwrap();
    let door = Door::open(Some(&tls), hasty()).await;
    let mut stream = door.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("use https://"), "{answer}");
    assert_eq!(rest(&mut stream).await, "");
    for begin in [&b""[..], b"\x16\x03\x01"] {
        let begun = Instant::now();
        assert_eq!(door.say(begin).await, "");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
    door.close().await;
}

#[tokio::test]
async fn a_changed_certificate_is_seen_by_new_connections_and_a_broken_one_is_not_taken() {
    let data = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &[]).unwrap();
    let new = Tls::self_signed(other.path(), &[]).unwrap();
    let old_pin = tls.pin();
    assert_eq!((old_pin.len(), tls.reload().unwrap()), (43, false));
    assert_ne!(old_pin, new.pin());
    let door = Door::open(Some(&tls), ServeSettings::default()).await;
    let versions = rustls::ALL_VERSIONS;
    let believes_old = client(data.path(), versions, &[]);
    let believes_new = client(other.path(), versions, &[]);
    assert!(handshake(&door, &believes_new, "localhost").await.is_err());

    // the certificate alone does not fit its key; rubbish fits nothing
    let replace = |name: &str| {
        let draft = data.path().join("draft");
        fs::copy(other.path().join("tls").join(name), &draft).unwrap();
        fs::rename(&draft, data.path().join("tls").join(name)).unwrap();
    };
    replace("cert.pem");
    assert!(matches!(tls.reload(), Err(TlsError::Content { .. })));
    assert!(!tls.reload().unwrap(), "the same error does not come again");
    fs::write(data.path().join("tls/key.pem"), "rubbish").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Content { .. })));
    fs::remove_file(data.path().join("tls/key.pem")).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::File { .. })));
    assert_eq!(tls.pin(), old_pin);
    handshake(&door, &believes_old, "localhost").await.unwrap();

    replace("key.pem");
    assert!(tls.reload().unwrap());
    assert_eq!(tls.pin(), new.pin());
    handshake(&door, &believes_new, "localhost").await.unwrap();
    door.close().await;
}

#[test]
fn the_pair_of_our_own_is_kept() {
    let data = tempfile::tempdir().unwrap();
    let first = Tls::self_signed(data.path(), &[]).unwrap();
    let [cert, key] = ["tls/cert.pem", "tls/key.pem"].map(|name| data.path().join(name));
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&cert).unwrap();
    assert_eq!(Tls::self_signed(data.path(), &[]).unwrap().pin(), first.pin());
    assert_eq!(fs::read_to_string(&cert).unwrap(), text, "nothing to make anew");

    let wider = Tls::self_signed(data.path(), &["hpl.example".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    assert_ne!(fs::read_to_string(&cert).unwrap(), text);
    assert_eq!(wider.pin(), first.pin(), "new names, same key");
    fs::remove_file(&cert).unwrap();
    assert_eq!(Tls::self_signed(data.path(), &[]).unwrap().pin(), first.pin());

    fs::remove_file(&key).unwrap();
    let lost = Tls::self_signed(data.path(), &[]).unwrap_err();
    assert!(matches!(lost, TlsError::KeyLost { .. }), "{lost}");
    assert!(matches!(Tls::from_files(&cert, &key), Err(TlsError::File { .. })));
    assert!(Tls::self_signed(&data.path().join("b"), &["not a näme".to_owned()]).is_err());
}

/// Asks on a connection that stays open; the answer's body.
async fn ask_on(stream: &mut TlsStream, pieces: &[&[u8]]) -> String {
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut said = vec![0; 4096];
    let read = stream.read(&mut said).await.unwrap();
    String::from_utf8_lossy(&said[..read]).into_owned()
}

#[tokio::test]
async fn a_connection_that_rests_goes_on_and_ends_well() {
    const REQUEST: &[u8] = b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n";
    let data = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &["hpl.example".to_owned()]).unwrap();
    let settings = ServeSettings { idle_timeout: Duration::from_secs(4), ..ServeSettings::default() };
    let door = Door::open(Some(&tls), settings).await;
    let connector = client(data.path(), rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut stream = handshake(&door, &connector, "localhost").await.unwrap();
    let mut overdue = handshake(&door, &connector, "localhost").await.unwrap();
    assert!(ask_on(&mut overdue, &[REQUEST]).await.ends_with("true"));
    // It rests after a moment; whole requests and torn ones wake it, and two at once are answered both.
    for pieces in [&[REQUEST][..], &[b"G", &REQUEST[1..]], &[&REQUEST[..20], &REQUEST[20..]]] {
        assert!(ask_on(&mut stream, pieces).await.ends_with("true"), "{pieces:?}");
        tokio::time::sleep(Duration::from_millis(1300)).await;
    }
    let twice = [REQUEST, REQUEST].concat();
    let mut said = ask_on(&mut stream, &[&twice]).await;
    while said.matches("HTTP/1.1 200").count() < 2 {
        said += &ask_on(&mut stream, &[]).await;
    }
    // The other one was idle for too long meanwhile, though it rested: it was closed, and in words.
    assert_eq!(tokio::time::timeout(Duration::from_secs(3), overdue.read(&mut [0; 16])).await.unwrap().unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let began = Instant::now();
    door.close().await;
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "a resting connection is closed with the service");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_answer_whose_end_waits_for_its_reader_comes_whole() {
    let data = tempfile::tempdir().unwrap();
    let tls = Tls::self_signed(data.path(), &[]).unwrap();
    // Little room between the two, so that the end of the answer waits for a while where TLS keeps it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(4096).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let door = Door::at(socket.listen(16).unwrap(), Some(&tls), ServeSettings::default());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(door.address).await.unwrap();
    let connector = client(data.path(), rustls::ALL_VERSIONS, &["http/1.1"]);
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut read = 0;
    while read < 150_000 {
        // Longer than a connection that rests stays as it is.
        tokio::time::sleep(Duration::from_millis(400)).await;
        for _ in 0..2 {
            let some = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut [0; 8192])).await;
            read += some.unwrap_or_else(|_| panic!("nothing came after {read} bytes")).unwrap();
            if read >= 150_000 {
                break;
            }
        }
    }
    door.close().await;
}
