//! Where a test lets the ingress die, and what has happened before.

use kefu_process::crash::Point;

/// In the order of a message's life.
pub const CRASH_POINTS: &[Point] = &[
    (
        "callback_opened",
        "a callback was checked and decrypted; its job is nowhere yet",
    ),
    (
        "callback_published",
        "the broker has confirmed the job; WeCom has no answer",
    ),
    (
        "callback_spooled",
        "the disk spool has synced the job; WeCom has no answer",
    ),
];
