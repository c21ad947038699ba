//! `traceparent`: which trace a statement belongs to, as its client says.
//! Source: "Trace Context" of the W3C, level 1 and 2. Read strictly: whatever is not as the standard has it is no parent.

/// The length of a `traceparent` of version 0, and of the part of a later version that is read, in bytes.
const LENGTH: usize = 55;

/// The longest `traceparent` of a later version, in bytes. The standard names no limit.
const LONGEST: usize = 256;

/// The flag that the client records its own span.
const SAMPLED: u8 = 1;

/// The span of a client that a statement belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never 0.
    pub trace: u128,
    /// The client's span; never 0.
    pub span: u64,
    /// True if the client records its span.
    pub sampled: bool,
}

impl TraceParent {
    /// Parses the value of a `traceparent`. Returns None if it breaks a rule of the standard.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_at_checked(LENGTH)?;
        let version = hex(known.get(..2)?)?;
        let is_complete = match version {
            0 => more.is_empty(),
            0xff => false,
            // A later version may only add further fields.
            _ => text.len() <= LONGEST && matches!(more.first(), None | Some(b'-')),
        };
        let dashes = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
        let trace = hex(known.get(3..35)?)?;
        let span = u64::try_from(hex(known.get(36..52)?)?).ok()?;
        let flags = u8::try_from(hex(known.get(53..55)?)?).ok()?;
        let is_valid = is_complete && dashes && trace != 0 && span != 0;
        is_valid.then_some(TraceParent { trace, span, sampled: flags & SAMPLED != 0 })
    }
}

/// Reads up to 32 hexadecimal digits. Capital letters are not allowed.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(text: &str) -> Option<TraceParent> {
        TraceParent::parse(text.as_bytes())
    }

    #[test]
    fn a_usual_parent_is_read() {
        let parent = parse(USUAL).unwrap();
        assert_eq!(parent.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((parent.span, parent.sampled), (0xb7ad_6b71_6920_3331, true));
        assert!(!parse(&USUAL.replace("-01", "-00")).unwrap().sampled);
        // Level 2: bit 1 says that the trace's number is random. The other bits say nothing yet.
        assert!(!parse(&USUAL.replace("-01", "-02")).unwrap().sampled);
        assert!(parse(&USUAL.replace("-01", "-ff")).unwrap().sampled);
    }

    #[test]
    fn what_breaks_a_rule_is_no_parent() {
        for (from, to) in [
            ("00-0", "ff-0"),
            ("00-0", "0-0"),
            ("00-0", "0x-0"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("0af7651916cd43dd8448eb211c80319c", "0AF7651916CD43DD8448EB211C80319C"),
            ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c8031"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("b7ad6b7169203331", "b7ad6b716920333g"),
            ("-01", "-1"),
            ("-01", "-01-"),
            ("-01", "-01 "),
            ("-01", "_01"),
            ("00-0af", "00_0af"),
        ] {
            assert_eq!(parse(&USUAL.replacen(from, to, 1)), None, "{from} as {to}");
        }
        assert_eq!(parse(""), None);
        assert!((0..USUAL.len()).all(|cut| parse(&USUAL[..cut]).is_none()));
    }

    #[test]
    fn a_later_version_may_have_more_fields() {
        assert!(parse(&USUAL.replacen("00", "01", 1)).is_some());
        assert!(parse(&format!("{}-what-comes", USUAL.replacen("00", "cc", 1))).is_some());
        assert_eq!(parse(&format!("{}.", USUAL.replacen("00", "cc", 1))), None);
        assert_eq!(parse(&format!("{}-{}", USUAL.replacen("00", "cc", 1), "x".repeat(300))), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_parent_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceParent::parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read(trace in 1_u128.., span in 1_u64.., flags: u8) {
            let text = format!("00-{trace:032x}-{span:016x}-{flags:02x}");
            let expected = TraceParent { trace, span, sampled: flags & 1 == 1 };
            prop_assert_eq!(parse(&text), Some(expected));
        }
    }
}
