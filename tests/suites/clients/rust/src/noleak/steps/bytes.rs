//! The bytes of the commands for prepared statements.

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    /// Sent before by COM_STMT_SEND_LONG_DATA.
    Long,
}

impl Value {
    pub fn cell(&self) -> Option<Vec<u8>> {
        match self {
            Value::Null | Value::Long => None,
            Value::Int(n) => Some(n.to_string().into_bytes()),
            Value::Text(text) => Some(text.clone().into_bytes()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Value::Null => 6,
            Value::Int(_) => 8,
            Value::Text(_) => 253,
            Value::Long => 252,
        }
    }
}

/// The types of an execution with these values, as an execution without types repeats them.
pub fn types(values: &[Value]) -> Vec<u8> {
    values.iter().flat_map(|value| [value.kind(), 0]).collect()
}

/// COM_STMT_EXECUTE, with or without the types.
pub fn execute(id: u32, cursor: bool, values: &[Value], with_types: bool) -> Vec<u8> {
    let mut out = vec![0x17];
    out.extend(id.to_le_bytes());
    out.extend([u8::from(cursor), 1, 0, 0, 0]);
    if values.is_empty() {
        return out;
    }
    let mut nulls = vec![0_u8; values.len().div_ceil(8)];
    let mut data = Vec::new();
    for (at, value) in values.iter().enumerate() {
        match value {
            Value::Null => nulls[at / 8] |= 1 << (at % 8),
            Value::Int(n) => data.extend(n.to_le_bytes()),
            Value::Text(text) => {
                data.push(text.len().min(250) as u8);
                data.extend(text.bytes().take(250));
            }
            Value::Long => {}
        }
    }
    out.extend(nulls);
    out.push(u8::from(with_types));
    if with_types {
        out.extend(types(values));
    }
    out.extend(data);
    out
}

/// A command whose first argument is a statement's id.
pub fn with_id(command: u8, id: u32, rest: &[u8]) -> Vec<u8> {
    [&[command], &id.to_le_bytes()[..], rest].concat()
}
