//! Positions before real servers: what `GtidSet` says of them is what the servers say, and the lag that
//! `/topology` shows is the truth, which a table of times tells.

mod asked;
mod lag;
mod sets;
