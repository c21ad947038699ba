//! Properties that hold whatever the servers answer, in whatever order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["db-0", "db-1", "db-2", "db-3"];

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "steps of a test are few")]
enum Step {
    Probe(usize, ProbeOutcome),
    Servers(Vec<usize>),
    MaxLag(u64),
    DrainOrder(usize, bool),
}

fn facts() -> impl Strategy<Value = Facts> {
    let replication = (any::<bool>(), any::<bool>(), prop::option::of(0u64..20), prop::option::of(0..4usize))
        .prop_map(|(receiving, applying, lag, source)| Replication {
            receiving,
            applying,
            lag: lag.map(Duration::from_secs),
            source: source.map(|i| format!("{}:3306", NAMES[i]).into()),
            several: false,
        });
    let identity = prop_oneof![9 => Just(""), 1 => Just("another")];
    (any::<bool>(), any::<bool>(), prop::option::of(replication), 1u64..3, identity).prop_map(
        |(read_only, super_read_only, replication, position, identity)| Facts {
            read_only,
            super_read_only: read_only && super_read_only,
            replication,
            gtid: gtid(&format!("0-1-{position}")),
            identity: identity.into(),
            ..writable()
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![
        6 => facts().prop_map(ProbeOutcome::Facts),
        2 => Just(ProbeOutcome::Timeout),
        1 => Just(ProbeOutcome::Unreachable("refused".into())),
        1 => Just(ProbeOutcome::Refused("3032".into())),
        1 => Just(ProbeOutcome::Lost("reset".into())),
        1 => Just(ProbeOutcome::Barred { error: "1045".into(), told: None }),
    ];
    prop_oneof![
        20 => (0..4usize, outcome).prop_map(|(server, outcome)| Step::Probe(server, outcome)),
        1 => vec(0..4usize, 0..5).prop_map(Step::Servers),
        1 => (0u64..20).prop_map(Step::MaxLag),
        1 => (0..4usize, any::<bool>()).prop_map(|(server, drained)| Step::DrainOrder(server, drained)),
    ]
}

fn event(snapshot: &Snapshot, step: &Step) -> Option<Event> {
    Some(match step {
        Step::Probe(at, outcome) => {
            let server = snapshot.servers.iter().find(|s| &*s.name == NAMES[*at])?;
            let mut outcome = outcome.clone();
            if let ProbeOutcome::Facts(facts) = &mut outcome {
                facts.identity = format!("{}{}", facts.identity, server.name).into();
            }
            Event::Probe { server: server.id, outcome }
        }
        Step::Servers(list) => {
            Event::Servers(discovered(&list.iter().map(|i| NAMES[*i]).collect::<Vec<_>>()))
        }
        Step::DrainOrder(at, drained) => Event::DrainOrder { server: NAMES[*at].into(), drained: *drained },
        Step::MaxLag(seconds) => Event::MaxLag(Duration::from_secs(*seconds)),
    })
}

/// Checks the invariants of every transition.
fn check(before: &Snapshot, event: &Event, after: &Snapshot, now_ms: u64) -> Result<(), TestCaseError> {
    // The primary is a server of this snapshot, up and writable.
    if let Some(id) = after.primary {
        let primary = after.server(id).expect("the primary is a server of the snapshot");
        prop_assert!(primary.health == Health::Up && primary.is_candidate());
        prop_assert!(!primary.serves_reads);
        prop_assert_eq!(after.last_primary, Some(id));
        // A primary that stays a candidate stays the primary.
        let old = before.primary.and_then(|old| after.server(old));
        prop_assert!(old.is_none_or(|old| !old.is_candidate() || old.id == id));
    }
    // The versions, the generation and the history.
    prop_assert_eq!(after.version > before.version, after != before);
    prop_assert!(after.version - before.version <= 1);
    prop_assert!(after.roles_version >= before.roles_version);
    if after.roles_version == before.roles_version {
        let roles = |s: &Snapshot| (s.primary, s.generation, s.alarm, s.max_lag);
        prop_assert_eq!(roles(before), roles(after));
        let role = |s: &Arc<Server>| (s.id, s.address.clone(), s.health, s.serves_reads, s.is_candidate());
        prop_assert!(before.servers.iter().map(role).eq(after.servers.iter().map(role)));
    }
    let other = after.primary.is_some() && after.primary != before.last_primary;
    prop_assert_eq!(after.generation - before.generation, u64::from(other));
    let changed = before.primary != after.primary;
    let grown = after.history.len() - before.history.len();
    prop_assert!(after.history.len() <= 32 && (grown == usize::from(changed) || before.history.len() == 32));
    prop_assert!(!changed || !after.history.back().expect("a change").reason.is_empty());
    // The servers' health.
    for server in after.servers.iter() {
        prop_assert!(server.missed < MISSED_UNTIL_DOWN || server.health == Health::Down);
        prop_assert!(server.health != Health::Up || server.facts.is_some());
        prop_assert!(!server.serves_reads || server.health == Health::Up);
        prop_assert!(!server.serves_reads || after.drain_of(server).is_none());
        let old = before.server(server.id);
        prop_assert!(old.is_some() || server.id.0 >= before.next_id, "ids are never used again");
    }
    // Repeating the event changes nothing, unless it is a missed probe: those are counted.
    let again = reduce(after, event, now_ms);
    let counts = matches!(
        event,
        Event::Probe {
            outcome: ProbeOutcome::Timeout | ProbeOutcome::Refused(_) | ProbeOutcome::Barred { .. },
            ..
        }
    );
    prop_assert!(counts || again == *after, "{:?} then {:?}", after, again);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_transition_is_sound(steps in vec(step(), 1..80)) {
        let mut s = Story::of(&NAMES);
        for step in &steps {
            let Some(event) = event(&s.snapshot, step) else { continue };
            let after = reduce(&s.snapshot, &event, s.now_ms);
            check(&s.snapshot, &event, &after, s.now_ms)?;
            s.snapshot = after;
            s.now_ms += 100;
        }
    }

    /// Two servers that only answer "writable" and fail at random: once one of them took over, the other
    /// never gets the role back.
    #[test]
    fn two_writable_servers_never_alternate(
        steps in vec((0..2usize, prop_oneof![
            4 => Just(None),
            1 => Just(Some(ProbeOutcome::Timeout)),
            1 => Just(Some(ProbeOutcome::Unreachable("refused".into()))),
        ]), 1..200),
    ) {
        let mut s = Story::of(&NAMES[..2]);
        for (at, outcome) in steps {
            match outcome {
                None => s.says(NAMES[at], writable()),
                Some(outcome) => s.probe(NAMES[at], outcome),
            };
        }
        prop_assert!(s.snapshot.generation <= 2, "{:?}", s.snapshot.history);
    }

    /// The order of the first answers does not matter.
    #[test]
    fn the_first_primary_does_not_depend_on_the_order(order in Just(vec![0usize, 1, 2, 3]).prop_shuffle()) {
        let mut s = Story::of(&NAMES);
        for at in order {
            let facts = match at {
                0 | 1 => writable(),
                _ => replica_of("db-1"),
            };
            s.says(NAMES[at], facts);
        }
        prop_assert_eq!((s.primary(), s.snapshot.generation), (Some("db-1"), 1));
    }
}
