//! What the spans say of this process.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use crate::app::webhook::host_name;

/// Returns the attributes of the process.
pub(super) fn of_process(service_name: &str) -> Resource {
    let attributes = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", host_name()),
        KeyValue::new("host.name", host_name()),
        KeyValue::new("process.pid", i64::from(std::process::id())),
    ];
    Resource::builder_empty().with_service_name(service_name.to_owned()).with_attributes(attributes).build()
}
