//! Why something failed, for people.

use std::iter::successors;

/// An error with all its causes, in one text.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in successors(error.source(), |cause| cause.source()) {
        let cause = cause.to_string();
        // Some libraries say their cause themselves.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_said_once() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(chain(error.as_ref()), expected);
        check(anyhow::anyhow!("disk full"), "disk full");
        check(
            anyhow::anyhow!("disk full")
                .context("no file")
                .context("not started"),
            "not started: no file: disk full",
        );
        check(
            anyhow::anyhow!("disk full").context("no file: disk full"),
            "no file: disk full",
        );
    }
}
