//! What a server says of its accounts: any rows are accounts or refused, and a host part permits what it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pointsman::backend::accounts::{AccountRows, FoundAccount, HostPattern};
use pointsman::topology::Flavor;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let rows: Vec<Vec<Option<Vec<u8>>>> = text
        .lines()
        .map(|line| {
            line.split('\t').map(|value| (value != "NULL").then(|| value.as_bytes().to_vec())).collect()
        })
        .collect();
    for flavor in [Flavor::MySql, Flavor::MariaDb] {
        for own in ["monitor@10.0.0.9", "monitor@localhost", "@"] {
            let own = [vec![Some(own.as_bytes().to_vec())]];
            let Ok(table) = AccountRows::read(flavor, &rows, &own) else { continue };
            assert!(table.len() <= rows.len());
            for row in &rows {
                let Some(user) = row.get(1).and_then(|user| std::str::from_utf8(user.as_deref()?).ok())
                else {
                    continue;
                };
                for client in [None, Some("10.1.2.3".parse().unwrap()), Some("fd00::7".parse().unwrap())] {
                    if let FoundAccount::Account(account) = table.find(user, client) {
                        // Whatever permits the proxy or the client is one of its rows.
                        assert!(rows.iter().any(|row| row.get(1) == Some(&Some(user.as_bytes().to_vec()))));
                        let _ = account.stamp();
                    }
                }
            }
        }
    }
    for line in text.lines().take(4) {
        let pattern = HostPattern::new(line);
        assert!(line.contains(['/', '\\', '%', '_']) || line.is_empty() || pattern.matches(line), "{line:?}");
        let _ = pattern.matches("10.0.0.7");
    }
});
