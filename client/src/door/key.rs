//! Which key is believed: one that is known by its hash, in the place of the authorities of the system.

use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64URL_NOPAD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest, Sha256};

use super::words::Caller;

/// Makes ring the library of all TLS here. To be called before a client is made.
pub(super) fn provide() -> Arc<CryptoProvider> {
    let provider = rustls::crypto::ring::default_provider();
    // The second thread that comes here finds it installed.
    let _ = provider.clone().install_default();
    Arc::new(provider)
}

/// Believes one key and no authority: the one whose hash is known. Where none is, it only looks.
#[derive(Debug)]
pub(super) struct OneKey {
    /// The hash, and whom to tell if it is another.
    expected: Option<(String, Caller)>,
    seen: Mutex<Option<String>>,
    provider: Arc<CryptoProvider>,
}

impl OneKey {
    /// The one with this hash; None: looks at whatever is shown, and believes nothing.
    pub(super) fn new(expected: Option<(String, Caller)>) -> Arc<OneKey> {
        Arc::new(OneKey { expected, seen: Mutex::default(), provider: provide() })
    }

    /// The hash of the key that was shown last.
    pub(super) fn seen(&self) -> Option<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// TLS that believes this key.
    ///
    /// # Errors
    /// The library refuses its own defaults.
    pub(super) fn config(self: Arc<Self>) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(self.provider.clone());
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
        Ok(builder.dangerous().with_custom_certificate_verifier(self).with_no_client_auth())
    }
}

impl ServerCertVerifier for OneKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let found = BASE64URL_NOPAD.encode(&Sha256::digest(key.as_ref()));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        let why = match &self.expected {
            Some((pin, _)) if *pin == found => return Ok(ServerCertVerified::assertion()),
            Some((pin, caller)) => format!(
                "the service shows another key ({found}) than {} ({pin}): if its key was renewed, {}; if not, somebody \
                 is in between",
                caller.known, caller.renew
            ),
            None => "its key was looked at, no more".to_owned(),
        };
        Err(rustls::Error::General(why))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
