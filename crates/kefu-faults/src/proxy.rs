//! A TCP port of this machine in front of a service, with faults between the two.

mod connection;
pub(crate) mod faults;
mod held;

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use connection::{End, Present};
use faults::Faults;

/// Connections at one time; more are closed at once.
const CONNECTIONS_MAX: usize = 4096;
/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A port of this machine that leads to a service, until a fault is asked for.
///
/// A connection ends as its peers end it, each direction for itself. All methods return at once;
/// connections hear of a change within the time their tasks take to be scheduled.
/// Dropping the proxy closes the port before the drop returns, and resets all connections.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    faults: watch::Sender<Faults>,
    present: AtomicUsize,
    total: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` while closed. It lies here, and not in the task that accepts, so that closing is immediate.
    listener: Option<TcpListener>,
    /// Which opening it is: a task of an earlier one must not touch the listener.
    opening: u64,
    accepting: JoinSet<()>,
    connections: JoinSet<()>,
}

impl FaultProxy {
    /// In front of `upstream` (`host:port`), on a free port of the loopback interface, without faults.
    ///
    /// Fails without a runtime of tokio, on an `upstream` that is not `host:port`, and without a port to listen on.
    pub fn start(upstream: &str) -> io::Result<FaultProxy> {
        FaultProxy::start_at(0, upstream)
    }

    /// As [`FaultProxy::start`], on this port, which an earlier proxy may have had just before; 0 is a free one.
    ///
    /// The upstream is looked up and connected to for each connection; while it is not there, connections
    /// are taken and closed at once.
    pub fn start_at(port: u16, upstream: &str) -> io::Result<FaultProxy> {
        let port_number = upstream.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port_number, Some(Ok(_))) {
            let text = format!("upstream `{upstream}` is not host:port");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = listen(port)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            faults: watch::Sender::new(Faults::default()),
            present: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            state: Mutex::default(),
        });
        shared.open(listener);
        Ok(FaultProxy { address, shared })
    }

    /// Where it listens, or did before [`FaultProxy::close`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`FaultProxy::address`].
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections there are at present, those that hang in a black hole among them.
    pub fn connections(&self) -> usize {
        self.shared.present.load(Ordering::Relaxed)
    }

    /// Connections there have ever been, refused ones among them.
    pub fn connections_total(&self) -> usize {
        self.shared.total.load(Ordering::Relaxed)
    }

    /// What is wrong at present.
    pub fn faults(&self) -> Faults {
        *self.shared.faults.borrow()
    }

    /// From here on these are the faults, for present and new connections and for what is held back.
    pub fn set(&self, faults: Faults) {
        self.shared.faults.send_replace(faults);
    }

    /// No faults from here on. Connections that were reset stay so, a closed port stays closed.
    pub fn clear(&self) {
        self.set(Faults::default());
    }

    /// From here on nothing goes through and nothing is cut, as with a stopped process. Other faults stay.
    pub fn freeze(&self) {
        self.shared.faults.send_modify(|faults| faults.black_hole = true);
    }

    /// What was held back goes on.
    pub fn thaw(&self) {
        self.shared.faults.send_modify(|faults| faults.black_hole = false);
    }

    /// Resets all connections there are, those that the kernel has not handed over yet too. New ones work.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        if let Some(listener) = &state.listener {
            self.shared.cut_backlog(listener);
        }
        state.connections.abort_all();
    }

    /// Stops listening and resets all connections, as when a process is killed: the kernel refuses new ones.
    pub fn close(&self) {
        let mut state = self.shared.lock();
        state.listener = None;
        state.accepting.abort_all();
        state.connections.abort_all();
    }

    /// Listens again on the same port after [`FaultProxy::close`]; else does nothing.
    /// Fails when somebody else has taken the port meanwhile.
    pub fn reopen(&self) -> io::Result<()> {
        if self.shared.lock().listener.is_none() {
            self.shared.open(listen(self.port())?);
        }
        Ok(())
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.close();
    }
}

/// A port of this machine on which nobody listens at present; it is not reserved.
pub fn free_port() -> io::Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn listen(port: u16) -> io::Result<TcpListener> {
    // Outside a runtime tokio panics.
    Handle::try_current().map_err(io::Error::other)?;
    let socket = TcpSocket::new_v4()?;
    // Remains of closed connections do not block the port.
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(self: &Arc<Self>, listener: TcpListener) {
        let mut state = self.lock();
        state.opening += 1;
        state.listener = Some(listener);
        let (shared, opening) = (self.clone(), state.opening);
        state.accepting.spawn(async move {
            while poll_fn(|context| shared.poll_accept(opening, context)).await {
                sleep(ACCEPT_PAUSE).await;
            }
        });
    }

    /// Accepts as long as there are connections, all under the lock: none slips past a close.
    /// Ready with true after a failure, with false when this opening is over.
    fn poll_accept(self: &Arc<Self>, opening: u64, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.lock();
        if state.opening != opening {
            return Poll::Ready(false);
        }
        let State {
            listener: Some(listener),
            connections,
            ..
        } = &mut *state
        else {
            return Poll::Ready(false);
        };
        loop {
            // What has ended is forgotten.
            while connections.try_join_next().is_some() {}
            match listener.poll_accept(context) {
                Poll::Ready(Ok((stream, _))) => self.take(stream, connections),
                Poll::Ready(Err(_)) => return Poll::Ready(true),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn take(self: &Arc<Self>, stream: TcpStream, connections: &mut JoinSet<()>) {
        let number = self.total.fetch_add(1, Ordering::Relaxed);
        let is_full = CONNECTIONS_MAX <= self.present.load(Ordering::Relaxed);
        if !is_full && !self.faults.borrow().refuse {
            connections.spawn(connection::run(stream, number as u64, Present::new(self.clone())));
        }
    }

    /// A client's connect has returned, and nobody has accepted yet.
    fn cut_backlog(&self, listener: &TcpListener) {
        // A second handle: accepting by the first one would take the wake-up from the task that accepts.
        let Ok(handle) = listener.as_fd().try_clone_to_owned() else {
            return;
        };
        let handle = std::net::TcpListener::from(handle);
        for _ in 0..BACKLOG {
            let Ok((stream, _)) = handle.accept() else {
                return;
            };
            self.total.fetch_add(1, Ordering::Relaxed);
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            drop(stream.map(End::new));
        }
    }
}
