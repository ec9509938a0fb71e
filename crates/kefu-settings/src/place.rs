//! Files and folders that settings name, and what is said when one cannot be used.
//!
//! It hides how to find out why: the words are the same everywhere, with the whole path, the system's own reason and
//! the user whose rights it is about, since services run in other folders and as other users than people think.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Displays as `cannot create /srv/kefu/spool: Permission denied (os error 13), as user 1000`.
#[derive(Debug)]
pub struct Unusable {
    act: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl Unusable {
    /// `act` is what was tried: create, open, read, write to, lock.
    pub fn new(act: &'static str, path: &Path, error: io::Error) -> Unusable {
        Unusable {
            act,
            path: absolute(path),
            error,
        }
    }

    /// Looks why a database file cannot be opened or made: SQLite itself only says that it could not. `None` if
    /// nothing is wrong with folder and file, as far as the system tells.
    ///
    /// Blocks for a few file operations; leaves nothing behind.
    pub fn look(file: &Path) -> Option<Unusable> {
        let file = absolute(file);
        let folder = file.parent()?;
        let is_folder = match fs::metadata(folder) {
            Ok(found) => found.is_dir(),
            Err(error) => return Some(Unusable::new("open", folder, error)),
        };
        if !is_folder {
            return Some(Unusable::new("open", folder, io::ErrorKind::NotADirectory.into()));
        }
        match OpenOptions::new().read(true).write(true).open(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Some(Unusable::new("open", &file, error));
            }
            _ => (),
        }
        // The database puts further files beside its own.
        let beside = folder.join(format!(".kefu-{}.probe", std::process::id()));
        let made = OpenOptions::new().write(true).create_new(true).open(&beside);
        match made {
            Ok(_) => {
                // Left behind it is an empty file; what matters was learnt.
                let _ = fs::remove_file(&beside);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            Err(error) => Some(Unusable::new("write to", folder, error)),
        }
    }

    pub fn kind(&self) -> io::ErrorKind {
        self.error.kind()
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot {} {}: {}{}",
            self.act,
            self.path.display(),
            self.error,
            AsUser
        )
    }
}

/// Without a source: the system's reason stands in the words.
impl std::error::Error for Unusable {}

/// The path from the root of the file system on, without touching it.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Why a path cannot become a folder of ours, as far as that is known without making it.
pub fn no_folder(path: &Path) -> Option<String> {
    let text = path.to_string_lossy();
    if text.contains("://") || text.starts_with("sqlite:") || text.starts_with("file:") {
        return Some(format!(
            "{text:?} is no path of a folder; write it without what stands before the colon"
        ));
    }
    let problem = |file: PathBuf| {
        let whole = absolute(path);
        format!(
            "{} cannot be a folder: {} is a file",
            whole.display(),
            file.display()
        )
    };
    blocked_by(path).map(problem)
}

/// Why a path cannot become a file of ours, as far as that is known without making it.
pub fn no_file(path: &Path) -> Option<String> {
    let whole = absolute(path);
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") || whole.is_dir() {
        return Some(format!("{} is a folder; name a file in it", whole.display()));
    }
    let folder = whole.parent()?;
    blocked_by(folder).map(|file| format!("{} cannot be made: {} is a file", whole.display(), file.display()))
}

/// The file that stands where a folder is needed.
fn blocked_by(folder: &Path) -> Option<PathBuf> {
    let folder = absolute(folder);
    let there = folder.ancestors().find(|path| path.exists())?;
    (!there.is_dir()).then(|| there.to_owned())
}

/// Displays as `, as user 1000`: the id whose rights decide; nothing where users have no numbers.
pub struct AsUser;

impl fmt::Display for AsUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[cfg(unix)]
        write!(f, ", as user {}", rustix::process::geteuid().as_raw())?;
        Ok(())
    }
}
