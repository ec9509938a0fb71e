//! Where a test lets the worker die, and what has happened before.

use kefu_process::crash::Point;

/// In the order of a message's life.
pub const CRASH_POINTS: &[Point] = &[
    (
        "account_claimed",
        "a pull holds the lease on its account; nothing was asked",
    ),
    (
        "page_pulled",
        "sync_msg has answered; nothing of the page is stored",
    ),
    (
        "page_committed",
        "messages and cursor are stored; no welcome and no turn was published",
    ),
    (
        "turns_hurried",
        "turns were published, or wait in memory for their merge window; the account is held",
    ),
    (
        "account_yielded",
        "a pull that takes long has let its account go; its successor is not published",
    ),
    (
        "account_released",
        "a pull at its end has let its account go; its job is not acked",
    ),
    (
        "turns_due",
        "turns have left the memory after their merge window; they are not published",
    ),
    (
        "conversation_claimed",
        "a turn holds the lease on its conversation; nothing was asked or said",
    ),
    (
        "handover_decided",
        "a hand-over is stored, with what is said about it; nothing was said, and the session is not moved",
    ),
    (
        "conversation_transferred",
        "WeCom has moved the session into the pool; the row does not say so",
    ),
    (
        "handover_ended",
        "the row says that the session is in the pool; a notice on its code was not published",
    ),
    (
        "answer_found",
        "a rule, the model or the fallback has said what to answer; it is not stored",
    ),
    (
        "reply_decided",
        "the reply is stored and its messages are answered; none of its parts is marked",
    ),
    (
        "part_marked",
        "a part is marked as being sent; WeCom was not called",
    ),
    (
        "part_called",
        "WeCom has answered the call for a part, or the call has failed; the mark is unchanged",
    ),
    (
        "part_settled",
        "what became of a part is stored; the conversation is held",
    ),
    (
        "conversation_released",
        "a turn at its end has let its conversation go; its job is not acked",
    ),
    (
        "welcome_taken",
        "a welcome is marked as being sent; WeCom was not called",
    ),
    (
        "welcome_called",
        "WeCom has answered the call for a welcome, or the call has failed; the mark is unchanged",
    ),
    (
        "notice_taken",
        "a notice to a customer in the pool is marked as being sent; WeCom was not called",
    ),
    (
        "notice_called",
        "WeCom has answered the call for a notice, or the call has failed; the mark is unchanged",
    ),
    ("event_stored", "an app event is stored; its job is not acked"),
    (
        "job_failed",
        "the failure stands on the job's row, if it has one; neither its copy nor its ack is at the queue",
    ),
    (
        "rows_taken",
        "the sweeper has moved rows on to their next wake-up; their jobs are not published",
    ),
    (
        "letter_filed",
        "a dead letter is archived, or its job put back; the letter is not acked",
    ),
    (
        "replay_published",
        "the job of a dead letter is published again; the letter is still wanted again",
    ),
];
