//! The frame inside the cipher: 16 random bytes, length, message, receive id, padding.

use super::{OpenError, Opened};

const RANDOM_BYTES: usize = 16;
const HEAD_BYTES: usize = RANDOM_BYTES + 4;
/// PKCS#7 with a block of 32, twice the cipher's own (doc 91144).
const PADDING_BLOCK: usize = 32;

pub(super) fn read(padded: &[u8]) -> Result<Opened, OpenError> {
    let frame = strip_padding(padded)?;
    let head = frame.first_chunk::<HEAD_BYTES>().ok_or(OpenError::Frame)?;
    let [.., a, b, c, d] = *head;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| OpenError::Frame)?;
    let (plaintext, receive_id) = frame[HEAD_BYTES..]
        .split_at_checked(length)
        .ok_or(OpenError::Frame)?;
    let receive_id = std::str::from_utf8(receive_id).map_err(|_| OpenError::Frame)?;
    Ok(Opened {
        plaintext: plaintext.to_vec(),
        receive_id: receive_id.to_owned(),
    })
}

pub(super) fn write(plaintext: &[u8], receive_id: &str, random: [u8; RANDOM_BYTES]) -> Vec<u8> {
    let length = u32::try_from(plaintext.len()).expect("a plaintext is far below 4 GiB");
    let unpadded = HEAD_BYTES + plaintext.len() + receive_id.len();
    let padding = PADDING_BLOCK - unpadded % PADDING_BLOCK;
    let mut frame = Vec::with_capacity(unpadded + padding);
    frame.extend_from_slice(&random);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(plaintext);
    frame.extend_from_slice(receive_id.as_bytes());
    frame.resize(
        unpadded + padding,
        u8::try_from(padding).expect("padding is 1 to 32"),
    );
    frame
}

/// Every padding byte is checked, and none is ever taken for content.
fn strip_padding(padded: &[u8]) -> Result<&[u8], OpenError> {
    let last = *padded.last().ok_or(OpenError::Padding)?;
    let padding = usize::from(last);
    if padding == 0 || padding > PADDING_BLOCK || padding > padded.len() {
        return Err(OpenError::Padding);
    }
    let (frame, tail) = padded.split_at(padded.len() - padding);
    if tail.iter().any(|byte| *byte != last) {
        return Err(OpenError::Padding);
    }
    Ok(frame)
}
