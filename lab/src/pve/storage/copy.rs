//! Copies of raw images: holes stay holes, shared blocks are shared where the file system can.

use std::{
    fs::File,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use camino::Utf8Path;
use rustix::{
    fs::{SeekFrom, copy_file_range, ioctl_ficlone, seek},
    io::Errno,
};

use crate::pve::task::Worker;

/// What a copy is told.
#[derive(Clone, Default)]
pub(crate) struct CopyOptions {
    /// Gets progress lines, and may be interrupted.
    pub(crate) worker: Option<Worker>,
    /// Bytes a second, counted over holes too as `qemu-img convert -r` does.
    pub(crate) bytes_per_second: Option<u64>,
}

/// Why a copy ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    #[error("interrupted by signal")]
    Interrupted,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<Errno> for CopyError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Copies `source` into `target`, which gets at least the source's size and keeps a larger one.
/// Blocks: for a thread that may.
///
/// # Errors
///
/// When reading or writing fails, or the worker is interrupted.
pub(crate) fn copy_image(
    source: &Utf8Path,
    target: &Utf8Path,
    options: &CopyOptions,
) -> Result<(), CopyError> {
    let from = File::open(source)?;
    let size = from.metadata()?.len();
    let to = File::options().write(true).create(true).truncate(false).open(target)?;
    let target_size = to.metadata()?.len().max(size);
    let mut progress = Progress::new(size, options);
    progress.report(0)?;
    if options.bytes_per_second.is_none() && ioctl_ficlone(&to, &from).is_ok() {
        to.set_len(target_size)?;
        progress.report(size)?;
        return Ok(());
    }
    // What stood there before must not shine through the holes.
    to.set_len(0)?;
    to.set_len(target_size)?;
    let mut at = 0;
    while let Some((start, end)) = next_data(&from, at, size)? {
        progress.skip_to(start)?;
        copy_range(&from, &to, start, end, &mut progress)?;
        at = end;
    }
    progress.skip_to(size)?;
    progress.report(size)
}

/// The next range with data at or behind `at`.
fn next_data(file: &File, at: u64, size: u64) -> Result<Option<(u64, u64)>, CopyError> {
    if at >= size {
        return Ok(None);
    }
    match seek(file, SeekFrom::Data(at)) {
        Ok(start) => {
            let end = seek(file, SeekFrom::Hole(start))?.min(size);
            Ok(Some((start, end)))
        }
        Err(Errno::NXIO) => Ok(None),
        // A file system that knows no holes: everything is data.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, size))),
        Err(error) => Err(error.into()),
    }
}

/// Copied in one call of the kernel at most.
const STEP: u64 = 4 << 20;

fn copy_range(
    from: &File,
    to: &File,
    start: u64,
    end: u64,
    progress: &mut Progress,
) -> Result<(), CopyError> {
    let (mut read_at, mut write_at) = (start, start);
    while read_at < end {
        let want = usize::try_from((end - read_at).min(STEP)).unwrap_or(usize::MAX);
        let done = match copy_file_range(
            from.as_fd(),
            Some(&mut read_at),
            to.as_fd(),
            Some(&mut write_at),
            want,
        ) {
            Ok(done) => done,
            Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                let done = copy_by_hand(from, to, read_at, want)?;
                read_at += done as u64;
                write_at = read_at;
                done
            }
            Err(error) => return Err(error.into()),
        };
        if done == 0 {
            break;
        }
        progress.report(read_at)?;
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, at: u64, want: usize) -> Result<usize, CopyError> {
    use std::os::unix::fs::FileExt as _;
    let mut buffer = vec![0; want];
    let read = from.read_at(&mut buffer, at)?;
    to.write_all_at(&buffer[..read], at)?;
    Ok(read)
}

/// Lines like `qemu-img convert -p`'s, the limit, the interrupt.
pub(super) struct Progress<'a> {
    size: u64,
    /// The next size that is worth a line.
    next: u64,
    step: u64,
    began: Instant,
    options: &'a CopyOptions,
}

impl<'a> Progress<'a> {
    pub(super) fn new(size: u64, options: &'a CopyOptions) -> Self {
        let step = (size / 100).div_ceil(STEP).max(1) * STEP;
        Self { size, next: 0, step, began: Instant::now(), options }
    }

    /// Holes cost time only under a limit.
    fn skip_to(&mut self, target: u64) -> Result<(), CopyError> {
        while self.options.bytes_per_second.is_some() && self.next < target {
            self.report(self.next)?;
        }
        Ok(())
    }

    // A rate is time itself: there is no condition to wait on. The interrupt is looked at meanwhile.
    #[allow(clippy::disallowed_methods)]
    pub(super) fn report(&mut self, done: u64) -> Result<(), CopyError> {
        if let Some(limit) = self.options.bytes_per_second.filter(|limit| *limit > 0) {
            let due = Duration::from_secs_f64(done as f64 / limit as f64);
            while self.began.elapsed() < due {
                self.check()?;
                std::thread::sleep(
                    Duration::from_millis(20).min(due - self.began.elapsed().min(due)),
                );
            }
        }
        self.check()?;
        if done >= self.next || done == self.size {
            if let Some(worker) = &self.options.worker {
                worker.log(progress_line(done, self.size));
            }
            self.next = (done / self.step + 1) * self.step;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), CopyError> {
        match &self.options.worker {
            Some(worker) if worker.interrupted() => Err(CopyError::Interrupted),
            _ => Ok(()),
        }
    }
}

fn progress_line(done: u64, size: u64) -> String {
    let percent = if size == 0 { 100.0 } else { done as f64 / size as f64 * 100.0 };
    format!("transferred {} of {} ({percent:.2}%)", human(done), human(size))
}

/// `0.0 B`, `4.0 MiB`.
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};

    use super::*;

    fn folder() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        (folder, path)
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_keeps_its_holes() {
        let (_keep, folder) = folder();
        let source = folder.join("a");
        let file = File::create(&source).unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(b"boot", 0).unwrap();
        file.write_all_at(b"deep inside", 40 << 20).unwrap();
        let target = folder.join("b");
        copy_image(&source, &target, &CopyOptions::default()).unwrap();
        assert!(fs_err::read(&source).unwrap() == fs_err::read(&target).unwrap());
        let blocks = fs_err::metadata(&target).unwrap().blocks();
        assert!(blocks * 512 < 8 << 20, "{blocks} blocks are not sparse");
    }

    #[test]
    fn a_larger_target_keeps_its_size_and_none_of_its_old_bytes() {
        let (_keep, folder) = folder();
        fs_err::write(folder.join("a"), b"new").unwrap();
        fs_err::write(folder.join("b"), b"something old").unwrap();
        copy_image(&folder.join("a"), &folder.join("b"), &CopyOptions::default()).unwrap();
        let mut expected = b"new".to_vec();
        expected.resize(13, 0);
        assert_eq!(fs_err::read(folder.join("b")).unwrap(), expected);
    }

    #[test]
    fn an_interrupted_copy_ends_as_by_a_signal() {
        let (_keep, folder) = folder();
        File::create(folder.join("a")).unwrap().set_len(1 << 30).unwrap();
        let upid = "UPID:pve1:00000001:00000001:00000001:qmclone:100:root@pam:".parse().unwrap();
        let worker = Worker::new(upid);
        worker.interrupt();
        let options = CopyOptions { worker: Some(worker), bytes_per_second: Some(1 << 20) };
        let error = copy_image(&folder.join("a"), &folder.join("b"), &options).unwrap_err();
        assert_eq!(error.to_string(), "interrupted by signal");
    }

    #[test]
    fn progress_is_told_in_the_units_of_the_real_thing() {
        assert_eq!(progress_line(0, 200 << 20), "transferred 0.0 B of 200.0 MiB (0.00%)");
        assert_eq!(progress_line(12 << 20, 1 << 30), "transferred 12.0 MiB of 1.0 GiB (1.17%)");
        assert_eq!(progress_line(540_672, 540_672), "transferred 528.0 KiB of 528.0 KiB (100.00%)");
    }
}
