//! A client that speaks packets by hand, to say what no driver would.
