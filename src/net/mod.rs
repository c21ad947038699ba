//! Bytes on sockets: listener, streams, packet I/O, buffer pool, relay.
