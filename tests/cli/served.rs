//! A web server for the image, which is not always the one that was pinned.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
};

use sha2::{Digest, Sha256};

/// Some bytes under a URL, until the process ends.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) sha256: String,
}

impl Served {
    /// The bytes of an image that no machine could boot, which nothing here does.
    pub(crate) fn image() -> Self {
        let bytes: Vec<u8> = (0..1 << 16_u32).flat_map(u32::to_le_bytes).collect();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Self { url: format!("http://{}/image.raw", serve(bytes)), sha256 }
    }

    /// The same with one bit changed, under the hash of the sound one.
    pub(crate) fn altered_image() -> Self {
        let mut bytes: Vec<u8> = (0..1 << 16_u32).flat_map(u32::to_le_bytes).collect();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        bytes[77_777] ^= 1;
        Self { url: format!("http://{}/image.raw", serve(bytes)), sha256 }
    }
}

fn serve(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                bytes.len()
            );
            let _ = stream.write_all(head.as_bytes());
            if !request[..length].starts_with(b"HEAD") {
                let _ = stream.write_all(&bytes);
            }
        }
    });
    address
}
