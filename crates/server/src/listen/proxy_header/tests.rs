use super::*;
use proptest::prelude::*;

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes
}

const INET: [u8; 12] = [10, 9, 8, 7, 127, 0, 0, 1, 0x0f, 0xa0, 0, 80];

fn header(length: usize, source: Option<&str>) -> Opening {
    let source = source.map(|text| text.parse().unwrap());
    Opening::Header { length, source }
}

#[test]
fn lines() {
    let good = [
        (
            "PROXY TCP4 10.9.8.7 127.0.0.1 4000 80\r\n",
            Some("10.9.8.7:4000"),
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n",
            Some("[2001:db8::1]:65535"),
        ),
        (
            "PROXY TCP6 10.9.8.7 127.0.0.1 4000 80\r\n",
            Some("10.9.8.7:4000"),
        ),
        ("PROXY UNKNOWN\r\n", None),
        ("PROXY UNKNOWN ffff::1 ffff::2 1 2 and more\r\n", None),
    ];
    for (text, source) in good {
        assert_eq!(read(text.as_bytes()), header(text.len(), source), "{text}");
        let more = format!("{text}GET / HTTP/1.1\r\n\r\n");
        assert_eq!(read(more.as_bytes()), header(text.len(), source), "{text}");
        for cut in 0..text.len() {
            assert_eq!(
                read(&text.as_bytes()[..cut]),
                Opening::More,
                "{cut} of {text}"
            );
        }
    }
    let worst = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(worst.len(), 107);
    assert_eq!(read(worst.as_bytes()), header(107, None));
    let one_more = worst.replace("UNKNOWN ", "UNKNOWN  ");
    assert_eq!(read(one_more.as_bytes()), Opening::Wrong);
}

#[test]
fn wrong_lines() {
    for text in [
        "PROXY TCP4 10.9.8.7 127.0.0.1 4000 80\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1 04000 80\r\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1 +400 80\r\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1 65536 80\r\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1  80\r\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1 4000\r\n",
        "PROXY TCP4 10.9.8.7 127.0.0.1 4000 80 \r\n",
        "PROXY TCP4 10.9.8.7  127.0.0.1 4000 80\r\n",
        "PROXY TCP4 010.9.8.7 127.0.0.1 4000 80\r\n",
        "PROXY TCP4 ::1 ::1 4000 80\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 4000 80\r\n",
        "PROXY TCP4 localhost 127.0.0.1 4000 80\r\n",
        "PROXY UDP4 10.9.8.7 127.0.0.1 4000 80\r\n",
        "PROXY unknown\r\n",
        "PROXY \r\n",
        "PROXY UNKNOWN \u{fffd}\r\nx",
    ] {
        let expected = if text.contains('\u{fffd}') {
            // Anything may follow the word, as long as it is text.
            header(text.len() - 1, None)
        } else {
            Opening::Wrong
        };
        assert_eq!(read(text.as_bytes()), expected, "{text:?}");
    }
    assert_eq!(read(b"PROXY UNKNOWN \xff\r\n"), Opening::Wrong);
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'a'; 200]].concat();
    assert_eq!(read(&endless), Opening::Wrong);
}

#[test]
fn other_openings_are_nobodys_header() {
    for bytes in [
        b"GET /v1/sys/health HTTP/1.1\r\n".as_slice(),
        b"PUT /",
        b"PROXYjunk TCP4 10.9.8.7 127.0.0.1 4000 80\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\r\n\r\nGET",
        b"\r\n\r\n\0\r\nQUIX",
    ] {
        assert_eq!(read(bytes), Opening::Absent, "{bytes:?}");
    }
    for undecided in [b"".as_slice(), b"P", b"PROXY", b"\r", b"\r\n\r\n\0\r\nQUIT"] {
        assert_eq!(read(undecided), Opening::More, "{undecided:?}");
    }
}

#[test]
fn binary_headers() {
    let six: Vec<u8> = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]; 2]
        .concat()
        .into_iter()
        .chain([0x0f, 0xa0, 0, 80])
        .collect();
    let added = [INET.as_slice(), b"\x04\x00\x02aa"].concat();
    let certificate = [INET.as_slice(), &[0x20; 4000]].concat();
    let good = [
        (v2(0x21, 0x11, &INET), Some("10.9.8.7:4000")),
        (v2(0x21, 0x12, &INET), Some("10.9.8.7:4000")),
        (v2(0x21, 0x11, &added), Some("10.9.8.7:4000")),
        (v2(0x21, 0x11, &certificate), Some("10.9.8.7:4000")),
        (v2(0x21, 0x21, &six), Some("[2001:db8::1]:4000")),
        (v2(0x21, 0x31, &[0; 216]), None),
        // The proxy's own connection, whatever it fills in.
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, &INET), None),
        (v2(0x20, 0x11, b""), None),
        (v2(0x20, 0x00, b"\x04\x00\x02aa"), None),
    ];
    for (bytes, source) in good {
        let seen = &bytes[..bytes.len().min(ENOUGH)];
        assert_eq!(read(seen), header(bytes.len(), source), "{seen:02x?}");
    }
}

#[test]
fn wrong_binary_headers() {
    for bytes in [
        v2(0x11, 0x11, &INET),
        v2(0x31, 0x11, &INET),
        v2(0x22, 0x11, &INET),
        v2(0x21, 0x13, &INET),
        v2(0x21, 0x41, &INET),
        v2(0x20, 0x13, &INET),
        v2(0x21, 0x00, b""),
        v2(0x21, 0x11, &INET[..11]),
        v2(0x21, 0x21, &INET),
        v2(0x21, 0x31, &INET),
        v2(0x21, 0x11, &[0; 4097]),
        v2(0x20, 0x00, &[0; 65_535]),
    ] {
        assert_eq!(read(&bytes), Opening::Wrong, "{:02x?}", &bytes[..16]);
    }
}

proptest! {
    /// Bytes that arrive later settle what was open and change nothing that was settled.
    #[test]
    fn an_answer_stays(
        start in prop::sample::select(vec![b"".to_vec(), WORD.to_vec(), SIGNATURE.to_vec(), b"PROXY TCP4 ".to_vec()]),
        rest in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"0123456789.: \r\n\x20\x21\x11".to_vec())], 0..200),
        cut in 0_usize..200,
    ) {
        let whole = [start, rest].concat();
        let early = read(&whole[..cut.min(whole.len())]);
        if early != Opening::More {
            prop_assert_eq!(read(&whole), early);
        }
        if let Opening::Header { length, .. } = early {
            prop_assert!(length <= LONGEST && length > WORD.len());
        }
        if whole.len() >= ENOUGH {
            prop_assert_ne!(read(&whole), Opening::More);
        }
    }
}
