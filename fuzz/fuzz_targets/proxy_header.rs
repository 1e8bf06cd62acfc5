//! The first bytes of a connection: what is settled stays settled, and a header of the text form is read
//! back as it was written.
#![no_main]

use cofferdam_server::listen::proxy_header::{ENOUGH, Opening, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let early = read(&bytes[..bytes.len().min(cut.into())]);
    let whole = read(bytes);
    if early != Opening::More {
        assert_eq!(whole, early);
    }
    if bytes.len() >= ENOUGH {
        assert_ne!(whole, Opening::More);
    }
    let Opening::Header { length, source } = whole else { return };
    assert!(length > 12 && length <= 16 + 4096);
    let Some(source) = source else { return };
    let family = if source.is_ipv4() { "TCP4 " } else { "TCP6 " };
    let address = source.ip();
    let line = format!("PROXY {family}{address} {address} {} 80\r\n", source.port());
    let same = Opening::Header {
        length: line.len(),
        source: Some(source),
    };
    assert_eq!(read(line.as_bytes()), same);
});
