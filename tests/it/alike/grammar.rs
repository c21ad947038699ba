//! Sessions by chance, from the rules of a file: see the head of `grammar.txt`.

use crate::support::{Chance, Kind};
use std::collections::HashMap;

/// A choice of a rule: how often, and what it becomes.
#[derive(Debug)]
struct Choice {
    weight: usize,
    text: String,
}

/// The rules for one kind of server.
#[derive(Debug)]
pub struct Grammar(HashMap<String, Vec<Choice>>);

/// No rule goes deeper.
const DEPTH: usize = 40;

impl Grammar {
    pub fn read(text: &str, kind: Kind) -> Self {
        let mut rules: HashMap<String, Vec<Choice>> = HashMap::new();
        let mut name = String::new();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some(head) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name = head.to_owned();
                assert!(rules.insert(name.clone(), Vec::new()).is_none(), "[{name}] stands there twice");
                continue;
            }
            let (weight, line) = match line.split_once(' ') {
                Some((number, rest))
                    if number.parse::<usize>().is_ok() && !rest.is_empty() && name == "step" =>
                {
                    (number.parse().expect("a number"), rest)
                }
                _ => (1, line),
            };
            let line = match line.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
                Some((word @ ("mariadb" | "mysql"), rest)) if word == kind.name() => rest,
                Some(("mariadb" | "mysql", _)) => continue,
                _ => line,
            };
            let text = if line == "-" { String::new() } else { line.to_owned() };
            rules
                .get_mut(&name)
                .expect("a rule's name in front of its choices")
                .push(Choice { weight, text });
        }
        let grammar = Grammar(rules);
        grammar.check();
        grammar
    }

    /// Each name has a rule.
    fn check(&self) {
        for choice in self.0.values().flatten() {
            for part in choice.text.split('{').skip(1) {
                let name = part.split('}').next().unwrap_or_default().trim_end_matches('?');
                assert!(name == "n" || self.0.contains_key(name), "no rule [{name}]");
            }
        }
    }

    /// Steps of a session; a choice may have several, with ` // ` between them.
    pub fn steps(&self, chance: &mut Chance, count: usize) -> Vec<String> {
        let mut steps = Vec::new();
        while steps.len() < count {
            let text = self.draw(chance, "step", 0);
            steps.extend(text.split(" // ").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned));
        }
        steps
    }

    pub fn draw(&self, chance: &mut Chance, name: &str, depth: usize) -> String {
        if name == "n" {
            return chance.below(10).to_string();
        }
        let choices = &self.0[name];
        let mut at = chance.below(choices.iter().map(|c| c.weight).sum());
        let mut choice = &choices[0];
        // The first choice of a rule is one that ends.
        for one in choices.iter().filter(|_| depth < DEPTH) {
            choice = one;
            if at < one.weight {
                break;
            }
            at -= one.weight;
        }
        let mut out = String::new();
        for (number, part) in choice.text.split('{').enumerate() {
            let Some((name, rest)) = part.split_once('}').filter(|_| number > 0) else {
                out.push_str(part);
                continue;
            };
            match name.strip_suffix('?') {
                Some(_) if chance.below(2) == 0 => {}
                Some(name) => out.push_str(&self.draw(chance, name, depth + 1)),
                None => out.push_str(&self.draw(chance, name, depth + 1)),
            }
            out.push_str(rest);
        }
        out
    }
}
