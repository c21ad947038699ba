//! Wiring: configuration, telemetry, discovery, workers, admin.
