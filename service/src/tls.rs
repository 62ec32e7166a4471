//! The certificate of the one port: files of the operator's, read again when they change, or a pair of our own
//! making.
//!
//! Both are two PEM files. Those of our own lie in `<data>/tls`; nobody vouches for them, so the join string
//! carries [`Tls::pin`], the hash of the public key, and a daemon believes that key and no other. The key is
//! therefore kept when the certificate has to be made anew for other names.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Names that a certificate of our own always has.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {found}; expected {expected}", path.display())]
    Content {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// The certificate of our own has lost its key.
    #[error(
        "{} is there but {} is not; put the key back, or remove the certificate for a new pair, which every node \
         must be told of by a new join string", cert.display(), key.display()
    )]
    KeyLost {
        /// The certificate.
        cert: PathBuf,
        /// The missing key.
        key: PathBuf,
    },
    /// A certificate cannot be made for these names, or TLS cannot be set up.
    #[error("no certificate could be made: {0}")]
    Making(String),
}

/// The certificate in use and what it was read from.
#[derive(Debug)]
pub struct Tls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    cert: PathBuf,
    key: PathBuf,
    /// What the files looked like when they were last read, well or ill.
    seen: Mutex<[Option<Stamp>; 2]>,
}

/// Device-independent traces that a file was written or replaced: inode, length, time of change in nanoseconds.
type Stamp = (u64, u64, i128);

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// Takes the certificate chain and the key of two PEM files.
    ///
    /// # Errors
    /// [`TlsError`] if they cannot be read or do not belong together.
    pub fn from_files(cert: &Path, key: &Path) -> Result<Tls, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = [stamp(cert), stamp(key)];
        let current = Arc::new(Current(RwLock::new(Arc::new(load(cert, key, &provider)?))));
        let making = |why: rustls::Error| TlsError::Making(why.to_string());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(making)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // daemons that come back after a restart need not pay for a whole handshake again
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(making)?;
        let (cert, key) = (cert.to_owned(), key.to_owned());
        Ok(Tls { config: Arc::new(config), current, cert, key, seen: Mutex::new(seen) })
    }

    /// Takes the pair in `<data>/tls`, which is made at the first start: ECDSA P-256, valid until 2099, for
    /// `names` (hosts and addresses), localhost, 127.0.0.1 and ::1. If the certificate lacks one of the names, it
    /// is made anew with the same key, so that the pin stays.
    ///
    /// # Errors
    /// [`TlsError`] if the files cannot be read or written, or a name is none.
    pub fn self_signed(data: &Path, names: &[String]) -> Result<Tls, TlsError> {
        let folder = data.join("tls");
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(at(&folder))?;
        let further = names.iter().filter(|n| !OWN_NAMES.contains(&n.as_str())).cloned();
        let names: Vec<String> = OWN_NAMES.iter().map(|n| (*n).to_owned()).chain(further).collect();
        match (cert.try_exists().map_err(at(&cert))?, key.try_exists().map_err(at(&key))?) {
            (true, false) => return Err(TlsError::KeyLost { cert, key }),
            (false, false) => {
                let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(making)?;
                write_new(&key, &pair.serialize_pem(), 0o600)?;
                make_certificate(&cert, &pair, names)?;
            }
            (has_cert, true) => {
                if !has_cert || !covers(&cert, &names)? {
                    let pem = fs::read_to_string(&key).map_err(at(&key))?;
                    let pair = KeyPair::from_pem(&pem).map_err(|why| TlsError::Content {
                        path: key.clone(),
                        found: why.to_string(),
                        expected: "a private key in PEM form",
                    })?;
                    make_certificate(&cert, &pair, names)?;
                }
            }
        }
        Self::from_files(&cert, &key)
    }

    /// The configuration for accepting connections. It stays the same when the certificate changes.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// base64url(SHA-256(`SubjectPublicKeyInfo`)) of the certificate in use, without padding: 43 characters.
    #[must_use]
    pub fn pin(&self) -> String {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        let info = current.end_entity_cert().and_then(ParsedCertificate::try_from).map(|c| c.subject_public_key_info());
        // a chain without a certificate that can be parsed is never taken
        info.map(|info| BASE64URL_NOPAD.encode(&Sha256::digest(info.as_ref()))).unwrap_or_default()
    }

    /// Reads the files again if they changed since they were last looked at; connections that stand keep
    /// their certificate. True if a new one is in use.
    ///
    /// # Errors
    /// [`TlsError`] if the new files are no good; the old certificate stays in use, and the error comes once.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = [stamp(&self.cert), stamp(&self.key)];
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        let new = load(&self.cert, &self.key, self.config.crypto_provider())?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(true)
    }

    /// Looks at the files every ten seconds until `stop`, and logs what came of it.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Ok(true)) => tracing::info!(pin = self.pin(), "new certificate in use"),
                Ok(Ok(false)) => {}
                Ok(Err(why)) => {
                    tracing::error!(%why, "the certificate files changed; the old certificate stays in use")
                }
                Err(why) => tracing::error!(%why, "looking at the certificate files failed"),
            }
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TlsError + use<> {
    let path = path.to_owned();
    move |source| TlsError::File { path, source }
}

fn making(why: rcgen::Error) -> TlsError {
    TlsError::Making(why.to_string())
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())))
}

/// The certificates of a PEM file, the server's own first, at least one.
fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |found| TlsError::Content { path: path.to_owned(), found, expected: "a certificate chain in PEM form" };
    let pem = fs::read(path).map_err(at(path))?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|why| wrong(why.to_string()))?;
    if chain.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(chain) }
}

/// A chain and a key that belong together.
fn load(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(cert)?;
    let pem = fs::read(key).map_err(at(key))?;
    let wrong = |found, expected| TlsError::Content { path: key.to_owned(), found, expected };
    let private =
        PrivateKeyDer::from_pem_slice(&pem).map_err(|why| wrong(why.to_string(), "a private key in PEM form"))?;
    CertifiedKey::from_der(chain, private, provider)
        .map_err(|why| wrong(why.to_string(), "the key of the first certificate in the certificate file"))
}

/// Does the certificate of our own have all the names?
fn covers(cert: &Path, names: &[String]) -> Result<bool, TlsError> {
    let chain = read_chain(cert)?;
    let Ok(parsed) = ParsedCertificate::try_from(&chain[0]) else { return Ok(false) };
    Ok(names
        .iter()
        .all(|name| ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())))
}

fn make_certificate(path: &Path, pair: &KeyPair, names: Vec<String>) -> Result<(), TlsError> {
    let mut params = CertificateParams::new(names).map_err(making)?;
    params.distinguished_name.push(DnType::CommonName, "hpl-service");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 12, 31);
    let certificate = params.self_signed(pair).map_err(making)?;
    write_new(path, &certificate.pem(), 0o644)
}

/// Writes a file as a whole or not at all.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let draft = path.with_extension("new");
    // a draft left by an interrupted start could have other rights
    let _ = fs::remove_file(&draft);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, path))
        // the name is as durable as the bytes only once the folder is
        .and_then(|()| path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()))
        .map_err(at(path))
}
