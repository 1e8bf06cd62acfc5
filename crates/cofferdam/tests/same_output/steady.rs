//! What is printed, without what differs from server to server and from time to time.

/// Replaces what differs from server to server, and the seconds that passed meanwhile.
pub(super) fn steady(text: &str) -> String {
    let left = |line: &str| {
        let line = line.trim_start();
        line.starts_with("ttl ") || line.starts_with("\"ttl\": 1")
    };
    let lines = text.split_inclusive('\n').filter(|line| !left(line));
    let lines = lines.map(|line| undated(in_order(line)));
    steady_words(&lines.collect::<String>())
}

/// A time of day in words, with its day.
fn undated(line: String) -> String {
    match line.strip_prefix("Install Time") {
        Some(time) if time.ends_with("UTC\n") => "Install Time TIME\n".to_owned(),
        _ => line,
    }
}

/// A curl command with its headers in order: OpenBao's client has them in any.
fn in_order(line: &str) -> String {
    let Some(mut rest) = line.strip_prefix("curl ") else {
        return line.to_owned();
    };
    let (mut words, mut headers) = (String::from("curl "), Vec::new());
    while let Some((before, after)) = rest.split_once("-H \"") {
        let (header, after) = after.split_once('"').unwrap();
        words.push_str(before.trim_start());
        headers.push(header);
        rest = after;
    }
    headers.sort_unstable();
    let headers: String = headers
        .iter()
        .map(|header| format!(" -H \"{header}\""))
        .collect();
    words + rest.trim() + &headers + "\n"
}

fn steady_words(text: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || "-_:.+".contains(c) {
            word.push(c);
        } else {
            out.push_str(steady_word(&word));
            word.clear();
            out.push(c);
        }
    }
    out
}

fn steady_word(word: &str) -> &str {
    let bytes = word.as_bytes();
    let digits = |from: usize, to: usize| {
        bytes
            .get(from..to)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<usize> = word.split('-').map(str::len).collect();
    let random =
        |text: &str| text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let dated = digits(0, 4) && bytes.get(4) == Some(&b'-');
    let stamp = word.len() > 15 && word.ends_with('Z') && dated && word.contains('T');
    let clock = word.len() > 10 && digits(0, 2) && word.contains(':') && word.contains('.');
    let minute = word.len() == 5 && digits(0, 2) && bytes[2] == b':';
    if stamp || clock || minute || word.starts_with("created_time:") {
        "TIME"
    } else if groups == [8, 4, 4, 4, 12] && hex(&word.replace('-', "")) {
        "UUID"
    } else if random(word) || word.strip_prefix("s.").is_some_and(random) {
        "RANDOM"
    } else if word.len() == 10 && digits(0, 10) {
        "EPOCH"
    } else if word.len() == 10 && digits(0, 4) && bytes[4] == b'-' && bytes[7] == b'-' {
        "DATE"
    } else if word.starts_with("vault-cluster-") {
        "CLUSTER"
    } else if let Some((name, suffix)) = word.rsplit_once('_')
        && suffix.len() == 8
        && hex(suffix)
    {
        name
    } else {
        word
    }
}
