//! Forms in which single bytes are escaped: hex, percent, JSON, shell, UTF-16.

use super::{Collected, Form, Shape};
use cofferdam_secret::{Buffer, Secret};

/// Adds URL, JSON and shell forms.
pub(super) fn shapes(value: &[u8], all: &mut Collected) {
    for set in SETS {
        all.push(percent(value, set));
    }
    for style in STYLES {
        all.push(json(Form::Json, value, *style));
        let once = json(Form::Json, value, *style).bytes;
        all.push(json(Form::JsonTwice, once.expose(), *style));
    }
    for quote in [
        Shell::Single,
        Shell::SingleByDouble,
        Shell::Double,
        Shell::Backslash,
    ] {
        all.push(shell(value, quote));
    }
}

/// Both cases of hex in one shape.
pub(super) fn hex(value: &[u8]) -> Shape {
    let mut out = Marked::default();
    for &byte in value {
        out.digits(&[byte]);
    }
    out.into_shape(Form::Hex)
}

/// UTF-16 without its outermost zero bytes, so that both byte orders contain it where the text is
/// ASCII; beyond that one shape for each order.
pub(super) fn utf16(value: &[u8], all: &mut Collected) {
    match std::str::from_utf8(value) {
        Ok(text) if !text.is_ascii() => {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let mut out = Buffer::with_capacity(value.len() * 2);
                text.encode_utf16().for_each(|unit| out.push(&order(unit)));
                all.push(Shape::exact(Form::Utf16, out.finish()));
            }
        }
        _ => {
            let mut out = Buffer::with_capacity(value.len() * 2);
            for (index, &byte) in value.iter().enumerate() {
                if index > 0 {
                    out.push(&[0]);
                }
                out.push(&[byte]);
            }
            all.push(Shape::exact(Form::Utf16, out.finish()));
        }
    }
}

/// Which bytes a percent-encoder leaves alone, besides letters and digits.
struct Set {
    plain: &'static [u8],
    space: &'static [u8],
}

/// RFC 3986 unreserved; JavaScript's `encodeURIComponent`; forms (`application/x-www-form-urlencoded`,
/// with and without `~`); user information, path and query of a URL; only what cannot stand at all.
const SETS: &[Set] = &[
    Set {
        plain: b"-._~",
        space: b"%20",
    },
    Set {
        plain: b"-._~!*'()",
        space: b"%20",
    },
    Set {
        plain: b"-._*",
        space: b"+",
    },
    Set {
        plain: b"-._~",
        space: b"+",
    },
    Set {
        plain: b"-._~$&+,;=",
        space: b"%20",
    },
    Set {
        plain: b"-._~$&+,/:;=@",
        space: b"%20",
    },
    Set {
        plain: b"-._~!*'();/?:@&=+$,#",
        space: b"%20",
    },
    Set {
        plain: b"-._~!*'()/",
        space: b"%20",
    },
];

fn percent(value: &[u8], set: &Set) -> Shape {
    let mut out = Marked::default();
    for &byte in value {
        if byte.is_ascii_alphanumeric() || set.plain.contains(&byte) {
            out.plain(&[byte]);
        } else if byte == b' ' {
            out.plain(set.space);
        } else {
            out.plain(b"%");
            out.digits(&[byte]);
        }
    }
    out.into_shape(Form::Url)
}

/// How an encoder writes what JSON lets it choose (RFC 8259, section 7).
#[derive(Clone, Copy)]
struct Style {
    slash: bool,
    html: bool,
    ascii: bool,
    /// Written as `\uXXXX` besides.
    more: &'static str,
}

/// Plain; Go's default, which Docker uses (`<`, `>`, `&`, U+2028, U+2029 escaped); `\/`; Python's
/// default (ASCII only); both; Gson's default; .NET's default.
const STYLES: &[Style] = &[
    Style {
        slash: false,
        html: false,
        ascii: false,
        more: "",
    },
    Style {
        slash: false,
        html: true,
        ascii: false,
        more: "",
    },
    Style {
        slash: true,
        html: false,
        ascii: false,
        more: "",
    },
    Style {
        slash: false,
        html: false,
        ascii: true,
        more: "",
    },
    Style {
        slash: true,
        html: false,
        ascii: true,
        more: "",
    },
    Style {
        slash: false,
        html: true,
        ascii: false,
        more: "='",
    },
    Style {
        slash: false,
        html: true,
        ascii: true,
        more: "\"'+`",
    },
];

fn json(form: Form, value: &[u8], style: Style) -> Shape {
    let mut out = Marked::default();
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            json_character(character, style, &mut out);
        }
        // Not text: no encoder writes these bytes as they are, but a log line may.
        out.plain(chunk.invalid());
    }
    out.into_shape(form)
}

fn json_character(character: char, style: Style, out: &mut Marked) {
    match character {
        c if style.more.contains(c) => out.unicode(c),
        '"' => out.plain(b"\\\""),
        '\\' => out.plain(b"\\\\"),
        '\n' => out.plain(b"\\n"),
        '\r' => out.plain(b"\\r"),
        '\t' => out.plain(b"\\t"),
        '/' if style.slash => out.plain(b"\\/"),
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if style.html => out.unicode(character),
        c if c.is_ascii_control() || (style.ascii && !c.is_ascii()) => out.unicode(c),
        c => out.plain(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[derive(Clone, Copy)]
enum Shell {
    Single,
    SingleByDouble,
    Double,
    /// No quotes: `printf %q`.
    Backslash,
}

fn shell(value: &[u8], quote: Shell) -> Shape {
    let mut out = Marked::default();
    for &byte in value {
        match (quote, byte) {
            (Shell::Single, b'\'') => out.plain(b"'\\''"),
            (Shell::SingleByDouble, b'\'') => out.plain(b"'\"'\"'"),
            (Shell::Backslash, byte)
                if !byte.is_ascii_alphanumeric()
                    && byte.is_ascii_graphic()
                    && !b"_./:=@%+,-".contains(&byte) =>
            {
                out.plain(&[b'\\', byte]);
            }
            (Shell::Double, b'"' | b'\\' | b'$' | b'`') => out.plain(&[b'\\', byte]),
            _ => out.plain(&[byte]),
        }
    }
    out.into_shape(Form::Shell)
}

/// Bytes with a mark on those whose case is free.
#[derive(Default)]
struct Marked {
    bytes: Buffer,
    caseless: Vec<u8>,
}

impl Marked {
    fn plain(&mut self, bytes: &[u8]) {
        self.bytes.push(bytes);
        self.caseless.resize(self.bytes.len(), 0);
    }

    /// The hex digits of `bytes`, case free for `a` to `f`.
    fn digits(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                let letter = digit > 9;
                self.bytes.push(&[if letter {
                    digit + b'a' - 10
                } else {
                    digit + b'0'
                }]);
                self.caseless.push(if letter { 0x20 } else { 0 });
            }
        }
    }

    /// `\uXXXX`, as a surrogate pair where needed.
    fn unicode(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.plain(b"\\u");
            self.digits(&unit.to_be_bytes());
        }
    }

    fn into_shape(mut self, form: Form) -> Shape {
        if self.caseless.iter().all(|&mark| mark == 0) {
            self.caseless.clear();
        }
        let bytes: Secret<Vec<u8>> = std::mem::take(&mut self.bytes).finish();
        Shape {
            form,
            bytes,
            caseless: self.caseless,
        }
    }
}
