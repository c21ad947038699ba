//! A client arrives: the PROXY header, the connection phase and what it needs, COM_CHANGE_USER. In the end there is an authenticated
//! session, or an ERR packet.

mod before_41;
mod begin;
mod change_user;
mod check;
mod connection_phase;
mod enter;
mod entry;
mod identity;
mod pass_through;
mod phase;
mod proxy_header;
mod schema_check;
mod secure;
