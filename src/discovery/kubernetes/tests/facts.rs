//! Compares `deploy/presets.toml`, the table of what operators create, with the presets, the overlays and the
//! chart's README.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::presets::{LabelRole, Roles, Rules};
use super::*;
use crate::config::Choice;

type Carried = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    preset: Vec<Fact>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    operator: String,
    #[serde(default)]
    variant: String,
    version: String,
    /// The pods' names, without their numbers.
    pods: String,
    port: String,
    common: Carried,
    primary: Carried,
    replica: Carried,
    left_out: Vec<Carried>,
    monitor: Option<Account>,
    /// None: the operator creates no account for applications.
    application: Option<Account>,
    /// None: the monitor's account, if that is root.
    administrator: Option<Account>,
    #[serde(default)]
    other_secrets: Vec<InSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    user: String,
    /// Empty: the user chooses the name.
    secret: String,
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InSecret {
    secret: String,
    key: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn table() -> Vec<Fact> {
    toml::from_str::<Table>(&read("deploy/presets.toml")).unwrap().preset
}

impl Fact {
    fn settings(&self) -> Kubernetes {
        settings(Preset::from_word(&self.name).unwrap_or_else(|| panic!("no preset {}", self.name)))
    }

    /// Returns a pod with these labels in addition to the common ones, and a port with the name that this
    /// operator uses.
    fn pod(&self, labels: &Carried) -> Value {
        let carried = self.common.iter().chain(labels).map(|(key, value)| (key.clone(), filled(value)));
        let carried: Vec<_> = carried.collect();
        let borrowed: Vec<_> = carried.iter().map(|(key, value)| (&**key, &**value)).collect();
        let mut made = pod(&format!("{}-0", filled(&self.pods)), &borrowed);
        let ports = match &*self.port {
            "" => json!([]),
            name => json!([{"name": name, "containerPort": 3306}]),
        };
        made["spec"]["containers"] = json!([{"name": "server", "ports": ports}]);
        made
    }

    fn who(&self) -> String {
        format!("{} {}", self.name, self.variant)
    }
}

/// Fills in the names of `settings`.
fn filled(text: &str) -> String {
    text.replace("<c>", "c").replace("<component>", "comp")
}

/// True if the API would select these labels: presets use only equality and `in`.
fn selects(selector: &str, labels: &Carried) -> bool {
    let mut rest = selector;
    while !rest.is_empty() {
        let end = match (rest.find('('), rest.find(',')) {
            (Some(open), Some(comma)) if open < comma => {
                let close = rest.find(')').expect("a closing parenthesis");
                rest[close..].find(',').map_or(rest.len(), |comma| close + comma)
            }
            (Some(_), None) => rest.len(),
            (_, comma) => comma.unwrap_or(rest.len()),
        };
        let (one, more) = rest.split_at(end);
        rest = more.trim_start_matches(',');
        let (key, values) = match one.split_once(" in ") {
            Some((key, values)) => (key, values.trim_matches(['(', ')']).split(',').collect()),
            None => one.split_once('=').map(|(key, value)| (key, vec![value])).expect("key=value"),
        };
        if !labels.get(key).is_some_and(|found| values.contains(&&*filled(found))) {
            return false;
        }
    }
    true
}

#[test]
fn every_preset_has_its_facts() {
    let with_facts: BTreeSet<_> = table().into_iter().map(|fact| fact.name).collect();
    let presets = Preset::WORDS.iter().map(|(word, _)| (*word).to_owned()).filter(|word| word != "custom");
    assert_eq!(with_facts, presets.collect());
}

#[test]
fn what_operators_make_is_understood() {
    for fact in table() {
        let (who, settings) = (fact.who(), fact.settings());
        let rules = Rules::of(&settings);
        assert!(selects(&rules.selector, &fact.common), "{who}: {}", rules.selector);
        let mut another = fact.common.clone();
        another.values_mut().for_each(|value| *value = format!("{value}x"));
        assert!(!selects(&rules.selector, &another), "{who}");
        let label = |labels: &Carried| {
            let found = servers(&settings, &[fact.pod(labels)]);
            found.first().map(|server| (server.label, server.address.ends_with(":3306")))
        };
        let role = |labels: &Carried| {
            rules.role(
                &labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
            )
        };
        match &rules.roles {
            Roles::Ordinal => assert_eq!(label(&fact.primary), Some((Some(Label::Primary), true)), "{who}"),
            _ => {
                assert_eq!(role(&fact.primary), LabelRole::Primary, "{who}");
                assert_eq!(label(&fact.primary), Some((Some(Label::Primary), true)), "{who}");
                let wanted = (!fact.replica.is_empty()).then_some(Label::Replica);
                assert_eq!(label(&fact.replica), Some((wanted, true)), "{who}");
            }
        }
        for labels in &fact.left_out {
            assert_eq!(label(labels), None, "{who}: {labels:?}");
        }
    }
}

/// Checks the probes' account in the overlays, which `manifests.sh` compares with the chart. Clients log in with
/// the servers' accounts, so an overlay mounts no other password.
#[test]
fn overlays_use_the_accounts_that_there_are() {
    for fact in table().into_iter().filter(|fact| fact.variant.is_empty()) {
        let Some(monitor) = &fact.monitor else { continue };
        let folder = format!("deploy/kustomize/overlays/{}", fact.name);
        let config: toml::Table = read(format!("{folder}/pointsman.toml")).parse().unwrap();
        let mounted = read(format!("{folder}/kustomization.yaml"));
        assert!(!config.contains_key("users"), "{folder}");
        let used = &config["monitor"];
        assert_eq!(used["user"].as_str(), Some(&*monitor.user), "{folder}");
        let file = used["password_file"].as_str().expect("a file");
        let secret = monitor.secret.replace("<c>", "my-cluster").replace("<component>", "mysql");
        match secret.is_empty() {
            true => assert!(file.ends_with(&format!("/{}", monitor.key)), "{folder}: {file}"),
            false => assert_eq!(file, format!("secrets/{secret}/{}", monitor.key), "{folder}"),
        }
        assert!(mounted.contains(&format!("path: {file}")), "{folder} does not mount {file}");
        assert_eq!(mounted.matches("{secret: ").count(), 1, "{folder} mounts another Secret");
        for other in &fact.other_secrets {
            assert!(
                mounted.contains(&format!("`{}`", other.key)),
                "{folder} does not tell of {}",
                other.secret
            );
        }
    }
}

/// Returns the table as in the chart's README.
fn documented(table: &[Fact]) -> String {
    let code = |text: &str| format!("`{}`", text.replace("<c>", "<cluster>"));
    let labels = |carried: &Carried| {
        let all: Vec<_> = carried.iter().map(|(key, value)| code(&format!("{key}={value}"))).collect();
        if all.is_empty() { "–".to_owned() } else { all.join(" ") }
    };
    let mut text = String::from(
        "| preset | read from | all pods | primary | replica | port |\n|---|---|---|---|---|---|\n",
    );
    for fact in table {
        let variant = if fact.variant.is_empty() { String::new() } else { format!(", {}", fact.variant) };
        let port = if fact.port.is_empty() { "3306".to_owned() } else { code(&fact.port) };
        let _ = writeln!(
            text,
            "| `{}`{variant} | {}, {} | {} | {} | {} | {port} |",
            fact.name,
            fact.operator,
            fact.version,
            labels(&fact.common),
            labels(&fact.primary),
            labels(&fact.replica),
        );
    }
    text.push_str("\n| preset | probes log in as | Secret, key | the same Secret elsewhere | for applications | administrator |\n|---|---|---|---|---|---|\n");
    for fact in table {
        let Some(monitor) = &fact.monitor else { continue };
        let variant = if fact.variant.is_empty() { String::new() } else { format!(", {}", fact.variant) };
        let place = |secret: &str, key: &str| match secret {
            "" => format!("its user's, {}", code(key)),
            secret => format!("{}, {}", code(secret), code(key)),
        };
        let others: Vec<_> =
            fact.other_secrets.iter().map(|other| place(&other.secret, &other.key)).collect();
        let account = |of: &Option<Account>| {
            of.as_ref().map(|user| format!("{}, {}", code(&user.user), place(&user.secret, &user.key)))
        };
        let monitor_is_root = (monitor.user == "root").then(|| code("root"));
        let none = || "–".to_owned();
        let _ = writeln!(
            text,
            "| `{}`{variant} | {} | {} | {} | {} | {} |",
            fact.name,
            code(&monitor.user),
            place(&monitor.secret, &monitor.key),
            if others.is_empty() { none() } else { others.join("; ") },
            account(&fact.application).unwrap_or_else(none),
            account(&fact.administrator).or(monitor_is_root).unwrap_or_else(none),
        );
    }
    text
}

#[test]
fn the_charts_readme_shows_the_table() {
    let readme = read("deploy/helm/pointsman/README.md");
    let wanted = documented(&table());
    let (_, rest) = readme.split_once("<!-- deploy/presets.toml -->\n").expect("the beginning");
    let (shown, _) = rest.split_once("<!-- end -->").expect("the end");
    assert!(shown.trim() == wanted.trim(), "write this into the chart's README:\n\n{wanted}");
}
