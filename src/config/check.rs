//! What a reload changes.

use super::types::{Fixed, Live};

impl Fixed {
    /// Returns the keys that differ in `new`; their change needs a restart.
    pub fn changes(&self, new: &Fixed) -> Vec<String> {
        let compared = [
            ("workers", self.workers != new.workers),
            ("worker_fill", self.worker_fill != new.worker_fill),
            ("io", self.io != new.io),
            ("listeners", self.listeners != new.listeners),
            ("admin.http", self.admin_http != new.admin_http),
            ("admin.console.address", self.admin_console != new.admin_console),
            ("discovery", self.discovery != new.discovery),
            ("log.format", self.log.format != new.log.format),
            ("log.level", self.log.level != new.log.level),
        ];
        changed(&compared)
    }
}

impl Live {
    /// Returns the parts that a reload to `new` changes, for the log.
    pub fn changes(&self, new: &Live) -> Vec<String> {
        let compared = [
            ("admin", self.admin != new.admin),
            ("discovery.servers", self.servers != new.servers),
            ("monitor", self.monitor != new.monitor),
            ("credentials", self.credentials != new.credentials),
            ("users", self.users != new.users),
            ("listeners.consistency", self.listener_levels != new.listener_levels),
            ("listeners.tls", self.listener_tls != new.listener_tls),
            ("servers_tls", self.servers_tls != new.servers_tls),
            ("consistency", self.consistency != new.consistency),
            ("replicas", self.replicas != new.replicas),
            ("failover", self.failover != new.failover),
            ("limits", self.limits != new.limits),
            ("pool", self.pool != new.pool),
            ("timeouts", self.timeouts != new.timeouts),
            ("drain", self.drain != new.drain),
            ("digests", self.digests != new.digests),
            ("log.slow", self.statements.slow != new.statements.slow),
            ("log.literals", self.statements.literals != new.statements.literals),
            ("audit", self.audit != new.audit),
            ("traces", self.traces != new.traces),
            ("notify", self.notify != new.notify),
        ];
        changed(&compared)
    }
}

fn changed(compared: &[(&str, bool)]) -> Vec<String> {
    compared.iter().filter(|(_, differs)| *differs).map(|(name, _)| (*name).to_owned()).collect()
}
