//! The memory that this process may take, to refuse what cannot fit before anything is allocated.

use std::fs;
use std::path::{Component, Path, PathBuf};

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

/// Bytes of free memory, as Linux reports them, within the limits of the process (`ulimit -v`,
/// `ulimit -d`) and of its control groups; 1 TiB on other systems, more than any machine of today has.
pub fn available() -> u64 {
    available_below(Path::new("/")).unwrap_or(1 << 40)
}

/// The same by the files of Linux below `root`; none where there are no such files.
fn available_below(root: &Path) -> Option<u64> {
    let limits = [
        free(root),
        limit(root, "Max address space", "VmSize:"),
        limit(root, "Max data size", "VmData:"),
        control_groups(root),
    ];
    limits.into_iter().flatten().min()
}

/// The number of KiB on the line of a file that starts with `name`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Bytes of memory that no process uses.
fn free(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    kib(&text, "MemAvailable:")
}

/// Bytes that are left of the process's limit `name`, of which `used` counts what is taken; none if there
/// is no limit.
fn limit(root: &Path, name: &str, used: &str) -> Option<u64> {
    let limits = fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    Some(limit.saturating_sub(kib(&status, used)?))
}

/// The files of a version of control groups.
struct Version {
    /// Where its groups are.
    folder: &'static str,
    /// The limit of a group in bytes. One without a limit has no number, or a very large one.
    limit: &'static str,
    /// What all processes of a group use, files that the system keeps for them included.
    usage: &'static str,
    /// In `memory.stat`, the files among that which can be given up.
    files: [&'static str; 2],
}

const VERSION_1: Version = Version {
    folder: "sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    files: ["total_active_file", "total_inactive_file"],
};

const VERSION_2: Version = Version {
    folder: "sys/fs/cgroup",
    limit: "memory.max",
    usage: "memory.current",
    files: ["active_file", "inactive_file"],
};

/// The fewest bytes that are left of a limit of the control groups around this process; none if none of
/// them has a limit.
fn control_groups(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    // Hierarchy, controllers, path: `4:memory:/a/b` in version 1, `0::/a/b` in version 2.
    let left = groups.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, group) = line.split_once(':')?;
        let version = match controllers {
            "" => VERSION_2,
            _ if controllers.split(',').any(|name| name == "memory") => VERSION_1,
            _ => return None,
        };
        // A container may see its own group as the root, under a path that it does not have.
        let group: PathBuf = Path::new(group)
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let folder = root.join(version.folder);
        let around = group.ancestors().map(|group| folder.join(group));
        around.filter_map(|group| version.left(&group)).min()
    });
    left.min()
}

impl Version {
    /// Bytes that are left of the limit of `group`.
    fn left(&self, group: &Path) -> Option<u64> {
        let number = |name: &str| -> Option<u64> {
            let text = fs::read_to_string(group.join(name)).ok()?;
            text.trim().parse().ok()
        };
        let limit = number(self.limit)?;
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let files = stat.lines().filter_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            let counts = self.files.contains(&name);
            bytes.trim().parse::<u64>().ok().filter(|_| counts)
        });
        let files: u64 = files.sum();
        let used = number(self.usage).unwrap_or(0).saturating_sub(files);
        Some(limit.saturating_sub(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_fit_is_refused() {
        assert!(check(1 << 20).is_ok());
        assert!(matches!(check(u128::MAX), Err(Error::OutOfMemory { .. })));
    }

    /// What is available where Linux has these files.
    fn available_with(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().expect("temporary folder");
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("write");
        }
        available_below(root.path())
    }

    const FREE: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       2000 kB\nMemFree:         100 kB\nMemAvailable:   1000 kB\n",
    );

    #[test]
    fn the_limits_of_the_process_count_what_it_has_taken() {
        assert_eq!(available_with(&[]), None);
        assert_eq!(available_with(&[FREE]), Some(1000 << 10));
        let status = (
            "proc/self/status",
            "Name:\tx\nVmSize:\t     300 kB\nVmData:\t     100 kB\n",
        );
        for (line, left) in [
            (
                "Max address space         unlimited            unlimited            bytes",
                1000,
            ),
            (
                "Max address space         819200               unlimited            bytes",
                500,
            ),
            (
                "Max data size             204800               unlimited            bytes",
                100,
            ),
            (
                "Max data size             1024                 unlimited            bytes",
                0,
            ),
            (
                "Max resident set          1024                 unlimited            bytes",
                1000,
            ),
        ] {
            let limits = format!("Limit  Soft Limit  Hard Limit  Units\n{line}\n");
            let files = [FREE, status, ("proc/self/limits", &limits)];
            assert_eq!(available_with(&files), Some(left << 10), "{line}");
        }
    }

    #[test]
    fn the_limits_of_both_versions_of_control_groups_count_what_neighbours_use() {
        const NONE: &str = "9223372036854771712";
        let first = (
            "proc/self/cgroup",
            "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n",
        );
        let files = |folder: &'static str, limit, used, stat: &'static str| {
            let name = |file: &str| format!("sys/fs/cgroup/memory{folder}/{file}");
            [
                (name("memory.limit_in_bytes"), limit),
                (name("memory.usage_in_bytes"), used),
                (name("memory.stat"), stat),
            ]
        };
        let available = |groups: &[[(String, &str); 3]]| {
            let groups = groups.iter().flatten();
            let groups = groups.map(|(name, text)| (name.as_str(), *text));
            available_with(&[FREE, first].into_iter().chain(groups).collect::<Vec<_>>())
        };
        let stat = "cache 900\ntotal_active_file 40000\ntotal_inactive_file 10000\nactive_file 7\n";
        // 600,000 bytes, of which 300,000 are used, 50,000 for files that can be given up.
        let own = files("/a/b", "600000\n", "300000\n", stat);
        assert_eq!(available(std::slice::from_ref(&own)), Some(350_000));
        assert_eq!(
            available(&[files("/a/b", NONE, "300000\n", stat)]),
            Some(1000 << 10)
        );
        let outer = files("/a", "400000\n", "390000\n", "");
        assert_eq!(available(&[own, outer]), Some(10_000));
        // In a container the group is the root, and more may be used than the limit allows.
        let root = files("", "400000\n", "500000\n", "");
        assert_eq!(available(&[root]), Some(0));

        let second = ("proc/self/cgroup", "0::/a\n");
        let group = |name: &str, max, current| {
            let name = |file: &str| format!("sys/fs/cgroup{name}/{file}");
            let stat = "anon 1\nactive_file 1000\ninactive_file 2000\n";
            [
                (name("memory.max"), max),
                (name("memory.current"), current),
                (name("memory.stat"), stat),
            ]
        };
        let available = |group: [(String, &str); 3]| {
            let group = group.iter().map(|(name, text)| (name.as_str(), *text));
            available_with(&[FREE, second].into_iter().chain(group).collect::<Vec<_>>())
        };
        assert_eq!(available(group("/a", "max\n", "50000\n")), Some(1000 << 10));
        assert_eq!(available(group("/a", "80000\n", "50000\n")), Some(33_000));
        assert_eq!(available(group("", "80000\n", "50000\n")), Some(33_000));
    }
}
