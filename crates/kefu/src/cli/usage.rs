//! A command line that cannot be understood: said as everything else that Kefu says, and with its exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Error;
use kefu_process::color;

/// How clap begins its errors. Kefu has one way to begin a line that says what is wrong.
const THEIRS: &str = "error:";
const OURS: &str = "kefu:";

/// Help and version go to stdout and are no failure.
pub(super) fn tell(error: &Error) -> ExitCode {
    let code = error.exit_code();
    let told = match error.use_stderr() {
        true => std::io::stderr().write_all(text(error, color::on_stderr()).as_bytes()),
        false => error.print(),
    };
    // With stdout or stderr gone there is nobody left to tell.
    drop(told);
    ExitCode::from(u8::try_from(code).unwrap_or(kefu_process::exit::REFUSED))
}

fn text(error: &Error, color: bool) -> String {
    let rendered = error.render();
    let text = match color {
        true => rendered.ansi().to_string(),
        false => rendered.to_string(),
    };
    match text.find(THEIRS) {
        // Only where it begins, apart from what colours it: the rest may quote what was typed.
        Some(at) if !text[..at].contains(char::is_whitespace) => text.replacen(THEIRS, OURS, 1),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn usage_errors_begin_like_all_others() {
        for arguments in [
            &["kefu", "dance"][..],
            &["kefu", "run", "error:"],
            &["kefu", "events", "list", "--limit", "many"],
            &["kefu", "callback", "seal", "--form", "error: x"],
            &["kefu", "replies", "resolve"],
            &["kefu", "dead-letters", "list", "--reason", "crashd"],
        ] {
            let error = Cli::try_parse_from(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let plain = text(&error, false);
            assert!(plain.starts_with("kefu: "), "{plain}");
            assert!(!plain.contains('\u{1b}'), "{plain}");
            let colored = text(&error, true);
            assert!(
                colored.starts_with('\u{1b}') && colored.contains("kefu:"),
                "{colored}"
            );
        }
        let help = Cli::try_parse_from(["kefu"]).unwrap_err();
        assert!(!text(&help, false).contains("kefu: "));
    }
}
