//! Parameters in the binary protocol: the types that clients may send, how long the values are, and where types and
//! values are in COM_STMT_EXECUTE and COM_STMT_BULK_EXECUTE. The packets are read exactly as the server reads them.
//! Source: "COM_STMT_EXECUTE" in MySQL's internals, "COM_STMT_BULK_EXECUTE" in MariaDB's, `field_types.h`.

use super::{ProtocolError, Reader};

/// The most parameters that a server accepts in one packet.
pub const MAX_PARAMETERS: usize = 65_535;

/// The bit of a parameter's type that says that the value is unsigned; all other bits are the type.
const UNSIGNED: u16 = 0x8000;

/// COM_STMT_EXECUTE's flag that the packet has the number of parameters (CLIENT_QUERY_ATTRIBUTES).
pub const PARAMETER_COUNT_AVAILABLE: u8 = 8;

/// COM_STMT_BULK_EXECUTE's flag that the packet has the parameter types.
const SEND_TYPES: u16 = 128;

const EXECUTE: &str = "COM_STMT_EXECUTE";
const BULK_EXECUTE: &str = "COM_STMT_BULK_EXECUTE";

/// How the length of a parameter's value is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// MYSQL_TYPE_NULL: has no value, and must be set in the null bitmap.
    Null,
    /// A value of this many bytes.
    Fixed(usize),
    /// A length-encoded string. Temporal values are encoded like this, too.
    Lenenc,
}

impl ParameterType {
    /// Reads the type of a parameter. Returns None for types that no client library sends: the server reads their
    /// values as length-encoded strings, whatever the type's name says.
    pub fn read(kind: u16) -> Option<Self> {
        Some(match kind & !UNSIGNED {
            0x06 => ParameterType::Null,
            // TINY, SHORT, LONG and FLOAT, DOUBLE and LONGLONG
            0x01 => ParameterType::Fixed(1),
            0x02 => ParameterType::Fixed(2),
            0x03 | 0x04 => ParameterType::Fixed(4),
            0x05 | 0x08 => ParameterType::Fixed(8),
            // DECIMAL, TIMESTAMP, DATE, TIME, DATETIME, VARCHAR
            0x00 | 0x07 | 0x0a..=0x0c | 0x0f => ParameterType::Lenenc,
            // VECTOR, JSON, NEWDECIMAL, the four BLOBs, VAR_STRING, STRING
            0xf2 | 0xf5 | 0xf6 | 0xf9..=0xfe => ParameterType::Lenenc,
            _ => return None,
        })
    }

    /// Skips the value of a parameter that is not NULL.
    pub fn skip_value(self, r: &mut Reader<'_>, what: &'static str) -> Result<(), ProtocolError> {
        match self {
            ParameterType::Null => Err(ProtocolError::Unsupported("a value of type NULL")),
            ParameterType::Fixed(len) => r.bytes(len, what).map(|_| ()),
            ParameterType::Lenenc => r.lenenc_bytes(what).map(|_| ()),
        }
    }
}

/// True if the null bitmap says that this parameter is NULL.
pub fn is_null(nulls: &[u8], parameter: usize) -> bool {
    nulls.get(parameter / 8).is_some_and(|bits| bits >> (parameter % 8) & 1 == 1)
}

/// The parameter types in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Types<'a> {
    /// The packet has no parameters.
    None,
    /// The packet has these types, with the parameters' names if CLIENT_QUERY_ATTRIBUTES is on.
    Given(&'a [u8]),
    /// The packet has no types: those of the previous execute apply. Types would be at this offset of the payload.
    AsBefore(usize),
}

/// The parameters of one COM_STMT_EXECUTE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The number of parameters: those of the statement, and the query attributes behind them.
    pub count: usize,
    /// The null bitmap.
    pub nulls: &'a [u8],
    /// The types of the parameters.
    pub types: Types<'a>,
    /// The values of the parameters, and whatever follows them in the payload.
    pub values: &'a [u8],
}

impl<'a> Execute<'a> {
    /// Reads the payload of COM_STMT_EXECUTE, including the command byte, up to the values. `params`: the number of the
    /// statement's own parameters; `attributes`: CLIENT_QUERY_ATTRIBUTES is on.
    ///
    /// `ProtocolError::Truncated` may mean that the payload is not complete yet; any other error is the client's fault.
    pub fn parse(payload: &'a [u8], params: u16, attributes: bool) -> Result<Self, ProtocolError> {
        let mut r = Reader::new(payload);
        r.bytes(5, EXECUTE)?;
        let flags = r.u8(EXECUTE)?;
        r.u32(EXECUTE)?;
        let mut count = usize::from(params);
        // The server checks the flag only if the statement itself has no parameters.
        if attributes && (params > 0 || flags & PARAMETER_COUNT_AVAILABLE != 0) {
            let given = usize::try_from(r.lenenc(EXECUTE)?).ok().filter(|n| *n <= MAX_PARAMETERS);
            count = given.ok_or(ProtocolError::Unsupported("more than 65,535 parameters"))?;
            if count < usize::from(params) {
                return Err(ProtocolError::Unsupported("fewer parameters than the statement has"));
            }
        }
        if count == 0 {
            return Ok(Execute { count, nulls: &[], types: Types::None, values: r.rest() });
        }
        let nulls = r.bytes(count.div_ceil(8), EXECUTE)?;
        let given = match r.u8(EXECUTE)? {
            0 => false,
            1 => true,
            // MySQL reads any other byte as 1, MariaDB refuses the packet.
            byte => return Err(ProtocolError::Unexpected { expected: "parameter types", byte }),
        };
        let begin = payload.len() - r.rest().len();
        if !given && count > usize::from(params) {
            return Err(ProtocolError::Unsupported("query attributes without types"));
        }
        if !given {
            return Ok(Execute { count, nulls, types: Types::AsBefore(begin), values: r.rest() });
        }
        for _ in 0..count {
            r.u16(EXECUTE)?;
            if attributes {
                r.lenenc_bytes(EXECUTE)?;
            }
        }
        let types = payload.get(begin..payload.len() - r.rest().len()).unwrap_or_default();
        Ok(Execute { count, nulls, types: Types::Given(types), values: r.rest() })
    }

    /// Returns the value of the query attribute of this name, if it is a string. `params`: the number of the statement's own
    /// parameters, which come first.
    pub fn attribute(&self, params: u16, name: &str) -> Option<&'a [u8]> {
        let Types::Given(types) = self.types else { return None };
        let mut r = Reader::new(types);
        let own = usize::from(params);
        if own >= self.count {
            return None;
        }
        // The values of all parameters stand one after the other, so those before the attribute have to be skipped.
        let mut values = Reader::new(self.values);
        for i in 0..self.count {
            let kind = ParameterType::read(r.u16(EXECUTE).ok()?)?;
            let its_name = r.lenenc_bytes(EXECUTE).ok()?;
            let is_wanted = i >= own && its_name == name.as_bytes();
            match kind {
                _ if is_null(self.nulls, i) => {}
                ParameterType::Lenenc if is_wanted => return values.lenenc_bytes(EXECUTE).ok(),
                _ => kind.skip_value(&mut values, EXECUTE).ok()?,
            }
        }
        None
    }

    /// Returns the value of the packet's only parameter if it is a string. `before`: the types of the previous execute.
    pub fn only_string(&self, before: Option<&[u8]>) -> Option<&'a [u8]> {
        let types = match self.types {
            Types::Given(types) => types,
            Types::AsBefore(_) => before?,
            Types::None => return None,
        };
        let kind = types.first_chunk::<2>().copied().map(u16::from_le_bytes)?;
        // VARCHAR, VAR_STRING, STRING
        let is_string = matches!(kind & !UNSIGNED, 0x0f | 0xfd | 0xfe);
        if self.count != 1 || is_null(self.nulls, 0) || !is_string {
            return None;
        }
        Reader::new(self.values).lenenc_bytes(EXECUTE).ok()
    }
}

/// Returns the part of `types` that belongs to the first `count` parameters. `attributes`: each type is followed by the
/// parameter's name.
pub fn first_types(types: &[u8], count: usize, attributes: bool) -> Option<&[u8]> {
    let mut r = Reader::new(types);
    for _ in 0..count {
        r.u16(EXECUTE).ok()?;
        if attributes {
            r.lenenc_bytes(EXECUTE).ok()?;
        }
    }
    types.get(..types.len() - r.rest().len())
}

/// Returns the types of the first `count` parameters, with types that MySQL treats alike mapped to one of them.
/// `attributes`: each type is followed by the parameter's name.
pub fn kinds_of_types(types: &[u8], count: usize, attributes: bool) -> impl Iterator<Item = u16> {
    let mut r = Reader::new(types);
    (0..count).map_while(move |_| {
        let kind = r.u16(EXECUTE).ok()?;
        if attributes {
            r.lenenc_bytes(EXECUTE).ok()?;
        }
        let unsigned = kind & UNSIGNED;
        Some(match kind & !UNSIGNED {
            // TINY, SHORT, LONG, LONGLONG
            0x01..=0x03 | 0x08 => 0x08 | unsigned,
            // FLOAT, DOUBLE
            0x04 | 0x05 => 0x05,
            // VARCHAR, VAR_STRING, STRING
            0x0f | 0xfd | 0xfe => 0xfd,
            // The four BLOBs
            0xf9..=0xfc => 0xfc,
            _ => kind,
        })
    })
}

/// Returns the types in the payload of COM_STMT_BULK_EXECUTE, which includes the command byte.
pub fn bulk_types(payload: &[u8], params: u16) -> Result<Types<'_>, ProtocolError> {
    let mut r = Reader::new(payload);
    r.bytes(5, BULK_EXECUTE)?;
    let flags = r.u16(BULK_EXECUTE)?;
    if flags & SEND_TYPES == 0 {
        return Ok(Types::AsBefore(payload.len() - r.rest().len()));
    }
    r.bytes(usize::from(params) * 2, BULK_EXECUTE).map(Types::Given)
}

/// Sets the flag in a packet's payload that says that the packet has types. `at`: the offset of the types.
pub fn flag_types(payload: &mut [u8], at: usize, bulk: bool) -> Option<()> {
    let place = if bulk { 5 } else { at.checked_sub(1)? };
    *payload.get_mut(place)? |= if bulk { SEND_TYPES.to_le_bytes()[0] } else { 1 };
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(payload: &[u8], params: u16, attributes: bool) -> Result<Types<'_>, ProtocolError> {
        Execute::parse(payload, params, attributes).map(|execute| execute.types)
    }

    /// Two parameters, of type LONG and VAR_STRING.
    const GIVEN: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x01\x03\0\xfd\0\x07\0\0\0\x01a";
    const BEFORE: &[u8] = b"\x17\x01\0\0\0\0\x01\0\0\0\x00\x00\x07\0\0\0\x01a";

    #[test]
    fn types_are_found() {
        assert_eq!(types(GIVEN, 2, false), Ok(Types::Given(b"\x03\0\xfd\0")));
        assert_eq!(types(BEFORE, 2, false), Ok(Types::AsBefore(12)));
        assert_eq!(types(b"\x17\x01\0\0\0\0\x01\0\0\0", 0, false), Ok(Types::None));
        for cut in 0..16 {
            assert_eq!(
                types(&GIVEN[..cut], 2, false),
                Err(ProtocolError::Truncated(EXECUTE)),
                "cut at {cut}"
            );
        }
        let bulk = b"\xfa\x01\0\0\0\x80\0\x03\0\xfd\0rest";
        assert_eq!(bulk_types(bulk, 2), Ok(Types::Given(b"\x03\0\xfd\0")));
        assert_eq!(bulk_types(&bulk[..10], 2), Err(ProtocolError::Truncated(BULK_EXECUTE)));
        assert_eq!(bulk_types(b"\xfa\x01\0\0\0\0\0rest", 2), Ok(Types::AsBefore(7)));
    }

    #[test]
    fn parameters_are_counted_where_the_statement_has_any_or_the_flag_says_so() {
        let named = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\x00\x01\x03\0\x01n\x07\0\0\0";
        assert_eq!(types(named, 0, true), Ok(Types::Given(b"\x03\0\x01n")));
        assert_eq!(types(named, 1, true), Ok(Types::Given(b"\x03\0\x01n")));
        // MySQL reads a number of parameters here even without PARAMETER_COUNT_AVAILABLE.
        let unflagged = b"\x17\x01\0\0\0\0\x01\0\0\0\x01\x00\x01\x03\0\x01n\x07\0\0\0";
        assert_eq!(types(unflagged, 1, true), Ok(Types::Given(b"\x03\0\x01n")));
        assert_eq!(types(unflagged, 0, true), Ok(Types::None));
        assert!(matches!(types(named, 2, true), Err(ProtocolError::Unsupported(_))));
        let without_types = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\x00\0\x07\0\0\0";
        assert_eq!(types(without_types, 1, true), Ok(Types::AsBefore(13)));
        assert!(matches!(types(without_types, 0, true), Err(ProtocolError::Unsupported(_))));
    }

    #[test]
    fn an_attribute_of_an_execute_is_found_behind_the_parameters() {
        // One parameter, a LONG named like the attribute, and the attribute.
        let payload = b"\x17\x01\0\0\0\x08\x01\0\0\0\x02\0\x01\x03\0\x02tp\xfd\0\x02tp\x07\0\0\0\x02ab";
        let execute = Execute::parse(payload, 1, true).unwrap();
        assert_eq!(execute.attribute(1, "tp"), Some(&b"ab"[..]));
        assert_eq!(execute.attribute(1, "other"), None);
        assert_eq!(execute.attribute(2, "tp"), None, "a parameter is no attribute");
        assert_eq!(Execute::parse(&payload[..payload.len() - 1], 1, true).unwrap().attribute(1, "tp"), None);
    }

    #[test]
    fn the_first_types_are_found() {
        let named = b"\x03\0\x01n\xfd\0\0";
        assert_eq!(first_types(named, 1, true), Some(&named[..4]));
        assert_eq!(first_types(named, 2, true), Some(&named[..]));
        assert_eq!(first_types(named, 3, true), None);
        assert_eq!(first_types(b"\x03\0\xfd\0", 1, false), Some(&b"\x03\0"[..]));
        assert_eq!(first_types(b"\x03\0", 2, false), None);
    }

    #[test]
    fn types_that_mysql_does_not_tell_apart_are_of_one_kind() {
        let kinds = |types: &[u8]| kinds_of_types(types, 1, false).collect::<Vec<_>>();
        assert_eq!(kinds(b"\x01\0"), kinds(b"\x08\0"));
        assert_eq!(kinds(b"\x0f\0"), kinds(b"\xfe\0"));
        assert_ne!(kinds(b"\x08\0"), kinds(b"\x08\x80"));
        assert_ne!(kinds(b"\x08\0"), kinds(b"\xfd\0"));
        assert_ne!(kinds(b"\xfc\0"), kinds(b"\xfd\0"));
        assert_eq!(kinds_of_types(b"\x03\0\x01n\xfd\0\0", 2, true).collect::<Vec<_>>(), [0x08, 0xfd]);
    }

    #[test]
    fn a_flag_that_servers_read_differently_is_refused() {
        for flag in 2..=u8::MAX {
            let mut payload = GIVEN.to_vec();
            payload[11] = flag;
            let refused = Err(ProtocolError::Unexpected { expected: "parameter types", byte: flag });
            assert_eq!(types(&payload, 2, false), refused);
        }
    }

    #[test]
    fn an_only_parameter_that_is_a_string_is_found() {
        let only = |payload: &'static [u8], before: Option<&[u8]>, attributes| {
            Execute::parse(payload, 1, attributes).ok().and_then(|execute| execute.only_string(before))
        };
        let given = b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x02ab";
        assert_eq!(only(given, None, false), Some(&b"ab"[..]));
        let named = b"\x17\x01\0\0\0\x08\x01\0\0\0\x01\0\x01\xfd\0\0\x02ab";
        assert_eq!(only(named, None, true), Some(&b"ab"[..]));
        let before = b"\x17\x01\0\0\0\0\x01\0\0\0\0\0\x02ab";
        assert_eq!(only(before, Some(b"\xfe\0"), false), Some(&b"ab"[..]));
        assert_eq!(only(before, None, false), None);
        assert_eq!(only(before, Some(b"\x03\0"), false), None);
        assert_eq!(only(b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\x01\x02ab", None, false), None);
        assert_eq!(only(b"\x17\x01\0\0\0\0\x01\0\0\0\x01\x01\xfd\0", None, false), None);
        assert_eq!(only(b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\x03ab", None, false), None);
    }
}
