//! Parties on loopback, and strangers who speak TLS by means of their own.

use std::{collections::BTreeMap, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use cosi::{
    keys::{PeerId, Seed, SigningKey},
    machine::To,
    tokio::{
        Network, Tcp,
        tcp::{Config, Counters, Handle, Limits},
    },
    wire::{BoundedBytes, DecodeError},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub(crate) const PROTOCOL: &[u8] = b"notes";
pub(crate) const WELCOME: &[u8] = b"welcome\n";

/// What comes within real seconds.
pub(crate) async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), coming).await.expect("it comes soon")
}

/// Waits until it is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    soon(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A message of 12 bytes and its padding's.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Note {
    pub(crate) number: u64,
    pub(crate) padding: BoundedBytes<100_000>,
}

pub(crate) fn note(number: u64) -> Note {
    padded(number, 0)
}

pub(crate) fn padded(number: u64, bytes: usize) -> Note {
    Note { number, padding: BoundedBytes::new(vec![7; bytes]).unwrap() }
}

/// The bytes on the wire, written without the code under test.
pub(crate) fn on_the_wire(number: u64) -> Vec<u8> {
    [&12_u32.to_le_bytes()[..], &number.to_le_bytes(), &[0; 4]].concat()
}

/// Who has which seed is who it is.
pub(crate) fn seed(who: u8) -> [u8; 32] {
    [who + 1; 32]
}

pub(crate) fn key(who: u8) -> Arc<SigningKey> {
    Arc::new(Seed::from_bytes(seed(who)).signing_key())
}

fn identity(who: u8) -> PeerId {
    PeerId::of(key(who).public())
}

/// Limits that tests need not wait for.
pub(crate) fn limits() -> Limits {
    Limits {
        frame: 65_536,
        frame_time: millis(300),
        retry: millis(10),
        retry_max: millis(100),
        penalty: millis(300),
        beat: millis(100),
        patience: millis(1000),
        ..Limits::default()
    }
}

/// A host with its network, as its driver would have it.
pub(crate) struct Party {
    pub(crate) network: Tcp<u8, Note>,
    pub(crate) handle: Handle<u8>,
}

impl Party {
    pub(crate) async fn recv(&mut self) -> (u8, Result<Note, DecodeError>) {
        soon(self.network.recv()).await.unwrap()
    }

    /// The number of the next note, which must come from `who`.
    pub(crate) async fn number_from(&mut self, who: u8) -> u64 {
        let (from, note) = self.recv().await;
        assert_eq!(from, who);
        note.unwrap().number
    }

    pub(crate) fn send(&mut self, to: u8, number: u64) {
        self.network.send(To::One(to), note(number));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_address().unwrap()
    }

    pub(crate) fn with(&self, who: u8) -> Counters {
        self.handle.counters()[&who]
    }

    pub(crate) async fn is_connected_to(&self, who: u8) {
        until(|| self.with(who).connected).await;
    }

    /// Ends the party as a crash does.
    pub(crate) async fn stop(self) {
        drop(self.network);
        soon(self.handle.closed()).await;
    }
}

pub(crate) async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// `me` among `parties` members, some of them at these addresses.
pub(crate) fn config(
    me: u8,
    parties: u8,
    addresses: &BTreeMap<u8, SocketAddr>,
    limits: Limits,
) -> Config<u8> {
    let mut config = Config::new(key(me), me, (0..parties).map(|who| (who, identity(who))));
    config.addresses = addresses.clone();
    config.protocol = PROTOCOL.to_vec();
    config.limits = limits;
    config
}

pub(crate) fn party(listener: TcpListener, config: Config<u8>) -> Party {
    let network = Tcp::start(listener, config).unwrap();
    let handle = network.handle();
    Party { network, handle }
}

/// Members 0 to `parties`, of whom the first `there` are there.
pub(crate) async fn parties(there: u8, parties: u8, limits: Limits) -> Vec<Party> {
    let mut listeners = Vec::new();
    for _ in 0..there {
        listeners.push(listen().await);
    }
    let addresses = listeners.iter().map(|listener| listener.local_addr().unwrap());
    let addresses = (0..).zip(addresses).collect();
    let start = |(me, listener)| party(listener, config(me, parties, &addresses, limits));
    (0..).zip(listeners).map(start).collect()
}

/// What somebody says in a handshake.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    /// Whose public key it shows. `None`: no key.
    pub(crate) shows: Option<u8>,
    /// Whose secret it has.
    pub(crate) has: u8,
    pub(crate) protocol: Option<&'static [u8]>,
}

pub(crate) fn honest(who: u8) -> Claim {
    Claim { shows: Some(who), has: who, protocol: Some(PROTOCOL) }
}

impl Claim {
    fn certified(self) -> Arc<CertifiedKey> {
        let spki = |who: u8| {
            const PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
            [PREFIX, &key(who).public().to_bytes()].concat()
        };
        let pkcs8 = [
            &b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..],
            &seed(self.has),
        ];
        let secret = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.concat())).unwrap();
        let shown = self.shows.map(spki).unwrap_or_default();
        Arc::new(CertifiedKey::new(vec![CertificateDer::from(shown)], secret))
    }

    fn protocols(self) -> Vec<Vec<u8>> {
        self.protocol.map(<[u8]>::to_vec).into_iter().collect()
    }

    /// Dials, trusting whoever answers.
    pub(crate) async fn dial(
        self,
        address: SocketAddr,
    ) -> std::io::Result<client::TlsStream<TcpStream>> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody));
        let mut config = match self.shows {
            Some(_) => builder.with_client_cert_resolver(Arc::new(
                AlwaysResolvesClientRawPublicKeys::new(self.certified()),
            )),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Dials and is welcomed.
    pub(crate) async fn enter(self, address: SocketAddr) -> client::TlsStream<TcpStream> {
        let mut stream = soon(self.dial(address)).await.unwrap();
        let mut welcome = [0; 8];
        soon(stream.read_exact(&mut welcome)).await.unwrap();
        assert_eq!(welcome, WELCOME);
        stream
    }

    /// Dials and is turned away without a word, before `patience` is over.
    pub(crate) async fn is_refused(self, address: SocketAddr) -> bool {
        let attempt = async {
            let mut stream = self.dial(address).await?;
            stream.write_all(&on_the_wire(666)).await?;
            let mut word = [0];
            stream.read_exact(&mut word).await
        };
        soon(attempt).await.is_err()
    }

    /// Accepts whoever dials.
    pub(crate) async fn accept(
        self,
        listener: &TcpListener,
    ) -> std::io::Result<server::TlsStream<TcpStream>> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Anybody))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.certified())));
        config.alpn_protocols = self.protocols();
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        TlsAcceptor::from(Arc::new(config)).accept(stream).await
    }
}

/// Trusts anybody.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!()
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!()
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
