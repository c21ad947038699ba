//! Reads the corpus: statements in text files, with directives in `--` lines between them (tests/suites/equality/README.md).

use std::path::Path;

use crate::model::plan::Value;

/// What is allowed to differ in an answer, and why.
#[derive(Clone, Debug)]
pub struct Mask {
    /// Column names or numbers, or `*rows`, `*values`, `*message`, `*warnings`, `*metadata`, `*numbers`, `*all`.
    pub what: Vec<String>,
    pub reason: String,
}

#[derive(Clone, Debug, Default)]
pub struct Marks {
    pub masks: Vec<Mask>,
    pub unordered: bool,
    /// The codes of which one must come; empty: any error must come. None: no error may come.
    pub error: Option<Vec<u16>>,
    /// Sets of parameters: each one execution of the prepared statement.
    pub params: Vec<Vec<Value>>,
    /// Not in the pass that prepares every statement.
    pub text_only: bool,
    /// SHOW WARNINGS is not asked behind it: it would change what the next statement sees.
    pub quiet: bool,
}

#[derive(Clone, Debug)]
pub enum Action {
    Query(String),
    Ping,
    ResetConnection,
    ChangeUser,
    InitDb(String),
    FieldList(String),
    SetOption(u16),
    Reconnect,
    /// A cursor over a prepared statement, fetched so many rows at a time.
    Cursor(String, u32),
}

#[derive(Clone, Debug)]
pub struct Item {
    pub line: usize,
    pub session: String,
    pub user: String,
    pub action: Action,
    pub marks: Marks,
}

/// One file: its sessions share a schema of their own.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: String,
    /// Changes what belongs to the whole server, so no other file runs meanwhile.
    pub alone: bool,
    pub items: Vec<Item>,
}

struct Parser<'a> {
    flavor: &'a str,
    /// The flavor of the lines that follow, and of the next statement alone.
    block: String,
    only: Option<String>,
    session: String,
    user: String,
    delimiter: String,
    marks: Marks,
    statement: String,
    began: usize,
    script: Script,
}

/// Every file for this kind of server, by name.
pub fn read(folder: &Path, flavor: &str) -> Result<Vec<Script>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "sql"));
    paths.sort();
    paths.iter().map(|path| script(path, flavor)).collect()
}

fn script(path: &Path, flavor: &str) -> Result<Script, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let script = Script { name: name.clone(), alone: false, items: Vec::new() };
    let mut parser = Parser {
        flavor,
        block: "any".into(),
        only: None,
        session: "a".into(),
        user: "app".into(),
        delimiter: ";".into(),
        marks: Marks::default(),
        statement: String::new(),
        began: 0,
        script,
    };
    for (at, line) in text.lines().enumerate() {
        parser.line(at + 1, line).map_err(|e| format!("{name}.sql:{}: {e}", at + 1))?;
    }
    if !parser.statement.trim().is_empty() {
        return Err(format!("{name}.sql:{}: this statement has no end", parser.began));
    }
    Ok(parser.script)
}

impl Parser<'_> {
    fn line(&mut self, number: usize, line: &str) -> Result<(), String> {
        if self.statement.is_empty() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                return Ok(());
            }
            if let Some(delimiter) = line.strip_prefix("DELIMITER ") {
                self.delimiter = delimiter.trim().into();
                return Ok(());
            }
            if let Some(directive) = line.strip_prefix("-- ") {
                return self.directive(number, directive.trim());
            }
            self.began = number;
        } else {
            self.statement.push('\n');
        }
        self.statement.push_str(line);
        if let Some(sql) = self.statement.trim_end().strip_suffix(self.delimiter.as_str()) {
            let sql = sql.to_string();
            self.statement.clear();
            self.push(self.began, Action::Query(sql));
        }
        Ok(())
    }

    fn push(&mut self, line: usize, action: Action) {
        let marks = std::mem::take(&mut self.marks);
        let only = self.only.take().unwrap_or_else(|| self.block.clone());
        if only == "any" || only == self.flavor {
            let (session, user) = (self.session.clone(), self.user.clone());
            self.script.items.push(Item { line, session, user, action, marks });
        }
    }

    fn directive(&mut self, line: usize, text: &str) -> Result<(), String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim();
        match word {
            "alone" => self.script.alone = true,
            "flavor" => self.block = flavor(rest)?,
            "only" => self.only = Some(flavor(rest)?),
            "session" => {
                let (session, user) = rest.split_once(' ').unwrap_or((rest, "app"));
                (self.session, self.user) = (session.into(), user.into());
            }
            "unordered" => self.marks.unordered = true,
            "text" => self.marks.text_only = true,
            "nowarn" => self.marks.quiet = true,
            "error@mysql" | "error@mariadb" if word.get(6..) != Some(self.flavor) => {}
            "error" | "error@mysql" | "error@mariadb" => {
                let codes = rest.split_whitespace().map(str::parse).collect::<Result<_, _>>();
                self.marks.error = Some(codes.map_err(|_| "error wants codes")?);
            }
            "mask" => {
                let (what, reason) = rest.split_once(':').ok_or("mask WHAT: reason")?;
                let what = what.split(',').map(|w| w.trim().to_string()).collect();
                self.marks.masks.push(Mask { what, reason: reason.trim().into() });
            }
            "params" => self.marks.params.push(values(rest)?),
            "command" => {
                let action = command(rest)?;
                self.push(line, action);
            }
            other => return Err(format!("unknown directive {other}; comments begin with #")),
        }
        Ok(())
    }
}

fn flavor(name: &str) -> Result<String, String> {
    match name {
        "any" | "mysql" | "mariadb" => Ok(name.into()),
        _ => Err(format!("{name} is not any, mysql or mariadb")),
    }
}

fn command(text: &str) -> Result<Action, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match word {
        "ping" => Action::Ping,
        "reset" => Action::ResetConnection,
        "changeuser" => Action::ChangeUser,
        "reconnect" => Action::Reconnect,
        "initdb" => Action::InitDb(rest.into()),
        "fieldlist" => Action::FieldList(rest.into()),
        "option" => Action::SetOption(rest.parse().map_err(|_| "option wants a number")?),
        "cursor" => {
            let (rows, sql) = rest.split_once(' ').ok_or("cursor ROWS STATEMENT")?;
            Action::Cursor(sql.into(), rows.parse().map_err(|_| "cursor wants a number of rows")?)
        }
        other => return Err(format!("unknown command {other}")),
    })
}

/// Parameters: NULL, whole numbers, everything else in single quotes (a quote in it is doubled).
fn values(text: &str) -> Result<Vec<Value>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            let mut end = None;
            while let Some((at, c)) = chars.next() {
                match c {
                    '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                        chars.next();
                        value.push('\'');
                    }
                    '\'' => {
                        end = Some(at + 1);
                        break;
                    }
                    c => value.push(c),
                }
            }
            out.push(Value::Text(value));
            rest = &quoted[end.ok_or("a quote without its end")?..];
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            out.push(match rest[..end].trim() {
                "NULL" => Value::Null,
                number => Value::Int(number.parse().map_err(|_| format!("{number} is no parameter"))?),
            });
            rest = &rest[end..];
        }
        rest = rest.trim_start().strip_prefix(',').unwrap_or(rest.trim_start()).trim_start();
    }
    Ok(out)
}

/// The first word, in capitals, behind comments and brackets.
pub fn first_word(sql: &str) -> String {
    let mut rest = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    while let Some(comment) = rest.strip_prefix("/*") {
        if comment.starts_with('!') || comment.starts_with("M!") {
            break;
        }
        let end = comment.find("*/").map_or(comment.len(), |at| at + 2);
        rest = comment[end..].trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
    rest.chars().take_while(char::is_ascii_alphabetic).collect::<String>().to_uppercase()
}
