//! What of a request is carried on, and what ends a login before anybody is asked.

use super::*;

#[tokio::test]
async fn a_get_asks_in_its_url() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let get = |target: &str| {
        let mut draft = Draft::new(&bench);
        (draft.method, draft.body) = ("GET", "");
        draft.url = format!("https://sts.amazonaws.com{target}");
        draft.headers.retain(|(name, _)| name != "Content-Type");
        draft
    };
    let good = get(&format!("/?{BODY}"));
    assert!(login(&bench, &good, json!({})).await.login.is_some());
    assert!(
        cloud
            .last()
            .0
            .starts_with(&format!("GET /?{BODY} HTTP/1.1\r\n"))
    );
    let asked = cloud.server.asked();
    for target in [
        "/",
        "/?Action=GetCallerIdentity",
        "/?Action=AssumeRole&Version=2011-06-15",
        "/?Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "/?action=GetCallerIdentity&Version=2011-06-15",
        "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=x",
        "/x?Action=GetCallerIdentity&Version=2011-06-15",
    ] {
        let answer = login(&bench, &get(target), json!({})).await;
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
    let with_body = json!({"iam_request_body": STANDARD.encode(BODY)});
    assert_eq!(login(&bench, &good, with_body).await.status, 400);
    assert_eq!(cloud.server.asked(), asked);
}

#[tokio::test]
async fn another_host_is_never_asked() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let stranger = Cloud::user();
    let asked = |answer: Answer, what: &str| {
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
    };
    let evil = stranger.server.url("/");
    for url in [
        evil.as_str(),
        "https://evil.example/",
        "https://sts.amazonaws.com@evil.example/",
        "https://sts.amazonaws.com:x@evil.example/",
        "https://evil.example#sts.amazonaws.com/",
        "https://evil.example\\@sts.amazonaws.com/",
        "https://sts.amazonaws.com.evil.example/",
        "https://iam.amazonaws.com/",
        "https://sts.us-west-2.amazonaws.com/",
        "http://sts.amazonaws.com/",
        "//sts.amazonaws.com/",
        "https://sts.amazonaws.com/ HTTP/1.1\r\nHost: evil.example",
        "https://169.254.169.254/",
        "",
    ] {
        let draft = Draft::new(&bench);
        let changes = json!({"iam_request_url": STANDARD.encode(url)});
        asked(login(&bench, &draft, changes).await, url);
    }
    // The host of the header is the one of the URL.
    let draft = Draft::new(&bench);
    let changes = json!({"headers": {"Host": ["evil.example"]}});
    asked(login(&bench, &draft, changes).await, "Host");
    let mut draft = Draft::new(&bench);
    for region in ["us-east-1.evil.example", "evil.example/", "..", ""] {
        draft.region = region;
        asked(login(&bench, &draft, json!({})).await, region);
    }
    assert_eq!((cloud.server.asked(), stranger.server.asked()), (0, 0));
    // A region of the client's choice is a region, and its host is AWS'.
    let bench = cloud
        .mount(json!({"use_sts_region_from_client": true}))
        .await;
    let mut draft = Draft::new(&bench);
    draft.region = "eu-west-1.evil.example";
    draft.url = "https://sts.eu-west-1.evil.example.amazonaws.com/".into();
    asked(login(&bench, &draft, json!({})).await, "region");
    // A region that is set is the only one.
    let bench = cloud.mount(json!({"sts_region": "eu-central-1"})).await;
    let answer = login(&bench, &Draft::new(&bench), json!({})).await;
    assert!(answer.refusal().1.contains("another region"), "{answer:?}");
    assert_eq!(cloud.server.asked(), 0);
}

#[tokio::test]
async fn one_question_is_asked_and_no_other() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    for body in [
        "",
        "Action=GetCallerIdentity",
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&Action=AssumeRole",
        "Action=AssumeRole&Action=GetCallerIdentity&Version=2011-06-15",
        "Action=GetCallerIdentity&Version=2011-06-15&",
        "Action=GetCallerIdentity&Version=2011-06-15\r\n",
        "Action=GetCallerIdentity&Version=2011-06-15&ContentType=JSON",
        "Action=GetCallerIdentity&Version=2010-05-08",
        "action=GetCallerIdentity&Version=2011-06-15",
        "Action=%47etCallerIdentity&Version=2011-06-15",
        "{\"Action\":\"GetCallerIdentity\"}",
    ] {
        let mut draft = Draft::new(&bench);
        draft.body = body;
        let answer = login(&bench, &draft, json!({})).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(
            answer.refusal().1.contains("iam_request_body"),
            "{body}: {answer:?}"
        );
    }
    for url in [
        "https://sts.amazonaws.com/?Action=AssumeRole",
        "https://sts.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "https://sts.amazonaws.com/?",
        "https://sts.amazonaws.com/x",
        "https://sts.amazonaws.com//",
        "https://sts.amazonaws.com/;/",
    ] {
        let mut draft = Draft::new(&bench);
        draft.url = url.into();
        let answer = login(&bench, &draft, json!({})).await;
        assert!(
            answer.refusal().1.contains("iam_request_url"),
            "{url}: {answer:?}"
        );
    }
    for method in ["PUT", "post", "POST ", "HEAD", "POST / HTTP/1.1\r\n"] {
        let changes = json!({"iam_http_request_method": method});
        let answer = login(&bench, &Draft::new(&bench), changes).await;
        assert_eq!(answer.status, 400, "{method}");
    }
    for field in [
        "iam_http_request_method",
        "iam_request_url",
        "iam_request_headers",
    ] {
        let answer = login(&bench, &Draft::new(&bench), json!({field: ""})).await;
        assert!(
            answer.refusal().1.contains("missing iam_"),
            "{field}: {answer:?}"
        );
    }
    assert_eq!(cloud.server.asked(), 0);
}

#[tokio::test]
async fn headers_beside_the_list_are_not_carried() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    // Signed, and not on the list.
    for (name, value) in [
        ("X-Forwarded-Host", "evil.example"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("X-Amz-Target", "x"),
        ("Content-Encoding", "gzip"),
        ("Accept-Encoding", "gzip"),
        ("Expect", "100-continue"),
    ] {
        let draft = Draft::new(&bench).with(name, value);
        let answer = login(&bench, &draft, json!({})).await;
        assert!(
            answer.refusal().1.contains("does not allow"),
            "{name}: {answer:?}"
        );
    }
    // On the list, with what STS or a proxy would read otherwise.
    for (name, value) in [
        ("Accept", "application/json"),
        ("Content-Length", "44"),
        ("Content-Type", "application/json"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("User-Agent", "a\tb"),
        ("User-Agent", "a\r\nX-Amz-Target: b"),
        ("User-Agent", "\u{e4}"),
    ] {
        let mut draft = Draft::new(&bench);
        draft.headers.retain(|(own, _)| own != name);
        let answer = login(&bench, &draft.with(name, value), json!({})).await;
        assert!(
            answer.refusal().1.contains("a value that STS"),
            "{name} {value}: {answer:?}"
        );
    }
    // Added behind the signature's back.
    for (name, value, why) in [
        ("x-amz-date", json!("20200101T000000Z"), "twice"),
        ("AUTHORIZATION", json!("x"), "twice"),
        ("X-Amz-Security-Token", json!("x"), "must be signed"),
        ("X-Amz-Date", Value::Null, "must be signed"),
        ("Authorization", Value::Null, "Authorization"),
        ("User-Agent", json!(["a", "b"]), "iam_request_headers"),
        ("User-Agent", json!([]), "iam_request_headers"),
        ("User-Agent", json!({"a": "b"}), "iam_request_headers"),
    ] {
        let answer = login(
            &bench,
            &Draft::new(&bench),
            json!({"headers": {name: value}}),
        )
        .await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(answer.refusal().1.contains(why), "{name}: {answer:?}");
    }
    let signed = Draft::new(&bench).with("User-Agent", "a");
    let answer = login(&bench, &signed, json!({"headers": {"User-Agent": null}})).await;
    assert!(answer.refusal().1.contains("not there"), "{answer:?}");
    assert_eq!(cloud.server.asked(), 0);
    // What is not signed stays here.
    let loose = json!({"headers": {
        "Accept": "application/json", "X-Forwarded-Host": "evil.example", "Content-Length": "3", "Connection": "close",
    }});
    assert!(
        login(&bench, &Draft::new(&bench), loose)
            .await
            .login
            .is_some()
    );
    let head = cloud.last().0.to_ascii_lowercase();
    assert!(
        !head.contains("json") && !head.contains("forwarded"),
        "{head}"
    );
    assert_eq!(head.matches("content-length").count(), 1, "{head}");
    // One more may be allowed.
    let bench = cloud
        .mount(json!({"allowed_sts_header_values": "X-Team"}))
        .await;
    let draft = Draft::new(&bench).with("X-Team", "web");
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    assert!(cloud.last().0.to_ascii_lowercase().contains("x-team: web"));
}

#[tokio::test]
async fn a_request_for_another_server_is_none_for_this_one() {
    let cloud = Cloud::user();
    let bench = cloud
        .mount(json!({"iam_server_id_header_value": "vault.example"}))
        .await;
    let name = "X-Vault-AWS-IAM-Server-ID";
    let other = Draft::new(&bench).with(name, "other.example");
    let none = Draft::new(&bench);
    let refused = [
        login(&bench, &none, json!({})).await,
        login(&bench, &other, json!({})).await,
        // Put in later: the signature does not cover it.
        login(&bench, &none, json!({"headers": {name: "vault.example"}})).await,
        login(
            &bench,
            &other,
            json!({"headers": {name: "vault.example, other.example"}}),
        )
        .await,
    ];
    for answer in refused {
        assert!(answer.refusal().1.contains("Server-ID"), "{answer:?}");
    }
    // Named as signed in a second list.
    let mut draft = Draft::new(&bench);
    let login_body = draft.login(json!({}));
    let headers = STANDARD
        .decode(login_body["iam_request_headers"].as_str().unwrap())
        .unwrap();
    let headers: Value = serde_json::from_slice(&headers).unwrap();
    let proof = headers["Authorization"][0].as_str().unwrap();
    let doubled = format!("{proof}, SignedHeaders=host;x-vault-aws-iam-server-id");
    let changes = json!({"headers": {name: "vault.example", "Authorization": doubled}});
    assert!(
        login(&bench, &draft, changes)
            .await
            .refusal()
            .1
            .contains("Authorization")
    );
    assert_eq!(cloud.server.asked(), 0);
    draft = draft.with(name, "vault.example");
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    assert!(
        cloud
            .last()
            .0
            .to_ascii_lowercase()
            .contains("x-vault-aws-iam-server-id: vault.example")
    );
}

#[tokio::test]
async fn a_signature_is_good_for_minutes() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let draft = Draft::new(&bench);
    bench.clock.advance(Duration::from_secs(14 * 60));
    assert!(login(&bench, &draft, json!({})).await.login.is_some());
    bench.clock.advance(Duration::from_secs(2 * 60));
    let asked = cloud.server.asked();
    assert!(
        login(&bench, &draft, json!({}))
            .await
            .refusal()
            .1
            .contains("15 minutes")
    );
    // Another day than the one that was signed.
    let mut other = Draft::new(&bench);
    other
        .headers
        .iter_mut()
        .find(|(name, _)| name == "X-Amz-Date")
        .unwrap()
        .1 = "yesterday".into();
    assert_eq!(
        login(&bench, &other, json!({"role": "web"})).await.status,
        400
    );
    assert_eq!(cloud.server.asked(), asked);
}
