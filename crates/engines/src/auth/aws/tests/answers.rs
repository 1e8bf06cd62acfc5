//! What of an answer counts.

use super::*;

#[tokio::test]
async fn nothing_but_the_answer_of_sts_counts() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let good = caller("arn:aws:iam::123456789012:user/ada", "AIDAADAADAAD");
    let json = format!(
        "{{\"SubjectFromWebIdentityToken\": \"{}\"}}",
        good.replace('"', "'")
    );
    let large = format!("{good}{}", " ".repeat(70_000));
    for body in [
        json,
        large,
        String::new(),
        "{}".into(),
        good.replace(STS, "x"),
    ] {
        cloud
            .server
            .answers(move |_, to| respond(to, "200 OK", &body));
        assert_eq!(
            login(&bench, &Draft::new(&bench), json!({}))
                .await
                .refusal(),
            DENIED
        );
    }
    for status in ["403 Forbidden", "201 Created", "204 No Content"] {
        let good = good.clone();
        cloud
            .server
            .answers(move |_, to| respond(to, status, &good));
        assert_eq!(
            login(&bench, &Draft::new(&bench), json!({}))
                .await
                .refusal(),
            DENIED
        );
    }
    let stranger = Cloud::user();
    let there = stranger.server.url("/");
    cloud.server.answers(move |_, to| {
        let _ = write!(
            to,
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
        );
    });
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(stranger.server.asked(), 0);
    // Another one's answer is another one.
    let eve = caller("arn:aws:iam::123456789012:user/eve", "AIDAEVEEVEEV");
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &eve));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    let other = caller("arn:aws:iam::999999999999:user/ada", "AIDAADAADAAX");
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &other));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
}

#[tokio::test]
async fn a_busy_sts_is_asked_again() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({"max_retries": 2})).await;
    let left = Mutex::new(2);
    let good = caller("arn:aws:iam::123456789012:user/ada", "AIDAADAADAAD");
    cloud.server.answers(move |_, to| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return respond(to, "200 OK", &good);
        }
        *left -= 1;
        respond(to, "503 Service Unavailable", "");
    });
    assert!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .login
            .is_some()
    );
    assert_eq!(cloud.server.asked(), 3);
    cloud
        .server
        .answers(|_, to| respond(to, "503 Service Unavailable", ""));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(cloud.server.asked(), 6);
    // A refusal is final.
    cloud
        .server
        .answers(|_, to| respond(to, "403 Forbidden", ""));
    assert_eq!(
        login(&bench, &Draft::new(&bench), json!({}))
            .await
            .refusal(),
        DENIED
    );
    assert_eq!(cloud.server.asked(), 7);
}
