//! Cutting a connection from inside a handler, so that a client sees it die without an answer.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

/// A second handle on the socket of a connection.
struct Connection(TcpStream);

/// For `HttpServer::on_connect`.
pub(crate) fn remember(stream: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = stream.downcast_ref::<actix_web::rt::net::TcpStream>()
        && let Ok(socket) = stream.as_fd().try_clone_to_owned()
    {
        data.insert(Connection(TcpStream::from(socket)));
    }
}

/// Ends the connection of a request in both directions.
pub(crate) fn cut(request: &HttpRequest) {
    if let Some(Connection(socket)) = request.conn_data::<Connection>() {
        // An error means that the client has already gone.
        let _ = socket.shutdown(Shutdown::Both);
    }
}
