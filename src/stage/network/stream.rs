//! A stream of full segments to a peer, with the one server that every node has: sshd.
//!
//! RFC 4253 lets either side send messages to be ignored (section 11.2) and say good-bye (11.1) at any time.
//! So: greet, send ignored data, say good-bye, and wait for the peer to hang up. It does so when it has
//! read all of it, for TCP keeps the order; a peer that complains instead says something before.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

const DISCONNECT: u8 = 1;
const IGNORE: u8 = 2;
const BY_APPLICATION: u32 = 11;
/// A packet must be taken up to 35000 bytes (RFC 4253, section 6.1).
const CHUNK: usize = 32 * 1024;
/// What is handed on at once. The connection that carries the stream takes a dozen of them together, and keeps the room
/// for them as long as it is open.
const PIECE: usize = 2 * 1024;
/// Before keys are agreed on, lengths are multiples of eight.
const BLOCK: usize = 8;

/// Sends `bytes` (rounded up to 32 KiB) and says how long it took until the peer had all of them.
pub(super) async fn push(
    connection: impl AsyncRead + AsyncWrite + Unpin,
    bytes: usize,
) -> io::Result<Duration> {
    let mut connection = BufReader::new(connection);
    let mut greeting = String::new();
    (&mut connection).take(255).read_line(&mut greeting).await?;
    if !greeting.starts_with("SSH-2.0-") {
        return Err(io::Error::other("no SSH server answers there"));
    }
    let started = Instant::now();
    let written = async {
        connection.write_all(b"SSH-2.0-homelab\r\n").await?;
        // One packet again and again: many streams are under way at once, and none needs its own data.
        let ignored = ignored();
        for _ in 0..bytes.div_ceil(CHUNK) {
            for piece in ignored.chunks(PIECE) {
                connection.write_all(piece).await?;
            }
        }
        connection.write_all(&goodbye()).await?;
        connection.flush().await
    }
    .await;
    let mut said = Vec::new();
    let read = connection.read_to_end(&mut said).await;
    if complains(&said) {
        return Err(io::Error::other("the peer's sshd refused to read on"));
    }
    written.and(read)?;
    Ok(started.elapsed())
}

/// 32 KiB that say nothing.
fn ignored() -> Vec<u8> {
    let mut message = vec![IGNORE];
    message.extend(u32::try_from(CHUNK).unwrap_or_default().to_be_bytes());
    message.resize(message.len() + CHUNK, 0x5a);
    packet(&message)
}

fn goodbye() -> Vec<u8> {
    let mut message = vec![DISCONNECT];
    message.extend(BY_APPLICATION.to_be_bytes());
    // An empty description, an empty language tag.
    message.extend([0; 8]);
    packet(&message)
}

/// A packet before keys are agreed on: length, padding, no authentication.
fn packet(payload: &[u8]) -> Vec<u8> {
    let unpadded = 4 + 1 + payload.len();
    // At least four bytes of padding.
    let padding = BLOCK - unpadded % BLOCK;
    let padding = if padding < 4 { padding + BLOCK } else { padding };
    let length = u32::try_from(1 + payload.len() + padding).unwrap_or(u32::MAX);
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap_or(u8::MAX));
    packet.extend(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

/// Whether one of the peer's packets is a good-bye of its own.
fn complains(mut said: &[u8]) -> bool {
    while let Some((head, rest)) = said.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        // Length of padding, then the kind of message.
        if rest.get(1) == Some(&DISCONNECT) {
            return true;
        }
        let Some(next) = rest.get(length..) else { return false };
        said = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_whole_blocks_with_enough_padding() {
        for size in 1..40 {
            let packet = packet(&vec![IGNORE; size]);
            assert_eq!(packet.len() % BLOCK, 0);
            assert!(packet[4] >= 4);
            assert_eq!(packet.len(), 4 + 1 + size + usize::from(packet[4]));
        }
    }

    async fn against(answer: Vec<u8>) -> io::Result<Duration> {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let server = async move {
            theirs.write_all(b"SSH-2.0-test\r\n").await?;
            theirs.write_all(&answer).await?;
            let parts = ["SSH-2.0-homelab\r\n".len(), 2 * packet(&vec![IGNORE; 5 + CHUNK]).len()];
            let whole = parts.iter().sum::<usize>() + packet(&[DISCONNECT; 13]).len();
            theirs.read_exact(&mut vec![0; whole]).await?;
            io::Result::Ok(())
        };
        let (pushed, served) = tokio::join!(push(ours, 2 * CHUNK), server);
        served?;
        pushed
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_after_reading_has_it_all() {
        assert!(against(packet(&[20, 0, 0, 0])).await.is_ok());
    }

    #[tokio::test]
    async fn a_peer_that_complains_has_not() {
        let error = against(packet(&[DISCONNECT, 0, 0, 0, 2])).await.unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_peer_that_hangs_up_before_the_end_has_not_all_of_it() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        theirs.write_all(b"SSH-2.0-test\r\n").await.unwrap();
        let server = async move {
            let read = theirs.read_exact(&mut vec![0; CHUNK]).await;
            drop(theirs);
            read
        };
        let (pushed, served) = tokio::join!(push(ours, 2 * CHUNK), server);
        served.unwrap();
        assert!(pushed.is_err());
    }

    #[tokio::test]
    async fn something_else_than_ssh_is_seen() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
        assert!(push(ours, 1).await.is_err());
    }
}
