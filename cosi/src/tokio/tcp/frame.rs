//! Messages on a stream: a length of four bytes, little endian, and as many bytes.

use alloc::vec::Vec;
use core::time::Duration;

use ::tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use super::outbox::Frame;
use crate::wire::Wire;

/// How many bytes a frame has before the message.
pub(super) const HEADER: usize = 4;

/// The frame of a message. `None`: it has more than `limit` bytes.
pub(super) fn encode<M: Wire>(message: &M, limit: usize) -> Option<Frame> {
    let mut bytes = Vec::from([0; HEADER]);
    message.serialize(&mut bytes).expect("a vector takes every byte");
    let (header, body) = bytes.split_first_chunk_mut::<HEADER>()?;
    let len = u32::try_from(body.len()).ok().filter(|_| body.len() <= limit)?;
    *header = len.to_le_bytes();
    Some(bytes.into())
}

/// Why there is no frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The stream ended, or the frame stopped coming.
    Gone,
    /// It would have more than `limit` bytes.
    TooLong,
}

/// The message of the next frame. Between frames it waits; a frame that has begun must be whole
/// within `patience`. Takes memory as bytes arrive, whatever length is announced.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    patience: Duration,
) -> Result<Vec<u8>, Broken> {
    let first = stream.read_u8().await.map_err(|_| Broken::Gone)?;
    timeout(patience, rest(first, stream, limit)).await.unwrap_or(Err(Broken::Gone))
}

async fn rest(
    first: u8,
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Vec<u8>, Broken> {
    let mut header = [first, 0, 0, 0];
    let [_, more @ ..] = &mut header;
    stream.read_exact(more).await.map_err(|_| Broken::Gone)?;
    let len = u32::from_le_bytes(header);
    if !usize::try_from(len).is_ok_and(|len| len <= limit) {
        return Err(Broken::TooLong);
    }
    let mut body = Vec::new();
    let read = stream.take(len.into()).read_to_end(&mut body).await;
    if read.is_ok_and(|read| u32::try_from(read) == Ok(len)) { Ok(body) } else { Err(Broken::Gone) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BoundedBytes;

    const SECOND: Duration = Duration::from_secs(1);

    fn message(len: usize) -> BoundedBytes<1000> {
        BoundedBytes::new(alloc::vec![7; len]).unwrap()
    }

    #[::tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let frames: Vec<_> = [0, 5, 96].map(|len| encode(&message(len), 100).unwrap()).into();
        assert_eq!(frames[1][..], [9, 0, 0, 0, 5, 0, 0, 0, 7, 7, 7, 7, 7]);
        assert_eq!(encode(&message(97), 100), None, "101 bytes, encoded");
        let stream = frames.concat();
        let mut stream = &stream[..];
        for len in [0, 5, 96] {
            assert_eq!(read(&mut stream, 100, SECOND).await, Ok(message(len).encode()));
        }
        assert_eq!(read(&mut stream, 100, SECOND).await, Err(Broken::Gone));
    }

    #[::tokio::test]
    async fn long_and_cut_frames_are_refused() {
        for (bytes, why) in [
            (&[101, 0, 0, 0, 1][..], Broken::TooLong),
            (&[0xff; 4], Broken::TooLong),
            (&[1, 0, 0], Broken::Gone),
            (&[5, 0, 0, 0, 1, 2, 3, 4], Broken::Gone),
        ] {
            assert_eq!(read(&mut &*bytes, 100, SECOND).await, Err(why), "{bytes:?}");
        }
    }

    #[::tokio::test(start_paused = true)]
    async fn a_stream_may_rest_between_frames_and_not_within() {
        use ::tokio::io::AsyncWriteExt;
        let (mut near, mut far) = ::tokio::io::duplex(64);
        let reader = ::tokio::spawn(async move {
            (read(&mut near, 100, SECOND).await, read(&mut near, 100, SECOND).await)
        });
        ::tokio::time::sleep(SECOND * 1000).await;
        far.write_all(&[1, 0, 0, 0, 9, 1, 0]).await.unwrap();
        assert_eq!(reader.await.unwrap(), (Ok(alloc::vec![9]), Err(Broken::Gone)));
    }
}
