//! The stderr of a process: its log, its panics and its last words, none of which waits for a reader.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write as _};
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::metrics::counter;
use tracing::{error, warn};

mod outlet;

pub(crate) use outlet::Outlet;

/// Longest time for the last lines to be written: nobody may read them any more.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Where the lines of this process go, once it logs.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// Begins to write lines to stderr.
pub(crate) fn outlet() -> io::Result<Outlet> {
    let dropped = || counter!("kefu_log_lines_dropped_total").increment(1);
    let told = |dropped: u64| {
        warn!(dropped, "{dropped} log lines were dropped: nobody read stderr");
    };
    let outlet = Outlet::start(io::stderr(), dropped, told)?;
    Ok(OUTLET.get_or_init(|| outlet).clone())
}

/// Waits, for a second at most, until the lines so far are written. Called before the process ends in whatever way.
pub(crate) fn flush() {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(FLUSH_MAX);
    }
}

/// One line on stderr behind those of the log.
pub(crate) fn say(line: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = match OUTLET.get() {
        Some(outlet) => outlet.clone().write_all(format!("{line}\n").as_bytes()),
        None => writeln!(io::stderr(), "{line}"),
    };
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// While it lives panics are lines of the log. Dropped it writes the last lines, at a panic of `main` as well.
pub(crate) struct Process {
    usual: Arc<Hook>,
}

impl Process {
    pub(crate) fn begin() -> Process {
        let usual = Arc::new(take_hook());
        let other = Arc::clone(&usual);
        set_hook(Box::new(move |info| match OUTLET.get() {
            Some(_) => log_panic(info),
            None => other(info),
        }));
        Process { usual }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        flush();
        // A thread that panics may not change what is done at a panic.
        if !std::thread::panicking() {
            let usual = Arc::clone(&self.usual);
            set_hook(Box::new(move |info| usual(info)));
        }
    }
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let what = info.payload_as_str().unwrap_or("no text");
    // With RUST_BACKTRACE, as usual.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    error!(place, thread, backtrace, "panicked at {place}: {what}");
}
