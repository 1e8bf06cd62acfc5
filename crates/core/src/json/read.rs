//! Our own serde reader over [`Tokens`].
//!
//! Why not serde_json's: its errors quote the input, and it decodes escaped strings in a scratch
//! buffer that is freed without being wiped. This one's error type drops everything but the field
//! path and what the type expects, and a decoded string is handed over, not copied.

use super::error::{FieldError, Problem};
use super::raw::RAW;
use super::tokens::{Text, Token, Tokens};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Deepest nesting the reader follows. The budget at the door is far below; the figure keeps the
/// recursion through nested types within any thread's stack.
pub(crate) const DEPTH: usize = 256;

/// Reads `text`, which was checked before, as `T`.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, FieldError> {
    let mut reader = Reader {
        tokens: Tokens::new(text, DEPTH),
        pending: None,
        path: Vec::new(),
    };
    T::deserialize(&mut reader).map_err(|error| error.within(&reader.path_text()))
}

enum Segment<'a> {
    Name(Text<'a>),
    Index(usize),
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    /// A value's first token and its position, looked at but not used yet.
    pending: Option<(Token<'a>, usize)>,
    /// Where we are; stays where it is when an error passes through.
    path: Vec<Segment<'a>>,
}

const fn broken() -> FieldError {
    FieldError::unusable()
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Result<(Token<'a>, usize), FieldError> {
        if let Some(pending) = self.pending.take() {
            return Ok(pending);
        }
        let start = self.tokens.value_start();
        let token = self.tokens.next().map_err(|_| broken())?;
        Ok((token.ok_or_else(broken)?, start))
    }

    fn next(&mut self) -> Result<Token<'a>, FieldError> {
        self.tokens.next().map_err(|_| broken())?.ok_or_else(broken)
    }

    /// `options.cas`, `keys[2]`. Names a client made up are shown only when they look like names.
    fn path_text(&self) -> String {
        let mut out = String::new();
        for segment in &self.path {
            match segment {
                Segment::Index(index) => {
                    let _infallible = write!(out, "[{index}]");
                }
                Segment::Name(name) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    let name = name.raw();
                    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
                    let show = name.len() <= 64 && name.bytes().all(is_plain);
                    out.push_str(if show { name } else { "?" });
                }
            }
        }
        out
    }
}

fn visit_text<'de, V: Visitor<'de>>(text: Text<'de>, visitor: V) -> Result<V::Value, FieldError> {
    match text.decoded() {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

fn visit_number<'de, V: Visitor<'de>>(number: &str, visitor: V) -> Result<V::Value, FieldError> {
    if let Ok(number) = number.parse::<u64>() {
        visitor.visit_u64(number)
    } else if let Ok(number) = number.parse::<i64>() {
        visitor.visit_i64(number)
    } else {
        visitor.visit_f64(number.parse().map_err(|_| broken())?)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.take()?.0 {
            Token::ObjectStart => visitor.visit_map(Inside(self)),
            Token::ArrayStart => visitor.visit_seq(Elements {
                reader: self,
                index: 0,
            }),
            Token::String(text) => visit_text(text, visitor),
            Token::Number(number) => visit_number(number, visitor),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Null => visitor.visit_unit(),
            Token::ObjectEnd | Token::ArrayEnd | Token::Key(_) => Err(broken()),
        }
    }

    /// Clients send null for a text they leave out (hvac does for every optional field), and Vault
    /// reads it as an empty one.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let first = self.take()?;
        if matches!(first.0, Token::Null) {
            return visitor.visit_str("");
        }
        self.pending = Some(first);
        self.deserialize_any(visitor)
    }

    /// As with text: null for an object of fields is one without any.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let first = self.take()?;
        if matches!(first.0, Token::Null) {
            let none = std::iter::empty::<(&str, &str)>();
            return visitor.visit_map(serde::de::value::MapDeserializer::<_, FieldError>::new(
                none,
            ));
        }
        self.pending = Some(first);
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let first = self.take()?;
        if matches!(first.0, Token::Null) {
            return visitor.visit_none();
        }
        self.pending = Some(first);
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        if name != RAW {
            return visitor.visit_newtype_struct(self);
        }
        let (first, start) = self.take()?;
        self.tokens.skip(first).map_err(|_| broken())?;
        visitor.visit_borrowed_bytes(self.tokens.since(start).as_bytes())
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        match self.take()?.0 {
            Token::String(text) => {
                visitor.visit_enum(StrDeserializer::<FieldError>::new(&text.decoded()))
            }
            Token::ObjectStart => {
                let value = visitor.visit_enum(Inside(self))?;
                match self.next()? {
                    Token::ObjectEnd => Ok(value),
                    _ => Err(FieldError::new("", Problem::Expected("one variant".into()))),
                }
            }
            _ => Err(FieldError::new("", Problem::Expected("text".into()))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let (first, _) = self.take()?;
        self.tokens.skip(first).map_err(|_| broken())?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

struct Elements<'r, 'a> {
    reader: &'r mut Reader<'a>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = FieldError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldError> {
        let first = self.reader.take()?;
        if matches!(first.0, Token::ArrayEnd) {
            return Ok(None);
        }
        self.reader.pending = Some(first);
        self.reader.path.push(Segment::Index(self.index));
        self.index += 1;
        let value = seed.deserialize(&mut *self.reader)?;
        self.reader.path.pop();
        Ok(Some(value))
    }
}

/// Inside an object.
struct Inside<'r, 'a>(&'r mut Reader<'a>);

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        match self.0.next()? {
            Token::Key(name) => {
                self.0.path.push(Segment::Name(name));
                seed.deserialize(Name(name)).map(Some)
            }
            Token::ObjectEnd => Ok(None),
            _ => Err(broken()),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, FieldError> {
        let value = seed.deserialize(&mut *self.0)?;
        self.0.path.pop();
        Ok(value)
    }
}

impl<'r, 'de> EnumAccess<'de> for Inside<'r, 'de> {
    type Error = FieldError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<(T::Value, Self), FieldError> {
        let variant = self.next_key_seed(seed)?.ok_or_else(broken)?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Inside<'_, 'de> {
    type Error = FieldError;

    fn unit_variant(mut self) -> Result<(), FieldError> {
        self.next_value_seed(std::marker::PhantomData::<()>)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        mut self,
        seed: T,
    ) -> Result<T::Value, FieldError> {
        self.next_value_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let value = self.0.deserialize_any(visitor)?;
        self.0.path.pop();
        Ok(value)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let value = self.0.deserialize_any(visitor)?;
        self.0.path.pop();
        Ok(value)
    }
}

/// The name of a field; as a map key it may stand for a number.
struct Name<'a>(Text<'a>);

macro_rules! whole_number_names {
    ($($method:ident $visit:ident $type:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
            let number = self.0.decoded().parse::<$type>();
            visitor.$visit(number.map_err(|_| {
                FieldError::new("", Problem::Expected("a whole number".into()))
            })?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Name<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visit_text(self.0, visitor)
    }

    whole_number_names! {
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_enum(StrDeserializer::<FieldError>::new(&self.0.decoded()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}
