//! Objects by name, compared at least as loosely as servers compare names. Where servers may differ, a name means the
//! worst of the objects that it may mean.

use std::collections::{HashMap, HashSet};

/// Stands for a character outside ASCII: servers ignore accents, so each such character may equal any other one.
const ANY: u8 = 0xff;
/// The longest name, in bytes: 64 characters of at most 4 bytes each, and room for doubled quotes.
const MAX_NAME: usize = 384;
/// A name outside ASCII is compared with at most this many other names; beyond, it means the worst of all objects.
const MAX_COMPARED: usize = 256;

/// What is known of an object, comparable.
pub(super) trait NameFacts: Copy {
    /// The higher, the less may be done with the object without care.
    fn severity(self) -> u8;
}

/// The objects that a name may mean, by their index in a list of facts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NamePlaces {
    None,
    These(Vec<usize>),
    /// There are too many names to compare: any of the objects.
    Any,
}

/// Objects, each with a schema and a name, by their index in a list of facts.
#[derive(Debug, Clone)]
pub(super) struct CatalogueNames<F> {
    /// The objects with a name in ASCII.
    plain: HashMap<Box<[u8]>, Named<F>>,
    /// The objects with another name.
    odd: Vec<(Box<[u8]>, Named<F>)>,
    /// The worst of all objects.
    worst: Option<F>,
}

/// The objects of one name. Any number of schemas may have one, and a text may use the name any number of times; so
/// every lookup must take constant time.
#[derive(Debug, Clone)]
struct Named<F> {
    /// The indexes of the objects, by schema.
    in_schema: HashMap<Box<[u8]>, Vec<usize>>,
    /// The worst of the facts of all these objects.
    worst: Option<F>,
}

impl<F> Default for CatalogueNames<F> {
    fn default() -> Self {
        CatalogueNames { plain: HashMap::new(), odd: Vec::new(), worst: None }
    }
}

impl<F> Default for Named<F> {
    fn default() -> Self {
        Named { in_schema: HashMap::new(), worst: None }
    }
}

impl<F: NameFacts> CatalogueNames<F> {
    pub(super) fn insert(&mut self, schema: &[u8], name: &[u8], at: usize) {
        let (mut schema_room, mut room) = ([0; MAX_NAME], [0; MAX_NAME]);
        let schema: Box<[u8]> = fold(schema, &mut schema_room).unwrap_or_default().into();
        let name: Box<[u8]> = fold(name, &mut room).unwrap_or_default().into();
        let named = if name.contains(&ANY) {
            let known = self.odd.iter().position(|(odd, _)| *odd == name).unwrap_or_else(|| {
                self.odd.push((name, Named::default()));
                self.odd.len() - 1
            });
            self.odd.get_mut(known).map(|(_, named)| named)
        } else {
            Some(self.plain.entry(name).or_default())
        };
        if let Some(named) = named {
            named.in_schema.entry(schema).or_default().push(at);
        }
    }

    /// Notes the worst facts of each name, after the facts of objects have changed.
    pub(super) fn facts_changed(&mut self, facts: &[F]) {
        self.worst = None;
        let odd = self.odd.iter_mut().map(|(_, named)| named);
        for named in self.plain.values_mut().chain(odd) {
            named.worst = worst_at(facts, named.in_schema.values().flatten());
            self.worst = worse(self.worst, named.worst);
        }
    }

    /// Returns the worst facts of the objects that the name may mean; None if there are none. `schema` is None if it
    /// is unknown.
    pub(super) fn find(&self, facts: &[F], schema: Option<&[u8]>, name: &[u8]) -> Option<F> {
        let (mut schema_room, mut room) = ([0; MAX_NAME], [0; MAX_NAME]);
        // An object cannot have so long a name.
        let name = fold(name, &mut room)?;
        // Servers compare schemas outside ASCII by rules of their own: any schema.
        let schema = match schema.map(|schema| fold(schema, &mut schema_room)) {
            Some(None) => return None,
            Some(Some(schema)) if !schema.contains(&ANY) => Some(schema),
            _ => None,
        };
        if name.contains(&ANY) {
            return self.find_odd(facts, schema, name);
        }
        let plain = self.plain.get(name).and_then(|named| named.of(facts, schema));
        if self.odd.is_empty() {
            return plain;
        }
        self.among_odd(facts, schema, name, plain)
    }

    /// Like [`Self::find`], for a name in ASCII that no object with another name has.
    pub(super) fn find_exact(&self, facts: &[F], schema: Option<&[u8]>, name: &[u8]) -> Option<F> {
        let (mut schema_room, mut room) = ([0; MAX_NAME], [0; MAX_NAME]);
        let named = self.plain.get(fold(name, &mut room)?)?;
        match schema.map(|schema| fold(schema, &mut schema_room)) {
            Some(None) => None,
            Some(Some(schema)) if !schema.contains(&ANY) => named.of(facts, Some(schema)),
            _ => named.of(facts, None),
        }
    }

    /// Returns the objects that the name may mean in this schema.
    pub(super) fn places(&self, schema: &[u8], name: &[u8]) -> NamePlaces {
        let (mut schema_room, mut room) = ([0; MAX_NAME], [0; MAX_NAME]);
        let folded = fold(schema, &mut schema_room).zip(fold(name, &mut room));
        let Some((schema, name)) = folded else { return NamePlaces::None };
        let is_odd = name.contains(&ANY);
        if self.odd.len() > MAX_COMPARED || (is_odd && self.plain.len() > MAX_COMPARED) {
            return NamePlaces::Any;
        }
        let named: Vec<_> = match is_odd {
            true => self
                .plain
                .iter()
                .filter(|(known, _)| may_equal(known, name))
                .map(|(_, named)| named)
                .collect(),
            false => self.plain.get(name).into_iter().collect(),
        };
        let odd = self.odd.iter().filter(|(odd, _)| may_equal(odd, name)).map(|(_, named)| named);
        let in_schema = |named: &Named<F>| {
            let alike = named.in_schema.iter().filter(|(known, _)| may_equal(known, schema));
            alike.flat_map(|(_, places)| places.iter().copied()).collect::<Vec<usize>>()
        };
        let places: Vec<usize> = named.into_iter().chain(odd).flat_map(in_schema).collect();
        if places.is_empty() { NamePlaces::None } else { NamePlaces::These(places) }
    }

    fn find_odd(&self, facts: &[F], schema: Option<&[u8]>, name: &[u8]) -> Option<F> {
        if self.plain.len() > MAX_COMPARED {
            return self.worst;
        }
        let alike = self.plain.iter().filter(|(plain, _)| may_equal(plain, name));
        let plain = alike.fold(None, |found, (_, named)| worse(found, named.of(facts, schema)));
        self.among_odd(facts, schema, name, plain)
    }

    /// Returns the worst of `found` and of the objects with a name outside ASCII that may equal this name.
    fn among_odd(&self, facts: &[F], schema: Option<&[u8]>, name: &[u8], found: Option<F>) -> Option<F> {
        if self.odd.len() > MAX_COMPARED {
            return if name.contains(&ANY) { self.worst } else { worse(found, self.worst_of_odd()) };
        }
        let alike = self.odd.iter().filter(|(odd, _)| may_equal(odd, name));
        alike.fold(found, |found, (_, named)| worse(found, named.of(facts, schema)))
    }

    fn worst_of_odd(&self) -> Option<F> {
        self.odd.iter().fold(None, |found, (_, named)| worse(found, named.worst))
    }
}

impl<F: NameFacts> Named<F> {
    fn of(&self, facts: &[F], schema: Option<&[u8]>) -> Option<F> {
        let Some(schema) = schema else { return self.worst };
        // A schema outside ASCII is stored with `ANY`, and may equal any other one on a server that ignores case.
        worst_at(facts, self.in_schema.get(schema).into_iter().flatten())
    }
}

/// Names without schemas: of packages, of loadable functions.
#[derive(Debug, Clone, Default)]
pub(super) struct NameSet {
    /// The folded names.
    folded: HashSet<Box<[u8]>>,
    /// True if one of the names is outside ASCII.
    odd: bool,
}

impl NameSet {
    pub(super) fn new(names: &[Box<[u8]>]) -> Self {
        let fold = |name: &[u8]| fold(name, &mut [0; MAX_NAME]).map(Box::from);
        let folded: HashSet<Box<[u8]>> = names.iter().filter_map(|name| fold(name)).collect();
        let odd = folded.iter().any(|name| name.contains(&ANY));
        NameSet { folded, odd }
    }

    /// True if the name may be one of the set.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        if self.folded.is_empty() {
            return false;
        }
        let mut room = [0; MAX_NAME];
        let Some(name) = fold(name, &mut room) else { return false };
        self.folded.contains(name)
            || (self.odd || name.contains(&ANY))
                && (self.folded.len() > MAX_COMPARED
                    || self.folded.iter().any(|known| may_equal(known, name)))
    }
}

/// Returns the worst facts at these indexes.
fn worst_at<'a, F: NameFacts>(facts: &[F], places: impl IntoIterator<Item = &'a usize>) -> Option<F> {
    places.into_iter().filter_map(|at| facts.get(*at)).copied().max_by_key(|facts| facts.severity())
}

fn worse<F: NameFacts>(a: Option<F>, b: Option<F>) -> Option<F> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.severity() >= b.severity() { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// True if a server may take `name` for `known`.
pub(super) fn may_mean(name: &[u8], known: &[u8]) -> bool {
    let (mut room, mut known_room) = ([0; MAX_NAME], [0; MAX_NAME]);
    let folded = fold(name, &mut room).zip(fold(known, &mut known_room));
    folded.is_some_and(|(name, known)| may_equal(name, known))
}

/// True if servers may take the two folded names for equal.
fn may_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || *a == ANY || *b == ANY)
}

/// Folds a name: ASCII letters in lower case, one `ANY` for each other character, and one quote for a run of quotes,
/// since a text may have them doubled. Returns None for a name that is too long.
fn fold<'r>(name: &[u8], room: &'r mut [u8; MAX_NAME]) -> Option<&'r [u8]> {
    let mut length = 0;
    let mut last = 0;
    for &byte in name {
        let folded = match byte {
            // The further bytes of a character.
            0x80..0xc0 => continue,
            0xc0.. => ANY,
            b'`' | b'"' if byte == last => continue,
            _ => byte.to_ascii_lowercase(),
        };
        last = byte;
        *room.get_mut(length)? = folded;
        length += 1;
    }
    room.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl NameFacts for u8 {
        fn severity(self) -> u8 {
            self
        }
    }

    fn names(of: &[(&str, &str)]) -> (CatalogueNames<u8>, Vec<u8>) {
        let facts: Vec<u8> = (1..).take(of.len()).collect();
        let mut names = CatalogueNames::default();
        for (at, (schema, name)) in of.iter().enumerate() {
            names.insert(schema.as_bytes(), name.as_bytes(), at);
        }
        names.facts_changed(&facts);
        (names, facts)
    }

    #[test]
    fn names_are_compared_without_case_and_accents() {
        let (names, facts) = names(&[
            ("shop", "Total"),
            ("other", "total"),
            ("shop", "größe"),
            ("shop", "grösse"),
            ("Läden", "plain"),
            ("shop", "tötäl"),
            ("shop", "it`s"),
        ]);
        let find =
            |schema: Option<&str>, name: &str| names.find(&facts, schema.map(str::as_bytes), name.as_bytes());
        assert_eq!(find(Some("shop"), "TOTAL"), Some(6), "the worst of total and tötäl");
        assert_eq!(find(Some("Other"), "total"), Some(2));
        assert_eq!(find(None, "total"), Some(6));
        assert_eq!(find(Some("shop"), "totál"), Some(6));
        assert_eq!(find(Some("other"), "tótal"), Some(2));
        assert_eq!(find(Some("shop"), "GRÖßE"), Some(3));
        assert_eq!(find(Some("shop"), "grosse"), Some(4), "ö equals o");
        assert_eq!(find(Some("shop"), "grose"), Some(3));
        assert_eq!(find(Some("shop"), "gross"), None);
        assert_eq!((find(Some("shop"), "plain"), find(Some("Läden"), "plain")), (None, Some(5)));
        assert_eq!(find(Some("shop"), "it``s"), Some(7));
        assert_eq!(find(Some("shop"), &"x".repeat(1000)), None);
    }

    #[test]
    fn places_are_those_of_a_schema() {
        let (names, _) = names(&[("shop", "f"), ("other", "F"), ("shop", "größe"), ("shop", "f")]);
        let places = |schema: &str, name: &str| names.places(schema.as_bytes(), name.as_bytes());
        assert_eq!(places("shop", "F"), NamePlaces::These(vec![0, 3]));
        assert_eq!(places("Other", "f"), NamePlaces::These(vec![1]));
        assert_eq!(places("shop", "grosse"), NamePlaces::None);
        assert_eq!(places("shop", "GRÖßE"), NamePlaces::These(vec![2]));
        assert_eq!(places("gone", "f"), NamePlaces::None);
        assert_eq!(places("shop", &"x".repeat(1000)), NamePlaces::None);
    }

    #[test]
    fn too_many_names_to_compare_mean_any_of_them() {
        let mut names: CatalogueNames<u8> = CatalogueNames::default();
        for at in 0..=MAX_COMPARED {
            names.insert(b"shop", format!("f{at}").as_bytes(), at);
        }
        assert_eq!(names.places(b"shop", b"f7"), NamePlaces::These(vec![7]));
        assert_eq!(names.places(b"shop", "é".as_bytes()), NamePlaces::Any);
        for at in 0..=MAX_COMPARED {
            names.insert(b"shop", format!("é{at}").as_bytes(), at);
        }
        assert_eq!(names.places(b"shop", b"f7"), NamePlaces::Any);
    }

    #[test]
    fn sets_of_names() {
        let set = |names: &[&str]| {
            NameSet::new(&names.iter().map(|name| name.as_bytes().into()).collect::<Vec<_>>())
        };
        let plain = set(&["Total", "sum_of"]);
        assert!(plain.contains(b"TOTAL") && plain.contains("tótal".as_bytes()));
        assert!(!plain.contains(b"tot") && !plain.contains("größe".as_bytes()));
        let odd = set(&["tötal"]);
        assert!(odd.contains(b"total") && !odd.contains(b"totals") && !set(&[]).contains(b"total"));
    }

    #[test]
    fn a_name_outside_ascii_among_very_many_means_the_worst() {
        let many: Vec<String> = (0..1000).map(|i| format!("f{i}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| ("shop", name.as_str())).collect();
        let facts = vec![1; 1000];
        let mut names = CatalogueNames::default();
        for (at, (schema, name)) in many.iter().enumerate() {
            names.insert(schema.as_bytes(), name.as_bytes(), at);
        }
        names.facts_changed(&facts);
        assert_eq!(names.find(&facts, None, "é".as_bytes()), Some(1));
        assert_eq!(names.find(&facts, None, b"e"), None);
    }
}
