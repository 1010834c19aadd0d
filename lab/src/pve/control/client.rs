//! Talks to the laboratory's door of a running emulator.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends one request to an emulator's door; the path begins with `/lab/`.
///
/// # Errors
/// When nothing answers at the address, or what answers is no emulator.
pub async fn send(address: &str, method: &str, path: &str, body: &[u8]) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    let reply = String::from_utf8_lossy(&reply);
    let (_, body) = reply.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).map_err(|error| {
        std::io::Error::other(format!("{address} is no emulator ({error}): {reply}"))
    })
}
