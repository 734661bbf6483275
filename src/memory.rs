//! The memory that this process may take, to refuse what cannot fit before anything is allocated.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Fails if `bytes` are more than what is free.
///
/// # Errors
/// [`Error::OutOfMemory`].
pub fn check(bytes: u128) -> Result<()> {
    let available = available();
    if bytes <= u128::from(available) {
        return Ok(());
    }
    Err(Error::OutOfMemory {
        needed_mib: bytes >> 20,
        available_mib: available >> 20,
    })
}

/// Bytes of free memory, as Linux reports them, within the limits of the process (`ulimit -v`) and of
/// its control group; 1 TiB on other systems, more than any machine of today has.
pub fn available() -> u64 {
    let limits = [free(), address_space(), control_group()];
    limits.into_iter().flatten().min().unwrap_or(1 << 40)
}

/// Bytes of memory that no process uses.
fn free() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Bytes that are left of the limit of addresses; none if there is no limit.
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let used = lines.find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = used.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(limit.saturating_sub(kib << 10))
}

/// The smallest limit of the control groups (version 2) around this process; none if there is none.
/// What they use counts as free, since much of it is files that can be given up.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| -> Option<u64> {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    };
    Path::new(group).ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused() {
        assert!(check(1 << 20).is_ok());
        assert!(matches!(check(u128::MAX), Err(Error::OutOfMemory { .. })));
    }
}
