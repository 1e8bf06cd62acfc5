//! A URL as a picture: a QR code in a PNG file (ISO/IEC 15948), black and white, one bit a point.

use cofferdam_core::Fault;
use cofferdam_secret::{Buffer, Secret};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use qrcode::{Color, EcLevel, QrCode};
use std::io::Write as _;

/// The picture, `size` points wide and high.
///
/// # Errors
/// When the code does not fit into so few points, or the URL into a code.
pub(super) fn png(url: &[u8], size: usize) -> Result<Secret<Vec<u8>>, Fault> {
    let code = QrCode::with_error_correction_level(url, EcLevel::M)
        .map_err(|_| Fault::invalid("the url is too long for a QR code; set qr_size to 0"))?;
    let width = code.width();
    let scale = size / width;
    if scale == 0 {
        return Err(Fault::invalid(format!(
            "qr_size: the QR code of this key needs at least {width} points"
        )));
    }
    let border = (size - scale * width) / 2;
    let dark = |x: usize, y: usize| {
        let module = |at: usize| {
            at.checked_sub(border)
                .map(|at| at / scale)
                .filter(|at| *at < width)
        };
        match (module(x), module(y)) {
            (Some(x), Some(y)) => code[(x, y)] == Color::Dark,
            _ => false,
        }
    };
    let mut rows = ZlibEncoder::new(Buffer::default(), Compression::default());
    for y in 0..size {
        // No filter; then eight points a byte, the first one highest, 1 for white.
        let mut row = vec![0_u8; 1 + size.div_ceil(8)];
        for x in (0..size).filter(|x| !dark(*x, y)) {
            if let Some(byte) = row.get_mut(1 + x / 8) {
                *byte |= 0x80 >> (x % 8);
            }
        }
        rows.write_all(&row).map_err(Fault::internal)?;
    }
    let rows = rows.finish().map_err(Fault::internal)?;
    let side = u32::try_from(size).map_err(Fault::internal)?.to_be_bytes();
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let mut out = Buffer::with_capacity(rows.len() + 64);
    out.push(b"\x89PNG\r\n\x1a\n");
    chunk(&mut out, b"IHDR", &header)?;
    chunk(&mut out, b"IDAT", rows.as_slice())?;
    chunk(&mut out, b"IEND", &[])?;
    Ok(out.finish())
}

fn chunk(out: &mut Buffer, name: &[u8; 4], content: &[u8]) -> Result<(), Fault> {
    let length = u32::try_from(content.len()).map_err(Fault::internal)?;
    let mut sum = Crc::new();
    sum.update(name);
    sum.update(content);
    out.push(&length.to_be_bytes());
    out.push(name);
    out.push(content);
    out.push(&sum.sum().to_be_bytes());
    Ok(())
}
