use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kefu_settings::SettingsError;
use tracing::error;

use crate::embedded::{self, Embedded, Missing, Writer};
use crate::{Ladder, QueueError};

const ENDING: &str = ".spool.db";

/// Files that are taken over in one round, so that open files are bounded.
const ADOPTED_MAX: usize = 32;

/// `queue.spool`. A file's name is `<prefix>.<random>.spool.db`: one of another prefix belongs to other queues.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    prefix: String,
    ladder: Arc<Ladder>,
    bytes_max: u64,
    /// Not tried again by this process.
    given_up: BTreeSet<PathBuf>,
}

/// A file with its lock.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) file: Embedded,
    pub(super) writer: Writer,
}

impl Folder {
    pub(super) fn new(path: &str, prefix: &str, ladder: Arc<Ladder>, bytes_max: u64) -> Folder {
        Folder {
            path: PathBuf::from(path),
            prefix: prefix.to_owned(),
            ladder,
            bytes_max,
            given_up: BTreeSet::new(),
        }
    }

    /// A new file of this process.
    pub(super) async fn create(&self) -> Result<Opened, QueueError> {
        let name = format!("{}.{:032x}{ENDING}", self.prefix, rand::random::<u128>());
        self.open(&self.path.join(name), Missing::Create)
            .await
            .map_err(|error| QueueError::Refused(SettingsError::new("queue.spool", cause(&error))))
    }

    /// The files nobody holds, oldest first.
    pub(super) async fn adopt(&mut self) -> Vec<Opened> {
        let mut opened = Vec::new();
        for path in self.candidates() {
            if opened.len() == ADOPTED_MAX {
                break;
            }
            match self.open(&path, Missing::Refuse).await {
                Ok(file) => opened.push(file),
                Err(QueueError::Locked { .. }) => (),
                // Its process was just done with it.
                Err(QueueError::File(gone)) if gone.kind() == io::ErrorKind::NotFound => (),
                Err(error) => self.give_up(path, &cause(&error)),
            }
        }
        opened
    }

    pub(super) fn give_up(&mut self, path: PathBuf, reason: &str) {
        let shown = path.display().to_string();
        error!(
            path = shown,
            reason, "spool file of a process that ended cannot be taken over"
        );
        self.given_up.insert(path);
    }

    async fn open(&self, path: &Path, missing: Missing) -> Result<Opened, QueueError> {
        let ladder = Arc::clone(&self.ladder);
        let (file, writer) = embedded::open_file(path, missing, ladder, self.bytes_max).await?;
        Ok(Opened {
            path: path.to_owned(),
            file,
            writer,
        })
    }

    fn candidates(&self) -> Vec<PathBuf> {
        // A folder that cannot be read at present is looked at again in the next round.
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let ours = entries.filter(|entry| {
            let name = entry.file_name();
            name.to_str().is_some_and(|name| is_ours(name, &self.prefix))
                && !self.given_up.contains(&entry.path())
        });
        let mut dated: Vec<(SystemTime, PathBuf)> = ours
            .map(|entry| {
                let modified = entry.metadata().and_then(|metadata| metadata.modified());
                (modified.unwrap_or(SystemTime::UNIX_EPOCH), entry.path())
            })
            .collect();
        dated.sort();
        dated.into_iter().map(|(_, path)| path).collect()
    }
}

fn is_ours(name: &str, prefix: &str) -> bool {
    let random = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(ENDING));
    random.is_some_and(|random| random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The engine's errors name `queue.url`, which is not the setting to change here.
fn cause(error: &QueueError) -> String {
    match error.refusal() {
        Some(refusal) => refusal.problem().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_same_prefix_are_taken_over() {
        let random = "0123456789abcdef0123456789abcdef";
        assert!(is_ours(&format!("kefu.{random}.spool.db"), "kefu"));
        for other in [
            format!("kefu.two.{random}.spool.db"),
            format!("kefu2.{random}.spool.db"),
            format!("kefu.{random}.spool.db-wal"),
            format!("kefu.{random}.spool.db.lock"),
            "kefu.x.spool.db".to_owned(),
            "queue.db".to_owned(),
        ] {
            assert!(!is_ours(&other, "kefu"), "{other}");
        }
    }
}
