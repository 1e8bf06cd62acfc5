//! What a type reads, learnt from its own `Deserialize`: a reader of structs tells its names before
//! it reads, and of each name what it wants there. Nothing is read, and learning names allocates nothing.

use super::Kind;
use crate::json::RAW;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;
use std::cell::Cell;
use std::fmt;

/// How every lesson ends.
#[derive(Debug)]
struct End(Option<&'static str>);

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("learnt")
    }
}

impl std::error::Error for End {}

impl Error for End {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Some(field))
    }
}

/// The names, aliases among them.
pub(super) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let names = Cell::new([].as_slice());
    let _end = T::deserialize(Names(&names));
    names.get()
}

/// What the field of this name takes.
pub(super) fn kind<T: DeserializeOwned>(name: &'static str) -> Kind {
    let kind = Cell::new(Kind::Any);
    let _end = T::deserialize(Given {
        name: Some(name),
        kind: &kind,
    });
    kind.get()
}

/// Whether nothing can be read without it. (A type tells only the first one that it misses.)
pub(super) fn required<T: DeserializeOwned>(name: &'static str) -> bool {
    let kind = Cell::new(Kind::Any);
    let given = Given {
        name: None,
        kind: &kind,
    };
    matches!(T::deserialize(given), Err(End(Some(missing))) if missing == name)
}

struct Names<'c>(&'c Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = End;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, End> {
        Err(End(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, End> {
        self.0.set(fields);
        Err(End(None))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, End> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// An object with one field, or none.
struct Given<'c> {
    name: Option<&'static str>,
    kind: &'c Cell<Kind>,
}

impl<'de> Deserializer<'de> for Given<'_> {
    type Error = End;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
        visitor.visit_map(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, End> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        option unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Given<'_> {
    type Error = End;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, End> {
        let name = self.name.take();
        name.map(|name| {
            let name: StrDeserializer<'_, End> = name.into_deserializer();
            seed.deserialize(name)
        })
        .transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, End> {
        seed.deserialize(Value(self.kind))
    }
}

/// Sees what is wanted of a value.
struct Value<'c>(&'c Cell<Kind>);

macro_rules! wanted {
    ($($method:ident => $kind:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, End> {
            self.0.set(Kind::$kind);
            Err(End(None))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = End;

    /// Types that take several notations say in words what they take.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
        let words = (&visitor as &dyn Expected).to_string();
        self.0.set(of_words(&words));
        Err(End(None))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, End> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, End> {
        if name == RAW {
            return Err(End(None));
        }
        visitor.visit_newtype_struct(self)
    }

    wanted! {
        deserialize_bool => Boolean,
        deserialize_i8 => Integer,
        deserialize_i16 => Integer,
        deserialize_i32 => Integer,
        deserialize_i64 => Integer,
        deserialize_i128 => Integer,
        deserialize_u8 => Integer,
        deserialize_u16 => Integer,
        deserialize_u32 => Integer,
        deserialize_u64 => Integer,
        deserialize_u128 => Integer,
        deserialize_f32 => Number,
        deserialize_f64 => Number,
        deserialize_char => Text,
        deserialize_str => Text,
        deserialize_string => Text,
        deserialize_seq => List,
        deserialize_map => Object,
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, End> {
        self.0.set(Kind::Object);
        Err(End(None))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, End> {
        self.0.set(Kind::Text);
        Err(End(None))
    }

    forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// What types that take several notations call what they take.
const WORDS: &[(&str, Kind)] = &[
    ("true or false", Kind::Boolean),
    ("a whole number", Kind::Integer),
    ("a number", Kind::Number),
    ("a duration", Kind::Duration),
    ("a moment", Kind::Moment),
    ("an object", Kind::Map),
    ("a list", Kind::List),
    ("text", Kind::Text),
];

fn of_words(words: &str) -> Kind {
    let found = WORDS.iter().find(|(begin, _)| words.starts_with(begin));
    found.map_or(Kind::Any, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::OwnedRaw;
    use crate::json::field::{Count, Flag, Moment, Pairs, SignedTtl, Text, Ttl, Whole, Words};
    use cofferdam_secret::Secret;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Default, Deserialize)]
    #[serde(default)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct All {
        a: Option<Ttl>,
        b: Flag,
        c: Option<Count>,
        d: Words,
        e: Option<Pairs>,
        f: String,
        g: Option<Secret<String>>,
        h: Option<Whole>,
        i: Option<Moment>,
        #[serde(rename = "type", alias = "kind")]
        j: Option<String>,
        k: Option<OwnedRaw>,
        l: BTreeMap<String, String>,
        m: Vec<String>,
        n: f64,
        o: Option<SignedTtl>,
        p: Text,
    }

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Two {
        must: String,
        may: Option<String>,
    }

    #[test]
    fn a_reader_tells_its_names_their_kinds_and_what_it_cannot_do_without() {
        let names = names::<All>();
        assert_eq!(names.len(), 17, "{names:?}");
        for (name, kind) in [
            ("a", Kind::Duration),
            ("b", Kind::Boolean),
            ("c", Kind::Integer),
            ("d", Kind::List),
            ("e", Kind::Map),
            ("f", Kind::Text),
            ("g", Kind::Text),
            ("h", Kind::Integer),
            ("i", Kind::Moment),
            ("type", Kind::Text),
            ("kind", Kind::Text),
            ("k", Kind::Any),
            ("l", Kind::Object),
            ("m", Kind::List),
            ("n", Kind::Number),
            ("o", Kind::Duration),
            ("p", Kind::Text),
        ] {
            assert!(names.contains(&name), "{name}");
            assert_eq!(super::kind::<All>(name), kind, "{name}");
            assert!(!required::<All>(name), "{name}");
        }
        assert!(required::<Two>("must") && !required::<Two>("may"));
    }
}
