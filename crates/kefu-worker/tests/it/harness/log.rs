//! What a test that runs on one thread has logged.

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::fmt::fmt;

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Of this thread, for as long as the guard lives.
    pub(crate) fn capture() -> (Log, impl Drop) {
        // With one subscriber in the process, tracing asks only the thread that meets a log line first whether
        // anybody listens, and remembers a no. A second, global one makes it ask all of them.
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| {
            let silent = fmt().with_writer(io::sink).finish();
            tracing::subscriber::set_global_default(silent).unwrap();
        });
        let log = Log::default();
        let writer = log.clone();
        let subscriber = fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines with this text in them.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        let all = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let found = all.lines().filter(|line| line.contains(text));
        found.map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
