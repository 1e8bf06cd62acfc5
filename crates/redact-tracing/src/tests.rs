use super::*;
use std::sync::Mutex;
use tracing::subscriber::with_default;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

const VALUE: &str = "swordfish-77!";

/// What a program would log by mistake.
fn chatter() {
    let span = tracing::info_span!("connect", url = "postgres://me:swordfish-77!@db/shop");
    let _entered = span.enter();
    tracing::info!(
        user = "me",
        password = "never registered",
        "hello swordfish-77!"
    );
    tracing::warn!(error = %io::Error::other("auth failed for me:swordfish-77!"), token_type = "bearer");
    tracing::info!("in base64: c3dvcmRmaXNoLTc3IQ==, in hex: 73776F7264666973682D373721");
}

fn logged(format: &str) -> String {
    let sink = Sink::default();
    let redactor = Redactor::with_style(Style::ascii());
    redactor.register("db", VALUE.as_bytes()).unwrap();
    let writer = {
        let sink = sink.clone();
        redactor.writer(move || sink.clone())
    };
    let builder = tracing_subscriber::fmt().with_writer(writer);
    match format {
        "json" => with_default(builder.json().finish(), chatter),
        "colour" => with_default(builder.with_ansi(true).finish(), chatter),
        _ => with_default(builder.with_ansi(false).finish(), chatter),
    }
    sink.text()
}

#[test]
fn no_format_lets_a_registered_value_or_a_password_out() {
    for format in ["text", "colour", "json"] {
        let text = logged(format);
        for value in [VALUE, "never registered", "c3dvcmRmaXNoLTc3I", "73776F"] {
            assert!(!text.contains(value), "{format}: {text}");
        }
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.contains("<secret:db>") && text.contains("<secret:password>"),
            "{text}"
        );
        assert!(text.contains("bearer") && text.contains("hello"), "{text}");
    }
}

#[test]
fn json_stays_json() {
    for line in logged("json").lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["span"]["url"]
                .as_str()
                .unwrap()
                .contains("<secret:db>")
        );
    }
}

#[test]
fn weak_values_are_refused_by_name() {
    let redactor = Redactor::new();
    let refused = redactor.register("pin", b"1234").unwrap_err().to_string();
    assert_eq!(
        refused,
        "pin cannot be masked in logs: shorter than 8 bytes"
    );
    assert_eq!(redactor.redact(b"1234"), b"1234");
}

#[test]
fn values_count_from_when_they_are_registered_and_clones_are_one() {
    let redactor = Redactor::with_style(Style::ascii()).without_keys();
    let clone = redactor.clone();
    assert_eq!(clone.redact(b"swordfish-77!"), b"swordfish-77!");
    redactor.register("a", b"swordfish-77!").unwrap();
    redactor.register("b", b"marlin-2026-Xy").unwrap();
    let out = clone.redact(b"swordfish-77! marlin-2026-Xy password=x");
    assert_eq!(out, b"<secret:a> <secret:b> password=x");
}
