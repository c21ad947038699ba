//! Sessions against scripted peers.
