//! Which text of a round changed the server, and what is left of the text if everything is taken out that it did not need.

use super::{Plan, Settings, run, tokens};
use crate::replica_port::scene::Scene;
use crate::replica_port::state::{State, changes};
use std::collections::BTreeSet;

/// Returns the report of one change: the shortest text found that makes it again.
pub async fn look(scene: &mut Scene, plans: &[Plan], before: &State, after: &State) -> String {
    let changed = changes(before, after);
    let names = kinds(&changed);
    let changed = short(&changed);
    let sought = Sought { before, names };
    for plan in plans {
        if let Some(text) = last_text(scene, plan, &sought).await {
            let settings = plan.settings.clone();
            let text = shortest(scene, &settings, text, &sought).await;
            return format!("{changed}\n    {settings:?}\n    {}", shown(&text));
        }
    }
    format!("{changed}\n    by texts that do not do it again: {}", all(plans))
}

/// The text that ends the shortest beginning of a plan that changes the server.
async fn last_text(scene: &mut Scene, plan: &Plan, sought: &Sought<'_>) -> Option<Vec<u8>> {
    if !does(scene, plan, sought).await {
        return None;
    }
    // Not changed by so many texts, changed by so many.
    let (mut without, mut with) = (0, plan.texts.len());
    while with - without > 1 {
        let half = without.midpoint(with);
        let part = Plan { settings: plan.settings.clone(), texts: plan.texts[..half].to_vec() };
        if does(scene, &part, sought).await { with = half } else { without = half }
    }
    let last = plan.texts[with - 1].clone();
    let alone = Plan { settings: plan.settings.clone(), texts: vec![last.clone()] };
    if does(scene, &alone, sought).await {
        return Some(last);
    }
    // It needs what the session did before: a whole session, as one text.
    let start = (with - 1) / super::FRESH_AFTER * super::FRESH_AFTER;
    Some(plan.texts[start..with].join(&b"\n  then: "[..]))
}

/// A change that texts are tried for.
struct Sought<'a> {
    /// The state that is brought back before each try, as far as it can be.
    before: &'a State,
    /// What must change, by its kind.
    names: BTreeSet<String>,
}

/// True if a plan changes what is sought.
async fn does(scene: &mut Scene, plan: &Plan, sought: &Sought<'_>) -> bool {
    scene.watched().restore(sought.before).await;
    scene.refresh().await;
    let start = scene.watched().state().await;
    run(scene.proxy.ro, plan, &scene.places(&start)).await;
    let changed = changes(&start, &scene.watched().state().await);
    !kinds(&changed).is_disjoint(&sought.names)
}

/// `global long_query_time: 10 -> 7` is of the kind `global long_query_time`; files and threads are all the same.
fn kinds(changed: &[String]) -> BTreeSet<String> {
    let kind = |line: &String| match line.split_once(' ') {
        Some((one @ ("file" | "thread"), _)) => one.to_owned(),
        _ => line.split(':').next().unwrap_or_default().to_owned(),
    };
    changed.iter().map(kind).collect()
}

/// Takes tokens out as long as the text still changes the server.
async fn shortest(scene: &mut Scene, settings: &Settings, text: Vec<u8>, sought: &Sought<'_>) -> Vec<u8> {
    let mut tokens = tokens::tokens(&text);
    if tokens.len() > 150 {
        return text;
    }
    let mut size = tokens.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < tokens.len() {
            let mut fewer = tokens.clone();
            fewer.drain(at..(at + size).min(tokens.len()));
            let plan = Plan { settings: settings.clone(), texts: vec![fewer.concat()] };
            if !fewer.is_empty() && does(scene, &plan, sought).await { tokens = fewer } else { at += size }
        }
        size /= 2;
    }
    tokens.concat()
}

fn short(changed: &[String]) -> String {
    changed.iter().take(4).cloned().collect::<Vec<_>>().join("; ")
}

/// As a line of the corpus of attacks.
pub fn shown(text: &[u8]) -> String {
    let utf8 = std::str::from_utf8(text);
    match utf8 {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        _ => text
            .iter()
            .map(|byte| {
                if byte.is_ascii_graphic() || *byte == b' ' {
                    char::from(*byte).to_string()
                } else {
                    format!("<{byte:02X}>")
                }
            })
            .collect(),
    }
}

fn all(plans: &[Plan]) -> String {
    let file = std::env::temp_dir().join(format!("pointsman-soups-{}", std::process::id()));
    let lines = plans.iter().map(|plan| {
        format!(
            "{:?}\n{}",
            plan.settings,
            plan.texts.iter().map(|text| shown(text)).collect::<Vec<_>>().join("\n---\n")
        )
    });
    let _ = std::fs::write(&file, lines.collect::<Vec<_>>().join("\n=====\n"));
    file.display().to_string()
}
