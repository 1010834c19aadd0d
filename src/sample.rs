//! As much of a file as is looked at: all of it or, of a large one, both its ends.

use std::io::{Read, Result, Seek, SeekFrom};

use crate::named_file::DOCUMENT;

/// How much is kept of each end.
const END: usize = 1 << 20;

/// A file's bytes. They come in their order.
#[derive(Clone, Debug)]
pub struct Sample {
    size: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Sample {
    /// Nothing yet, of a file of that size.
    pub fn new(size: u64) -> Self {
        Self { size, head: Vec::new(), tail: Vec::new() }
    }

    /// Of a file on this disk; what is in the middle of a large one is not read.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn of(mut file: impl Read + Seek, size: u64) -> Result<Self> {
        let mut sample = Self::new(size);
        if sample.is_whole() {
            file.take(DOCUMENT).read_to_end(&mut sample.head)?;
            return Ok(sample);
        }
        file.by_ref().take(END as u64).read_to_end(&mut sample.head)?;
        file.seek(SeekFrom::End(-(END as i64)))?;
        file.take(END as u64).read_to_end(&mut sample.tail)?;
        Ok(sample)
    }

    /// Takes what comes next.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = if self.is_whole() { bytes.len() } else { END.saturating_sub(self.head.len()) };
        let (head, tail) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend_from_slice(tail);
        if self.tail.len() > 2 * END {
            self.tail.drain(..self.tail.len() - END);
        }
    }

    /// Whether the beginning is all there is.
    pub fn is_whole(&self) -> bool {
        self.size <= DOCUMENT
    }

    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The end of a large file.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn of_a_large_file_both_ends_are_kept_however_it_comes() {
        let bytes: Vec<u8> = (0..DOCUMENT as u32 / 4 + 1).flat_map(u32::to_be_bytes).collect();
        let read = Sample::of(Cursor::new(&bytes), bytes.len() as u64).unwrap();
        let mut pushed = Sample::new(bytes.len() as u64);
        bytes.chunks(70_001).for_each(|chunk| pushed.push(chunk));
        for sample in [&read, &pushed] {
            assert!(!sample.is_whole());
            assert_eq!(sample.head(), &bytes[..END]);
            assert!(sample.tail().len() <= 2 * END && bytes.ends_with(sample.tail()));
            assert!(sample.tail().len() >= END);
        }
        let small = Sample::of(Cursor::new(b"all"), 3).unwrap();
        assert!(small.is_whole() && small.head() == b"all" && small.tail().is_empty());
    }
}
