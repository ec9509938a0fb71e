//! The bytes of an answer: bounded when they are opened, whatever they were packed with.

use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

use super::refusal::Refusal;

/// Largest answer that is read, in bytes, packed and opened.
pub(super) const BYTES_MAX: usize = 1024 * 1024;

/// Beginnings of packed bytes, for servers that do not say so.
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Working memory of the opener of `br`.
const BUFFER: usize = 4096;

/// Opens what `Content-Encoding` says it is packed with, the last one first.
pub(super) fn opened(packed: Vec<u8>, encodings: &str) -> Result<Vec<u8>, Refusal> {
    let mut bytes = packed;
    for encoding in encodings
        .rsplit(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        bytes = match encoding.to_ascii_lowercase().as_str() {
            "identity" | "none" => bytes,
            "gzip" | "x-gzip" if bytes.starts_with(GZIP) => bounded(MultiGzDecoder::new(&bytes[..]))?,
            // A proxy has opened it and left the header.
            "gzip" | "x-gzip" => bytes,
            "deflate" => bounded(ZlibDecoder::new(&bytes[..]))?,
            "br" => bounded(Decompressor::new(&bytes[..], BUFFER))?,
            "zstd" => zstd(&bytes)?,
            _ => return Err(Refusal::unreadable("packed in a way nobody asked for")),
        };
    }
    if encodings.trim().is_empty() {
        if bytes.starts_with(GZIP) {
            return bounded(MultiGzDecoder::new(&bytes[..]));
        }
        if bytes.starts_with(ZSTD) {
            return zstd(&bytes);
        }
    }
    Ok(bytes)
}

fn zstd(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let decoder = StreamingDecoder::new(bytes).map_err(|_| Refusal::broken("it cannot be unpacked"))?;
    bounded(decoder)
}

/// Reads in pieces and stops at the limit: a few bytes can hold gigabytes.
fn bounded(reader: impl Read) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    reader
        .take(BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| Refusal::broken("it cannot be unpacked"))?;
    match bytes.len() <= BYTES_MAX {
        true => Ok(bytes),
        false => Err(too_large()),
    }
}

pub(super) fn too_large() -> Refusal {
    Refusal::unreadable("longer than 1 MiB")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::super::refusal::Class;
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    const TEXT: &[u8] = "压缩的答复".as_bytes();

    #[test]
    fn every_packing_is_opened() {
        let zstd = || compress_to_vec(TEXT, CompressionLevel::Fastest);
        // Made with `printf … | brotli`.
        let brotli = vec![0x0b, 0x07, 0x80];
        let brotli = [brotli, TEXT.to_vec(), vec![0x03]].concat();
        for (packed, encodings) in [
            (TEXT.to_vec(), ""),
            (TEXT.to_vec(), "identity"),
            (gzip(TEXT), "gzip"),
            (gzip(TEXT), "X-GZIP"),
            (gzip(TEXT), ""),
            (zlib(TEXT), "deflate"),
            (zstd(), "zstd"),
            (zstd(), ""),
            (brotli, "br"),
            (gzip(&gzip(TEXT)), "gzip, gzip"),
            (TEXT.to_vec(), "gzip"),
        ] {
            assert_eq!(opened(packed, encodings).as_deref(), Ok(TEXT), "{encodings}");
        }
    }

    #[test]
    fn a_bomb_is_not_opened_further_than_the_limit() {
        let zeros = vec![0; 64 * BYTES_MAX];
        for (packed, encodings) in [
            (gzip(&zeros), "gzip"),
            (zlib(&zeros), "deflate"),
            (compress_to_vec(&zeros[..], CompressionLevel::Fastest), "zstd"),
        ] {
            assert_eq!(opened(packed, encodings).unwrap_err(), too_large(), "{encodings}");
        }
    }

    #[test]
    fn what_does_not_open_may_be_whole_the_next_time() {
        let mut cut = gzip(TEXT);
        cut.truncate(cut.len() - 9);
        assert_eq!(opened(cut, "gzip").unwrap_err().class, Class::Transient);
        assert_eq!(opened(vec![1, 2, 3], "zstd").unwrap_err().class, Class::Transient);
        assert_eq!(
            opened(vec![1, 2, 3], "compress").unwrap_err().class,
            Class::Permanent
        );
    }
}
