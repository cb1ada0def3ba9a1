//! The connection to a peer: dialled, welcomed, fed from the outbox, and dialled again.

use alloc::sync::Arc;
use core::{sync::atomic::Ordering::Relaxed, time::Duration};
use std::net::SocketAddr;

use ::tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::TcpStream,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use rustls::pki_types::ServerName;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Limits, Link, WELCOME,
    counters::{add, count},
    outbox::Outbox,
    tls::Identity,
};

/// Keeps the connection to one peer, until its outbox is closed and empty, or [`Limits::linger`]
/// has passed since `stop`.
pub(super) async fn keep(
    link: Arc<Link>,
    connector: TlsConnector,
    identity: Arc<Identity>,
    limits: Limits,
    mut stop: watch::Receiver<()>,
) {
    let linger = async {
        while stop.changed().await.is_ok() {}
        sleep(limits.linger).await;
    };
    ::tokio::select! {
        () = dial(&link, &connector, &identity, &limits) => {}
        () = linger => {}
    }
    link.live.connected.store(false, Relaxed);
}

async fn dial(link: &Link, connector: &TlsConnector, identity: &Identity, limits: &Limits) {
    let mut failures = 0_u32;
    while !link.outbox.is_done() {
        let Some(address) = link.address() else {
            link.sign.notified().await;
            continue;
        };
        let began = Instant::now();
        let connected = connect(address, connector, identity);
        if let Ok(Some(stream)) = timeout(limits.handshake, connected).await {
            add(&link.live.connects, 1);
            link.live.connected.store(true, Relaxed);
            serve(link, stream, limits.patience).await;
            link.live.connected.store(false, Relaxed);
        }
        if link.outbox.is_done() {
            return;
        }
        let held = began.elapsed() >= limits.patience;
        failures = if held { 0 } else { failures.saturating_add(1) };
        rest(link, identity, limits, failures).await;
    }
}

/// Waits before the next attempt: half of the back-off at least, and no more once there is a sign
/// that the peer is up.
async fn rest(link: &Link, identity: &Identity, limits: &Limits, failures: u32) {
    let half = limits.backoff(failures).checked_div(2).unwrap_or_default();
    let range = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    let jitter = Duration::from_millis(identity.random().checked_rem(range).unwrap_or_default());
    let least = half.min(limits.retry);
    sleep(least).await;
    let rest = half.saturating_sub(least).saturating_add(jitter);
    ::tokio::select! {
        () = sleep(rest) => {}
        () = link.sign.notified() => {}
    }
}

/// A connection that the peer has welcomed: in TLS 1.3 the client's handshake is over before the
/// server has seen its key.
async fn connect(
    address: SocketAddr,
    connector: &TlsConnector,
    identity: &Identity,
) -> Option<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    // Not sent: there is no SNI.
    let name = ServerName::IpAddress(address.ip().into());
    let mut stream = connector.connect(name, stream).await.ok()?;
    if stream.get_ref().1.alpn_protocol() != Some(identity.protocol()) {
        return None;
    }
    let mut welcome = [0; WELCOME.len()];
    stream.read_exact(&mut welcome).await.ok()?;
    (welcome == WELCOME).then_some(stream)
}

/// Feeds a connection until it breaks, its peer shows no life, or the outbox is done.
async fn serve(link: &Link, stream: TlsStream<TcpStream>, patience: Duration) {
    let (mut reader, mut writer) = split(stream);
    ::tokio::select! {
        _ = feed(link, &link.outbox, &mut writer) => {}
        () = listen(&mut reader, patience) => {}
    }
}

async fn feed(
    link: &Link,
    outbox: &Outbox,
    writer: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    while let Some(frame) = outbox.pop().await {
        writer.write_all(&frame).await?;
        count(&link.live.frames_out, &link.live.bytes_out, frame.len());
        while let Some(frame) = outbox.try_pop() {
            writer.write_all(&frame).await?;
            count(&link.live.frames_out, &link.live.bytes_out, frame.len());
        }
        writer.flush().await?;
    }
    writer.shutdown().await
}

/// Hears the peer's beats, until there is none for `patience`.
async fn listen(reader: &mut (impl AsyncRead + Unpin), patience: Duration) {
    let mut beats = [0; 16];
    while let Ok(Ok(1..)) = timeout(patience, reader.read(&mut beats)).await {}
}
