//! The configuration as a JSON schema, which editors complete and check. It is made of the comments of `config/pointsman.toml`, as
//! the page of all keys is. The examples of the pages must be valid.

use serde_json::{Map, Value, json};

use super::generated::{key_and_value, page_is, section};
use super::{CONFIG, pages, read, root};

/// Keys that also take a value of another type than the one in the file.
const ALSO: [(&str, &str, &str); 1] = [("log", "slow", "object")];

/// The schema of a value.
fn of_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::Boolean(_) => json!({"type": "boolean"}),
        toml::Value::Integer(_) => json!({"type": "integer"}),
        toml::Value::Float(_) => json!({"type": "number"}),
        toml::Value::Array(items) => {
            let items = items.first().map_or(json!({}), of_value);
            json!({"type": "array", "items": items})
        }
        toml::Value::Table(_) => json!({"type": "object"}),
        toml::Value::String(_) | toml::Value::Datetime(_) => json!({"type": "string"}),
    }
}

fn new_object() -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": {}})
}

/// The properties of a section such as `[listeners.tls]` or `[[users]]`. A section that is missing is made.
fn properties<'a>(schema: &'a mut Value, head: &str) -> &'a mut Map<String, Value> {
    let is_list = head.starts_with("[[");
    let names: Vec<_> = head.trim_matches(['[', ']']).split('.').filter(|name| !name.is_empty()).collect();
    let mut object = schema;
    for (depth, name) in names.iter().enumerate() {
        let is_last = depth + 1 == names.len();
        let made =
            if is_last && is_list { json!({"type": "array", "items": new_object()}) } else { new_object() };
        let entry = object["properties"].as_object_mut().expect("an object").entry(*name).or_insert(made);
        object = if entry["type"] == "array" { &mut entry["items"] } else { entry };
    }
    object["properties"].as_object_mut().expect("an object")
}

fn schema() -> Value {
    let mut schema = new_object();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Pointsman's configuration");
    let (mut head, mut words) = (String::new(), Vec::new());
    for line in read(&root().join(CONFIG)).lines() {
        let comment = line.strip_prefix('#').map(str::trim);
        let shown = comment.unwrap_or(line);
        if let Some(found) = section(shown) {
            head = found.to_owned();
            words.clear();
        } else if let Some((key, _)) = key_and_value(shown) {
            let parsed: toml::Table =
                toml::from_str(shown).unwrap_or_else(|error| panic!("{shown}: {error}"));
            let mut entry = of_value(&parsed[key]);
            if !words.is_empty() {
                entry["description"] = json!(words.join(" "));
            }
            if comment.is_none() && !parsed[key].is_table() {
                entry["default"] = serde_json::to_value(&parsed[key]).expect("a value");
            }
            let plain = head.trim_matches(['[', ']']);
            if let Some((.., more)) = ALSO.iter().find(|(section, name, _)| (*section, *name) == (plain, key))
            {
                entry["type"] = json!([entry["type"].clone(), more]);
            }
            properties(&mut schema, &head).entry(key).or_insert(entry);
            words.clear();
        } else {
            match comment {
                Some(text) if !text.is_empty() => words.push(text.to_owned()),
                _ => words.clear(),
            }
        }
    }
    schema
}

/// What is wrong with a configuration, by the part of the language that `schema` uses.
fn wrong(schema: &Value, value: &toml::Value, at: &str, found: &mut Vec<String>) {
    let is = |wanted: &str| match &schema["type"] {
        Value::Array(types) => types.iter().any(|one| one == wanted),
        one => one == wanted,
    };
    let fits = match value {
        toml::Value::Boolean(_) => is("boolean"),
        toml::Value::Integer(_) => is("integer") || is("number"),
        toml::Value::Float(_) => is("number"),
        toml::Value::Array(_) => is("array"),
        toml::Value::Table(_) => is("object"),
        toml::Value::String(_) | toml::Value::Datetime(_) => is("string"),
    };
    if !schema["type"].is_null() && !fits {
        found.push(format!("{at}: {} is wanted", schema["type"]));
    }
    match value {
        toml::Value::Array(items) => {
            items.iter().for_each(|item| wrong(&schema["items"], item, at, found));
        }
        toml::Value::Table(table) if schema["properties"].is_object() => {
            for (key, value) in table {
                match schema["properties"].get(key) {
                    Some(schema) => wrong(schema, value, &format!("{at}.{key}"), found),
                    None => found.push(format!("{at}.{key}: unknown")),
                }
            }
        }
        _ => {}
    }
}

/// The blocks of TOML in a text.
fn examples(text: &str) -> Vec<&str> {
    let blocks = text.split("```toml\n").skip(1);
    blocks.filter_map(|block| block.split_once("```").map(|(block, _)| block)).collect()
}

#[test]
fn the_schema_is_up_to_date() {
    let text = serde_json::to_string_pretty(&schema()).expect("JSON");
    page_is("pointsman.schema.json", &format!("{text}\n"));
}

#[test]
fn every_example_fits_the_schema() {
    let schema = schema();
    let mut texts: Vec<_> = pages()
        .iter()
        .flat_map(|page| {
            let name = page.display().to_string();
            examples(&read(page)).into_iter().map(|text| (name.clone(), text.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    assert!(texts.len() > 10, "{} examples", texts.len());
    for file in [CONFIG, "deploy/package/pointsman.toml"] {
        texts.push((file.to_owned(), read(&root().join(file))));
    }
    for (page, mut text) in texts {
        // A page may show this section alone.
        if text.contains("[listeners.tls]") && !text.contains("[[listeners]]") {
            text.insert_str(0, "[[listeners]]\n");
        }
        let parsed: toml::Table =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{page}: {error}: {text}"));
        let mut found = Vec::new();
        wrong(&schema, &parsed.into(), "", &mut found);
        assert!(found.is_empty(), "{page}: {found:?}");
    }
    let mut found = Vec::new();
    let bad: toml::Table =
        toml::from_str("workers = \"two\"\nworker = 2\n[[users]]\nname = 1\n").expect("TOML");
    wrong(&schema, &bad.into(), "", &mut found);
    assert_eq!(found.len(), 3, "{found:?}");
}
