//! Notifies systemd (sd_notify(3)): sends a line of text to the socket that `NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a notification if `NOTIFY_SOCKET` is set. A failure is only logged: systemd reports what it does then.
pub(super) fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!(%error, state, "systemd cannot be told");
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_names_are_reached() {
        let path = std::env::temp_dir().join(format!("pointsman-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let abstract_name = format!("pointsman-notify-{}", std::process::id());
        let in_files = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let abstractly = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, name) in
            [(in_files, path.clone().into()), (abstractly, format!("@{abstract_name}").into())]
        {
            let name: std::ffi::OsString = name;
            send(&name, "READY=1").unwrap();
            let mut text = [0; 32];
            let n = socket.recv(&mut text).unwrap();
            assert_eq!(&text[..n], b"READY=1");
        }
        let _ = std::fs::remove_file(&path);
    }
}
