//! TLS 1.3 between members: raw Ed25519 keys (RFC 7250) on both sides, each pinned.

use alloc::{boxed::Box, collections::BTreeSet, string::ToString, sync::Arc, vec, vec::Vec};

use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureAlgorithm, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key,
    },
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, Signer, SigningKey as TlsSigningKey},
    version::TLS13,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::keys::{PeerId, PublicKey, SigningKey};

/// What stands before an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What both sides of every handshake are made from.
pub(super) struct Identity {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    protocol: Vec<u8>,
}

impl Identity {
    pub(super) fn new(key: Arc<SigningKey>, protocol: Vec<u8>) -> Self {
        let provider =
            CryptoProvider { kx_groups: vec![ring::kx_group::X25519], ..ring::default_provider() };
        let spki = [&SPKI[..], &key.public().to_bytes()].concat();
        let key = CertifiedKey::new(vec![CertificateDer::from(spki)], Arc::new(Key(key)));
        Self { provider: Arc::new(provider), key: Arc::new(key), protocol }
    }

    /// The name of the protocol, which both sides must agree on (RFC 7301).
    pub(super) fn protocol(&self) -> &[u8] {
        &self.protocol
    }

    /// Random bits, as the handshakes get them.
    pub(super) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without entropy there is no handshake either.
        self.provider.secure_random.fill(&mut bytes).ok();
        u64::from_le_bytes(bytes)
    }

    /// Accepts handshakes by these peers.
    pub(super) fn acceptor(&self, peers: BTreeSet<PeerId>) -> Result<TlsAcceptor, Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(self.pin(peers)))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = vec![self.protocol.clone()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config).into())
    }

    /// Shakes hands with this peer.
    pub(super) fn connector(&self, peer: PeerId) -> Result<TlsConnector, Error> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.pin([peer].into())))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                self.key.clone(),
            )));
        config.alpn_protocols = vec![self.protocol.clone()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Arc::new(config).into())
    }

    fn pin(&self, peers: BTreeSet<PeerId>) -> Pinned {
        Pinned { peers, algorithms: self.provider.signature_verification_algorithms }
    }
}

/// The peer whose raw key this is.
pub(super) fn peer(spki: &CertificateDer<'_>) -> Option<PeerId> {
    let bytes = spki.strip_prefix(&SPKI)?.try_into().ok()?;
    PublicKey::from_bytes(bytes).ok().map(|key| PeerId::of(&key))
}

/// Accepts the raw keys of these peers and nothing else.
#[derive(Debug)]
struct Pinned {
    peers: BTreeSet<PeerId>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn check(&self, key: &CertificateDer<'_>, more: &[CertificateDer<'_>]) -> Result<(), Error> {
        let known = peer(key).is_some_and(|peer| self.peers.contains(&peer));
        let refusal = rustls::CertificateError::ApplicationVerificationFailure;
        if known && more.is_empty() { Ok(()) } else { Err(refusal.into()) }
    }

    fn verify(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(key, more).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(key, more).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(old_version())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, key, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn old_version() -> Error {
    Error::General("TLS 1.3 alone is spoken here".to_string())
}

/// Signs handshakes. The secret stays in its own, zeroized type.
#[derive(Clone, Debug)]
struct Key(Arc<SigningKey>);

impl TlsSigningKey for Key {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let signer = Box::new(self.clone());
        offered.contains(&SignatureScheme::ED25519).then_some(signer as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign_handshake(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
