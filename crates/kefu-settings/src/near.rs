//! Whether a host is this machine: what goes there crosses no network.

use std::net::IpAddr;
use std::path::Path;

/// A loopback address, a name for one, or the folder of a socket.
pub fn is_this_machine(host: &str) -> bool {
    let name = host
        .trim_matches(['[', ']'])
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    Path::new(host).is_absolute()
        || name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_number_and_by_name() {
        for here in [
            "localhost",
            "Localhost.",
            "kefu.localhost",
            "127.0.0.1",
            "127.1.2.3",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "/run/postgresql",
        ] {
            assert!(is_this_machine(here), "{here}");
        }
        for elsewhere in [
            "",
            "db",
            "10.0.0.1",
            "0.0.0.0",
            "localhost.example.com",
            "::2",
            "127.0.0.1.example",
        ] {
            assert!(!is_this_machine(elsewhere), "{elsewhere}");
        }
    }
}
