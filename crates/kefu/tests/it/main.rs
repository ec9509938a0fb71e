//! The rules of the workspace and, through the operator's command, the system end to end.
#![expect(clippy::unwrap_used, reason = "tests")]

mod workspace;
