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
        AWAY
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

#[tokio::test]
async fn an_aws_that_is_away_refuses_nobody() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let who = login(&bench, &Draft::new(&bench), json!({})).await;
    let mut entry = token("a");
    entry.binding = who.login.unwrap().binding;
    let code =
        |word: &str| format!("<ErrorResponse><Error><Code>{word}</Code></Error></ErrorResponse>");
    for (status, body, expected) in [
        ("500 x", String::new(), AWAY),
        ("429 x", String::new(), AWAY),
        ("400 Bad Request", code("Throttling"), AWAY),
        ("400 Bad Request", code("MalformedQueryString"), DENIED),
        ("403 Forbidden", code("InvalidClientTokenId"), DENIED),
    ] {
        let shown = format!("{status} {body}");
        cloud
            .server
            .answers(move |_, to| respond(to, status, &body));
        let answer = login(&bench, &Draft::new(&bench), json!({})).await;
        assert_eq!(answer.refusal(), expected, "{shown}");
    }
    cloud.server.answers(|_, _| {});
    let answer = login(&bench, &Draft::new(&bench), json!({})).await;
    assert_eq!(answer.refusal(), AWAY);
    // A role that does not exist is told as ever, and nothing of one that does.
    let answer = login(&bench, &Draft::new(&bench), json!({"role": "nobody"})).await;
    assert_eq!(answer.status, 400);
    // A token is not lost for want of an answer.
    let credentials = json!({"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "canary-secret"});
    assert_eq!(bench.write("config/client", credentials).await.status, 204);
    let pattern = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/team/*"});
    assert_eq!(bench.write("role/web", pattern).await.status, 204);
    let failed = bench.engine.renew(&bench.view, &entry).await.unwrap_err();
    assert_eq!(failed.kind(), Kind::Unavailable, "{failed:?}");
}
