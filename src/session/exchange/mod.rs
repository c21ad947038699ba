//! One try of a statement: its request goes to a server, and the answer to the client.

mod answer;
mod cursors;
mod infile;
mod large_request;
mod observer;
mod one_try;
mod renewal;
mod unexplained;
mod unread_request;
