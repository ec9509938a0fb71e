//! Uploaded files (doc 90313): sizes, kinds, three days of life.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Refusal, World};

/// Valid for three days.
pub const MEDIA_LIFE_MS: i64 = 3 * 24 * 3_600_000;
/// A file must be larger than this.
const MEDIA_BYTES_MIN: usize = 5;
/// What all stored files may take together; the oldest go first.
const STORED_BYTES_MAX: usize = 64 * 1024 * 1024;
const STORED_MAX: usize = 10_000;

#[derive(Clone, Debug)]
pub struct MediaFile {
    pub file_name: String,
    pub content_type: String,
    pub bytes: Arc<[u8]>,
    expires_ms: i64,
}

#[derive(Debug, Default)]
pub(super) struct Media {
    files: HashMap<String, MediaFile>,
    order: VecDeque<String>,
    stored_bytes: usize,
}

impl World {
    /// Stores a file; returns its `media_id`.
    pub fn upload(
        &mut self,
        kind: &str,
        file_name: &str,
        content_type: &str,
        bytes: &[u8],
        now: i64,
    ) -> Result<String, Refusal> {
        // Sources give 2 or 10 MB for images; the smaller one cannot be wrong.
        let most = match kind {
            "image" | "voice" => 2 * 1024 * 1024,
            "video" => 10 * 1024 * 1024,
            "file" => 20 * 1024 * 1024,
            _ => return Err(Refusal::new(40_005, "invalid media type")),
        };
        if bytes.len() <= MEDIA_BYTES_MIN || most < bytes.len() {
            return Err(Refusal::new(40_006, "invalid media size"));
        }
        if !looks_like(kind, bytes) {
            return Err(Refusal::new(40_004, "invalid media file type"));
        }
        let id = self.chance.text(64);
        self.media.insert(
            id.clone(),
            MediaFile {
                file_name: file_name.to_owned(),
                content_type: content_type.to_owned(),
                bytes: bytes.into(),
                expires_ms: now + MEDIA_LIFE_MS,
            },
        );
        Ok(id)
    }

    pub fn media(&self, media_id: &str, now: i64) -> Result<MediaFile, Refusal> {
        self.media.check(media_id, now)?;
        self.media
            .files
            .get(media_id)
            .cloned()
            .ok_or_else(Refusal::media_id)
    }
}

impl Media {
    pub(super) fn check(&self, media_id: &str, now: i64) -> Result<(), Refusal> {
        let alive = self.files.get(media_id).is_some_and(|file| now < file.expires_ms);
        if alive { Ok(()) } else { Err(Refusal::media_id()) }
    }

    fn insert(&mut self, id: String, file: MediaFile) {
        self.stored_bytes += file.bytes.len();
        self.order.push_back(id.clone());
        self.files.insert(id, file);
        while STORED_BYTES_MAX < self.stored_bytes || STORED_MAX < self.files.len() {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            if let Some(gone) = self.files.remove(&oldest) {
                self.stored_bytes -= gone.bytes.len();
            }
        }
    }
}

/// The kinds WeCom takes, by their first bytes: JPG or PNG, AMR, MP4, anything.
fn looks_like(kind: &str, bytes: &[u8]) -> bool {
    match kind {
        "image" => bytes.starts_with(&[0xFF, 0xD8, 0xFF]) || bytes.starts_with(b"\x89PNG"),
        "voice" => bytes.starts_with(b"#!AMR"),
        "video" => bytes.get(4..8) == Some(b"ftyp"),
        _ => true,
    }
}
