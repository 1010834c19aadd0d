//! A web server that knows ranges and drops connections half way.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One file under any path.
pub(crate) struct Dropping {
    address: std::net::SocketAddr,
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
    task: JoinHandle<()>,
}

impl Dropping {
    /// Each of the first requests gets so many bytes of its body; the others all.
    pub(crate) async fn start(content: Vec<u8>, limits: &[usize], version: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&ranges);
        let limits = limits.to_vec();
        let task = tokio::spawn(async move {
            let mut limits = limits.into_iter();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let head = read(&mut stream).await;
                let header = |name: &str| {
                    head.lines().find_map(|line| {
                        let (key, value) = line.split_once(": ")?;
                        key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                    })
                };
                let asked: Option<u64> = header("range").and_then(|range| {
                    range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
                });
                kept.lock().unwrap().push(asked);
                let same = header("if-range").is_none_or(|wanted| wanted == version);
                let from = asked.filter(|_| same).map_or(0, |from| usize::try_from(from).unwrap());
                let (status, body) = match content.get(from..) {
                    Some(body) if from > 0 && !body.is_empty() => ("206 Partial Content", body),
                    Some(body) if from == 0 => ("200 OK", body),
                    _ => ("416 Range Not Satisfiable", &[][..]),
                };
                let (last, all) = (content.len() - 1, content.len());
                let range = if status.starts_with("206") {
                    format!("content-range: bytes {from}-{last}/{all}\r\n")
                } else {
                    String::new()
                };
                let text = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: {version}\r\n{range}connection: close\r\n\r\n",
                    body.len()
                );
                let limit = limits.next().unwrap_or(body.len()).min(body.len());
                // A client may leave when it has seen the head.
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.write_all(&body[..limit]).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, ranges, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/k3s", self.address)
    }

    /// From which byte on each request wanted the file; `None`: all of it.
    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.ranges.lock().unwrap().clone()
    }
}

impl Drop for Dropping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "a request without its end");
    }
    String::from_utf8(bytes).unwrap()
}
