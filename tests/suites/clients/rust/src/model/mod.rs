//! Random statements on a direct connection and through the proxy, every packet of every answer compared.

pub mod answer;
pub mod plan;
