//! Lines on their way to stderr: whoever logs never waits for whoever reads.
//!
//! A pipe that nobody reads would hold every thread that logs, hence callbacks and the stop. Lines wait in memory, a
//! thread of its own writes them, and what finds no room is dropped and counted. The usual crate for this says on
//! stderr itself that its end took too long, and so never ends where nobody reads.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Most that waits to be written; some thousand lines.
const BYTES_MAX: usize = 1024 * 1024;

/// Where lines go. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    shared: Arc<Shared>,
    /// Called for each line that is dropped.
    dropped: fn(),
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Some were taken out and are not yet written.
    is_writing: bool,
    /// Lines since the last write ended.
    dropped: u64,
}

impl Outlet {
    /// `told` hears how many lines were dropped, once lines are taken again.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        dropped: fn(),
        told: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Outlet> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        // Nobody joins it: it ends with the process, however it stands with its reader.
        thread::Builder::new()
            .name("kefu-log".to_owned())
            .spawn(move || of_thread.write_all(out, told))?;
        Ok(Outlet { shared, dropped })
    }

    /// Waits until all is written, or for so long.
    pub(crate) fn flush(&self, within: Duration) -> bool {
        let ends_at = Instant::now() + within;
        let mut waiting = self.shared.lock();
        while !waiting.bytes.is_empty() || waiting.is_writing {
            let left = ends_at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = self.shared.written.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Write for Outlet {
    /// One line, whole or not at all.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.shared.lock();
        if BYTES_MAX < waiting.bytes.len() + line.len() {
            waiting.dropped += 1;
            drop(waiting);
            (self.dropped)();
        } else {
            waiting.bytes.extend_from_slice(line);
            self.shared.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Outlet {
    type Writer = Outlet;

    fn make_writer(&'w self) -> Outlet {
        self.clone()
    }
}

impl Shared {
    fn write_all(&self, mut out: impl Write, told: impl Fn(u64)) {
        loop {
            let bytes = self.next();
            // With nobody left to read there is nobody left to tell.
            let _ = out.write_all(&bytes).and_then(|()| out.flush());
            let dropped = self.done();
            if 0 < dropped {
                told(dropped);
            }
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut waiting = self.lock();
        while waiting.bytes.is_empty() {
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writing = true;
        std::mem::take(&mut waiting.bytes)
    }

    fn done(&self) -> u64 {
        let mut waiting = self.lock();
        waiting.is_writing = false;
        self.written.notify_all();
        std::mem::take(&mut waiting.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    /// A reader that takes one piece for each permission.
    struct Reader {
        may_read: Receiver<()>,
        read: Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may_read.recv().unwrap();
            self.read.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_logs_waits_for_nobody_and_what_is_dropped_is_told_once_the_reader_is_back() {
        let ((allow, may_read), (read, heard), (tell, told)) = (channel(), channel(), channel());
        let reader = Reader { may_read, read };
        let mut outlet = Outlet::start(reader, || (), move |dropped| tell.send(dropped).unwrap()).unwrap();
        let line = [b'x'; 1023];
        let write = |outlet: &mut Outlet| outlet.write_all(&[&line[..], b"\n"].concat()).unwrap();
        // The first is on its way to the reader, so the memory behind it is empty.
        write(&mut outlet);
        while !outlet.shared.lock().is_writing {
            thread::yield_now();
        }
        let lines = BYTES_MAX / 1024 + 7;
        (0..lines).for_each(|_| write(&mut outlet));
        assert!(!outlet.flush(Duration::from_millis(10)), "nobody reads");
        assert!(told.try_recv().is_err());
        allow.send(()).unwrap();
        assert_eq!(told.recv_timeout(SOON), Ok(7));
        allow.send(()).unwrap();
        assert!(outlet.flush(SOON));
        let whole: Vec<u8> = heard.try_iter().flatten().collect();
        assert_eq!(whole.len(), 1024 + BYTES_MAX);
        assert!(
            whole.chunks(1024).all(|line| line.ends_with(b"x\n")),
            "lines are whole"
        );
    }
}
