//! One question to a DNS server over TCP (RFC 1035, section 4.2.2), so that no tool is needed on the node.

use std::{io, net::Ipv4Addr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const ID: u16 = 0x6c61;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;

/// Asks for the IPv4 addresses of `name`.
pub(super) async fn ask(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    name: &str,
) -> io::Result<Vec<Ipv4Addr>> {
    let question = question(name)?;
    connection.write_all(&question).await?;
    connection.flush().await?;
    let length = connection.read_u16().await?;
    let mut message = vec![0; usize::from(length)];
    connection.read_exact(&mut message).await?;
    addresses(&message)
}

/// A question with its length in front.
fn question(name: &str) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    // Recursion desired, one question, nothing else.
    for word in [ID, 0x0100, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        let length = length.ok_or_else(|| io::Error::other(format!("`{name}` is no DNS name")))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(TYPE_A.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    Ok([length.to_be_bytes().as_slice(), &message].concat())
}

/// The IPv4 addresses of an answer; an error that names the server's refusal otherwise.
fn addresses(message: &[u8]) -> io::Result<Vec<Ipv4Addr>> {
    let word = |at: usize| -> io::Result<u16> {
        let bytes = message.get(at..at + 2).ok_or_else(cut_short)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    };
    if word(0)? != ID || word(2)? & 0x8000 == 0 {
        return Err(io::Error::other("what answers is no DNS server"));
    }
    match word(2)? & 0x000f {
        0 => {}
        3 => return Ok(Vec::new()),
        code => return Err(io::Error::other(format!("the DNS server answers with error {code}"))),
    }
    let (questions, answers) = (word(4)?, word(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = after_name(message, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..answers {
        at = after_name(message, at)?;
        let (kind, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = message.get(at + 10..at + 10 + length).ok_or_else(cut_short)?;
        if let (TYPE_A, [a, b, c, d]) = (kind, data) {
            found.push(Ipv4Addr::new(*a, *b, *c, *d));
        }
        at += 10 + length;
    }
    Ok(found)
}

/// Where what follows a name begins; a name may end in a pointer.
fn after_name(message: &[u8], mut at: usize) -> io::Result<usize> {
    loop {
        match message.get(at).copied().ok_or_else(cut_short)? {
            0 => return Ok(at + 1),
            length if length & 0xc0 == 0xc0 => return Ok(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

fn cut_short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the DNS server's answer is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as CoreDNS gives it: question repeated, name as a pointer.
    fn answer(flags: u16, records: &[[u8; 4]]) -> Vec<u8> {
        let asked = question("a.b").unwrap();
        let mut message = Vec::new();
        let count = u16::try_from(records.len()).unwrap();
        for word in [ID, flags, 1, count, 0, 0] {
            message.extend(word.to_be_bytes());
        }
        message.extend(&asked[14..]);
        for record in records {
            message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            message.extend(record);
        }
        message
    }

    #[test]
    fn addresses_are_read_from_an_answer() {
        let message = answer(0x8180, &[[10, 43, 0, 1], [10, 43, 0, 2]]);
        let expected: Vec<Ipv4Addr> = vec![[10, 43, 0, 1].into(), [10, 43, 0, 2].into()];
        assert_eq!(addresses(&message).unwrap(), expected);
    }

    #[test]
    fn an_unknown_name_has_no_addresses_and_a_failing_server_is_an_error() {
        assert_eq!(addresses(&answer(0x8183, &[])).unwrap(), Vec::<Ipv4Addr>::new());
        assert!(addresses(&answer(0x8182, &[])).unwrap_err().to_string().contains("error 2"));
        assert!(addresses(&answer(0x8180, &[[1, 2, 3, 4]])[..30]).is_err());
        assert!(addresses(b"SSH-2.0-OpenSSH_9.2\r\n").is_err());
    }

    #[tokio::test]
    async fn a_question_is_asked_over_one_connection() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let server = tokio::spawn(async move {
            let length = theirs.read_u16().await.unwrap();
            let mut asked = vec![0; usize::from(length)];
            theirs.read_exact(&mut asked).await.unwrap();
            let message = answer(0x8180, &[[10, 43, 0, 1]]);
            theirs.write_u16(u16::try_from(message.len()).unwrap()).await.unwrap();
            theirs.write_all(&message).await.unwrap();
        });
        let expected: Vec<Ipv4Addr> = vec![[10, 43, 0, 1].into()];
        assert_eq!(ask(ours, "a.b").await.unwrap(), expected);
        server.await.unwrap();
    }
}
