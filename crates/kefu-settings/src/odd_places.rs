//! Paths at which data would not stay.

use std::path::Path;

use crate::place::absolute;
use crate::{Origin, Settings, SettingsError};

/// Emptied when the machine starts, or by its housekeeping.
const FLEETING: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run"];

impl Settings {
    /// Of files and folders that must outlive the process, each with its key: those that probably do not.
    pub fn odd_places<'p>(
        &self,
        places: impl IntoIterator<Item = (&'static str, &'p Path)>,
    ) -> Vec<SettingsError> {
        let working = std::env::current_dir().unwrap_or_default();
        let told = |(key, path): (&'static str, &Path)| {
            let problem = odd(path, &working, self.origin(key) == Origin::Reference)?;
            Some(self.placed(SettingsError::new(key, problem)))
        };
        places.into_iter().filter_map(told).collect()
    }
}

fn odd(path: &Path, working: &Path, is_default: bool) -> Option<String> {
    if path.as_os_str().is_empty() {
        return None;
    }
    if path.is_relative() && working == Path::new("/") {
        let whole = working.join(path);
        return Some(format!(
            "is relative to the folder the process was started in, which is /, hence {}; write the whole path",
            whole.display()
        ));
    }
    // A default lies where the process was started, and whoever starts it in such a folder only tries it.
    let whole = absolute(path);
    let is_in = |folder: &&str| !is_default && whole.starts_with(folder);
    FLEETING.into_iter().find(is_in).map(|folder| {
        format!(
            "is {}, and what lies in {folder} may be gone after the next start of the machine; jobs, messages and \
             answered callbacks must not be",
            whole.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_stay_is_seen() {
        let working = Path::new("/srv/kefu");
        for path in [
            "/tmp/spool",
            "/var/tmp/kefu/kefu.db",
            "/dev/shm/q.db",
            "/run/kefu/q.db",
        ] {
            assert!(odd(Path::new(path), working, false).is_some(), "{path}");
            assert!(odd(Path::new(path), working, true).is_none(), "{path}");
        }
        for path in ["/srv/kefu/spool", "/var/lib/kefu/kefu.db", "/tmpfs/x", ""] {
            assert!(odd(Path::new(path), working, false).is_none(), "{path}");
        }
        for is_default in [true, false] {
            let told = odd(Path::new("kefu-data/kefu.db"), Path::new("/"), is_default).unwrap();
            assert!(told.contains(" /kefu-data/kefu.db;"), "{told}");
        }
    }
}
