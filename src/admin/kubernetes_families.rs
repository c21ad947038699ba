//! The watches of the Kubernetes API as metric families. A proxy that cannot reach the API
//! continues to work, and operators should notice.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::sync::watch;

use crate::discovery::WatchState;
use crate::telemetry::Families;

/// One series for each watched resource.
#[derive(Debug)]
pub(super) struct KubernetesFamilies(pub Vec<watch::Receiver<WatchState>>);

impl Collector for KubernetesFamilies {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let states: Vec<WatchState> = self.0.iter().map(|state| state.borrow().clone()).collect();
        let of = |value: fn(&WatchState) -> u64| {
            states.iter().map(move |state| ([("resource", state.resource)], value(state)))
        };
        families.gauges(
            "pointsman_kubernetes_connected",
            "1 while the watch of the Kubernetes API works; 0 while the proxy uses the state that the API reported last.",
            states.iter().map(|s| ([("resource", s.resource)], f64::from(u8::from(s.connected)))),
        )?;
        families.counters(
            "pointsman_kubernetes_lists",
            "Complete lists read from the Kubernetes API: the first list, and a list after each watch that could not be continued.",
            of(|state| state.lists),
        )?;
        families.counters(
            "pointsman_kubernetes_events",
            "Changes of objects that the watch reported.",
            of(|state| state.events),
        )?;
        families.counters(
            "pointsman_kubernetes_failures",
            "Requests to the Kubernetes API that failed.",
            of(|state| state.failures),
        )
    }
}
