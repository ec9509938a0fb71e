use bytes::{Bytes, BytesMut};
use reqwest::Response;
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::Deserialize;

use super::transport::{self, Answer, Body, Expect, Request};
use super::{ANSWER_BYTES_MAX, Client, MEDIA_TIMEOUT};
use crate::error::{ApiError, Failure};

const UPLOAD: &str = "media/upload";
const DOWNLOAD: &str = "media/get";

/// Temporary media: valid 3 days, for all apps of the corp (doc 90313).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// JPG or PNG; sources name 2 MB and 10 MB as the limit.
    Image,
    /// AMR, at most 2 MB and 60 s.
    Voice,
    /// MP4, at most 10 MB.
    Video,
    /// At most 20 MB.
    File,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedMedia {
    pub media_id: String,
    /// Unix seconds; 0 if unreadable.
    pub created_at: i64,
}

/// A file on its way in, never larger than asked for.
#[derive(Debug)]
pub struct MediaDownload {
    pub content_type: Option<String>,
    /// As WeCom named it: untrusted, and not a path.
    pub filename: Option<String>,
    /// If it was announced.
    pub length: Option<u64>,
    response: Response,
    bytes_left: usize,
    bytes_max: usize,
}

impl MediaKind {
    pub fn as_str(self) -> &'static str {
        match self {
            MediaKind::Image => "image",
            MediaKind::Voice => "voice",
            MediaKind::Video => "video",
            MediaKind::File => "file",
        }
    }
}

impl Client {
    /// `media/upload`. WeCom refuses files of 5 bytes or less.
    pub async fn upload_media(
        &self,
        app: &str,
        kind: MediaKind,
        filename: &str,
        content_type: &str,
        bytes: Bytes,
    ) -> Result<UploadedMedia, ApiError> {
        #[derive(Deserialize)]
        struct Answer {
            media_id: String,
            /// A number in a text.
            #[serde(default)]
            created_at: serde_json::Value,
        }
        let request = Request {
            api: UPLOAD,
            query: &[("type", kind.as_str())],
            body: Body::File {
                bytes,
                filename: filename.to_owned(),
                content_type: content_type.to_owned(),
            },
            expect: Expect::Json {
                bytes_max: ANSWER_BYTES_MAX,
            },
            timeout: MEDIA_TIMEOUT,
        };
        let answer: Answer = transport::decode(UPLOAD, &self.call_json(app, &request).await?)?;
        let created_at = match &answer.created_at {
            serde_json::Value::String(text) => text.parse().unwrap_or_default(),
            other => other.as_i64().unwrap_or_default(),
        };
        Ok(UploadedMedia {
            media_id: answer.media_id,
            created_at,
        })
    }

    /// `media/get`: refused if it is announced larger than `bytes_max`, and cut where it turns out so.
    pub async fn download_media(
        &self,
        app: &str,
        media_id: &str,
        bytes_max: usize,
    ) -> Result<MediaDownload, ApiError> {
        let request = Request {
            api: DOWNLOAD,
            query: &[("media_id", media_id)],
            body: Body::None,
            expect: Expect::Media {
                error_bytes_max: ANSWER_BYTES_MAX,
            },
            timeout: MEDIA_TIMEOUT,
        };
        let response = match self.call(app, &request).await? {
            Answer::Media(response) => response,
            Answer::Json(_) => {
                return Err(ApiError {
                    api: DOWNLOAD,
                    failure: Failure::Unreadable("json instead of media"),
                });
            }
        };
        let length = response.content_length();
        if length.is_some_and(|length| length > bytes_max as u64) {
            return Err(ApiError {
                api: DOWNLOAD,
                failure: Failure::TooLarge(bytes_max),
            });
        }
        let header = |name| response.headers().get(name).map(|value| lossy(value.as_bytes()));
        Ok(MediaDownload {
            content_type: header(CONTENT_TYPE),
            filename: header(CONTENT_DISPOSITION).as_deref().and_then(filename),
            length,
            response,
            bytes_left: bytes_max,
            bytes_max,
        })
    }
}

impl MediaDownload {
    /// The next piece, `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let next = self
            .response
            .chunk()
            .await
            .map_err(|error| transport::failed(DOWNLOAD, error))?;
        let Some(chunk) = next else { return Ok(None) };
        self.bytes_left = self.bytes_left.checked_sub(chunk.len()).ok_or(ApiError {
            api: DOWNLOAD,
            failure: Failure::TooLarge(self.bytes_max),
        })?;
        Ok(Some(chunk))
    }

    /// The whole file.
    pub async fn bytes(mut self) -> Result<Bytes, ApiError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

/// `attachment; filename="a.jpg"`; the name itself may hold semicolons when it is quoted.
fn filename(disposition: &str) -> Option<String> {
    let at = disposition.to_ascii_lowercase().find("filename=")?;
    let value = disposition.get(at + "filename=".len()..)?.trim_start();
    let name = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => value.split(';').next(),
    };
    name.map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// WeCom puts UTF-8 into this header, which is not allowed but common.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_file_names() {
        assert_eq!(
            filename("attachment; filename=\"a;b.jpg\"").as_deref(),
            Some("a;b.jpg")
        );
        assert_eq!(
            filename("attachment; FileName=图片.png; x=1").as_deref(),
            Some("图片.png")
        );
        assert_eq!(filename("attachment; filename=\"\""), None);
        assert_eq!(filename("inline"), None);
    }
}
