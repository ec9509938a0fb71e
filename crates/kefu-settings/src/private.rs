//! Files that nobody else may read: customers' words, jobs with tokens, and what stands in a crash between them.
//!
//! It hides how a system says who may read a file; where files have no such bits nothing happens.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::{Unusable, absolute};

/// From now on what this process makes is for its own user alone: files 0600, folders 0700. SQLite gives its further
/// files the bits of the first one.
pub fn keep_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// A file of ours that others may read, and why it stays so.
#[derive(Debug)]
pub enum Readable {
    Stays(Unusable),
    /// It belongs to somebody else, who has to do it.
    Foreign {
        path: PathBuf,
        user: u32,
    },
}

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Readable::Stays(unusable) => write!(f, "others may read a file of Kefu: {unusable}"),
            Readable::Foreign { path, user } => write!(
                f,
                "others may read {}, which belongs to user {user}; take their rights away with chmod 600",
                path.display()
            ),
        }
    }
}

/// Takes away what others may do with a file and with those beside it whose names end so, as a former version or a
/// copy has left them. Tells those where that fails; what is not there is fine.
pub fn tighten(file: &Path, beside: &[&str]) -> Vec<Readable> {
    let named = |ending: &&str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let files = std::iter::once(file.to_owned()).chain(beside.iter().map(named));
    files.filter_map(|file| tighten_one(&file)).collect()
}

// By name and never by an open file: closing any handle of a SQLite file lets go of all its locks in this process.
#[cfg(unix)]
fn tighten_one(file: &Path) -> Option<Readable> {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let found = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
    let mode = found.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return None;
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        let (path, user) = (absolute(file), found.uid());
        return Some(Readable::Foreign { path, user });
    }
    let tightened = fs::set_permissions(file, Permissions::from_mode(mode & 0o700));
    let error = tightened.err()?;
    Some(Readable::Stays(Unusable::new(
        "take rights away from",
        file,
        error,
    )))
}

#[cfg(not(unix))]
fn tighten_one(_: &Path) -> Option<Readable> {
    None
}

/// Why a folder is no place for files that are taken over by their names: everybody may put some there.
#[cfg(unix)]
pub fn open_to_all(folder: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::metadata(folder).ok()?;
    (found.is_dir() && found.mode() & 0o002 != 0).then(|| {
        format!(
            "everybody may write to {} (mode {:o}), hence put jobs there that Kefu would run; take that right away \
             with chmod o-w, or name a folder below it, which Kefu makes for itself",
            absolute(folder).display(),
            found.mode() & 0o7777
        )
    })
}

#[cfg(not(unix))]
pub fn open_to_all(_: &Path) -> Option<String> {
    None
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_are_tightened_and_what_is_not_there_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kefu.db");
        let wal = folder.path().join("kefu.db-wal");
        for path in [&file, &wal] {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o664)).unwrap();
        }
        assert_eq!(tighten(&file, &["-wal", "-shm"]).len(), 0);
        assert_eq!((mode(&file), mode(&wal)), (0o600, 0o600));
        // A folder where a file is expected is for others to refuse.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(tighten(folder.path(), &[]).len(), 0);
        assert_eq!(mode(folder.path()), 0o755);
    }

    #[test]
    fn a_folder_for_all_is_told_with_its_mode_and_what_helps() {
        let folder = tempfile::tempdir().unwrap();
        for (bits, is_open) in [
            (0o700, false),
            (0o775, false),
            (0o2775, false),
            (0o777, true),
            (0o1777, true),
        ] {
            fs::set_permissions(folder.path(), Permissions::from_mode(bits)).unwrap();
            assert_eq!(open_to_all(folder.path()).is_some(), is_open, "{bits:o}");
        }
        let told = open_to_all(folder.path()).unwrap();
        assert!(
            told.contains("(mode 1777)") && told.contains("chmod o-w"),
            "{told}"
        );
        assert_eq!(open_to_all(&folder.path().join("none")), None);
    }
}
