//! One connection, from the accept to its end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::faults::Faults;
use super::held::{Held, Next};

/// What is read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// For reaching the upstream.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Counted as present while it lives.
pub(super) struct Present(Arc<Shared>);

impl Present {
    pub(super) fn new(shared: Arc<Shared>) -> Present {
        shared.present.fetch_add(1, Ordering::Relaxed);
        Present(shared)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One end of a connection. Dropping it resets, unless all has gone well: also when the task is aborted.
pub(super) struct End {
    stream: TcpStream,
    is_well: bool,
}

impl End {
    pub(super) fn new(stream: TcpStream) -> End {
        End {
            stream,
            is_well: false,
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.is_well {
            // Fails only when the connection is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// `number` counts the connections of the proxy from 0.
pub(super) async fn run(client: TcpStream, number: u64, present: Present) {
    let shared = &present.0;
    let mut client = End::new(client);
    let mut faults = shared.faults.subscribe();
    // A stopped process takes no notice of it.
    if faults.wait_for(|faults| !faults.black_hole).await.is_err() {
        return;
    }
    let Ok(Ok(server)) = timeout(CONNECT_MAX, TcpStream::connect(&shared.upstream)).await else {
        client.is_well = true;
        return;
    };
    let mut server = End::new(server);
    let (there, back) = (Held::new(2 * number), Held::new(2 * number + 1));
    let carried = async {
        // Writes go out as they come in; otherwise slices would be put together again.
        client.stream.set_nodelay(true)?;
        server.stream.set_nodelay(true)?;
        let (from_client, to_client) = client.stream.split();
        let (from_server, to_server) = server.stream.split();
        // An error in one direction, a reset among them, ends both.
        tokio::try_join!(
            carry(from_client, to_server, there, faults.clone()),
            carry(from_server, to_client, back, faults.clone()),
        )
    };
    if carried.await.is_ok() {
        client.is_well = true;
        server.is_well = true;
    }
}

/// One direction, until its sender has ended and all of it has gone on.
async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut held: Held,
    mut receiver: watch::Receiver<Faults>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let faults = *receiver.borrow_and_update();
        let is_open = !faults.black_hole;
        // Whichever is first; the others have done nothing yet and are begun again.
        tokio::select! {
            changed = receiver.changed() => changed.map_err(io::Error::other)?,
            read = from.read(&mut buffer), if is_open && held.has_room() => {
                held.push(&buffer[..read?], &faults, Instant::now());
            }
            sent = send(&mut to, &held, &faults), if is_open && !held.is_empty() => match sent? {
                0 => return to.shutdown().await,
                length => held.forward(length, Instant::now()),
            },
        }
    }
}

/// Waits until the next piece is due and sends it, or some of it; 0 is the end. Cancelled, it has sent nothing.
async fn send(to: &mut WriteHalf<'_>, held: &Held, faults: &Faults) -> io::Result<usize> {
    let Some((due, next)) = held.next(faults) else {
        return std::future::pending().await;
    };
    if Instant::now() < due {
        sleep_until(due).await;
    }
    match next {
        Next::Piece(bytes) => match to.write(bytes).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            length => Ok(length),
        },
        Next::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Next::End => Ok(0),
    }
}
