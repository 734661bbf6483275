//! Downloads from the first mirror that works. A file is kept only if it is complete and its checksum
//! is right.

#[cfg(feature = "download")]
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;
#[cfg(feature = "download")]
use std::time::Instant;

#[cfg(feature = "download")]
use ureq::Agent;

#[cfg(feature = "download")]
use super::idx::Hashed;
use super::source::RemoteFile;
use crate::error::{DownloadFault, MirrorFailure, Result};
#[cfg(feature = "download")]
use crate::files::atomic::AtomicFile;

/// A mirror whose average speed is below this, in bytes per second, is abandoned.
#[cfg(feature = "download")]
const SLOWEST: f64 = 4096.0;

/// The progress of the download of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadProgress<'a> {
    /// The file's address.
    pub url: &'a str,
    /// Number of bytes received.
    pub bytes: u64,
    /// Size of the whole file in bytes.
    pub total: u64,
}

/// Downloads `files` to `folder`, which is created if it does not exist. The mirrors are tried in
/// order. A mirror that fails is not asked again, but the files that it has sent are kept. A file gets its name
/// when its size and sha256 are right and it is durable on disk.
///
/// # Errors
/// The outer result is [`Error::Io`](crate::error::Error::Io) of the file system, where another mirror
/// would not help; the inner one gives the reason why each mirror was abandoned.
#[cfg(feature = "download")]
pub fn download(
    mirrors: &[String],
    patience: Duration,
    folder: &Path,
    files: &[RemoteFile],
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Result<(), Vec<MirrorFailure>>> {
    let limit = Some(patience);
    let agent: Agent = Agent::config_builder()
        .timeout_resolve(limit)
        .timeout_connect(limit)
        .timeout_recv_response(limit)
        .timeout_per_read(limit)
        .build()
        .into();
    let mut failures = Vec::new();
    let mut files = files.iter();
    let mut next = files.next();
    for mirror in mirrors {
        while let Some(file) = next {
            let url = format!("{mirror}{}", file.name);
            match fetch(&agent, &url, patience, folder, file, progress)? {
                Ok(()) => next = files.next(),
                Err(fault) => {
                    failures.push(MirrorFailure { url, fault });
                    break;
                }
            }
        }
    }
    Ok(match next {
        None => Ok(()),
        Some(_) => Err(failures),
    })
}

/// Reports that nothing can be downloaded: the crate was built without its feature `download`.
///
/// # Errors
/// The inner result names the first file at the first mirror.
#[cfg(not(feature = "download"))]
pub fn download(
    mirrors: &[String],
    _patience: Duration,
    _folder: &Path,
    files: &[RemoteFile],
    _progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Result<(), Vec<MirrorFailure>>> {
    let first = mirrors.iter().zip(files).next();
    let failures = first.map(|(mirror, file)| MirrorFailure {
        url: format!("{mirror}{}", file.name),
        fault: DownloadFault::NotBuilt,
    });
    Ok(Err(failures.into_iter().collect()))
}

#[cfg(feature = "download")]
fn fetch(
    agent: &Agent,
    url: &str,
    patience: Duration,
    folder: &Path,
    file: &RemoteFile,
    progress: &mut dyn FnMut(&DownloadProgress),
) -> Result<Result<(), DownloadFault>> {
    let fault = |error| match error {
        ureq::Error::StatusCode(status) => DownloadFault::Status { status },
        ureq::Error::Timeout(_) => DownloadFault::TimedOut { patience },
        error => DownloadFault::Connection {
            reason: error.to_string(),
        },
    };
    let body = match agent.get(url).call() {
        Ok(response) => response.into_body().into_reader(),
        Err(error) => return Ok(Err(fault(error))),
    };

    let total = file.bytes;
    let mut target = AtomicFile::create(&folder.join(&file.name))?;
    // One byte more than expected is enough to know that the file is too long.
    let mut body = Hashed::new(body.take(total + 1));
    let mut bytes = 0;
    let started = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    loop {
        progress(&DownloadProgress { url, bytes, total });
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                target.write_all(&buffer[..count])?;
                bytes += count as u64;
                let seconds = started.elapsed().saturating_sub(patience).as_secs_f64();
                if (bytes as f64) < seconds * SLOWEST {
                    return Ok(Err(DownloadFault::TooSlow));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(fault(error.into()))),
        }
    }
    if bytes != total {
        return Ok(Err(DownloadFault::Size {
            expected: total,
            longer: bytes > total,
        }));
    }
    let found = body.sha256();
    if found != file.sha256 {
        return Ok(Err(DownloadFault::Checksum {
            expected: file.sha256,
            found,
        }));
    }
    target.commit()?;
    Ok(Ok(()))
}
