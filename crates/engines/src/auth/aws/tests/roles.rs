//! Whom a role is for.

use super::*;

#[tokio::test]
async fn a_name_means_whoever_had_it_when_the_role_was_written() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let named = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/shop/web"});
    assert_eq!(bench.write("role/named", named).await.status, 204);
    let (head, body) = cloud.last();
    assert_eq!(body, "Action=GetRole&Version=2010-05-08&RoleName=web");
    assert!(
        head.contains("Credential=AKIAIOSFODNN7EXAMPLE/")
            && head.contains("/us-east-1/iam/aws4_request"),
        "{head}"
    );
    let shown = bench.read("role/named").await.data;
    assert_eq!(shown["bound_iam_principal_id"], json!(["AROAWEBWEBWE"]));
    assert_eq!(shown["resolve_aws_unique_ids"], json!(true));
    let draft = Draft::new(&bench);
    assert!(
        login(&bench, &draft, json!({"role": "named"}))
            .await
            .login
            .is_some()
    );
    // The name of the role in AWS finds ours where none is said.
    let role = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/*"});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    assert!(
        login(&bench, &draft, json!({"role": ""}))
            .await
            .login
            .is_some()
    );
    // Made again under its name it is somebody else.
    let again = shop("AROAWEBAGAIN");
    let sts = caller(SESSION, "AROAWEBAGAIN:i-1");
    drop(again);
    cloud
        .server
        .answers(move |_, to| respond(to, "200 OK", &sts));
    assert_eq!(
        login(&bench, &draft, json!({"role": "named"}))
            .await
            .refusal(),
        DENIED
    );
}

#[tokio::test]
async fn a_pattern_is_held_to_the_whole_arn_of_the_same_account() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let draft = Draft::new(&bench);
    let after = async |pattern: &str| {
        let role = json!({"bound_iam_principal_arn": pattern, "resolve_aws_unique_ids": true});
        assert_eq!(bench.write("role/p", role).await.status, 204);
        let before = cloud.server.asked();
        let admitted = login(&bench, &draft, json!({"role": "p"}))
            .await
            .login
            .is_some();
        (admitted, cloud.server.asked() - before)
    };
    // Without a question to IAM where no path could matter.
    assert_eq!(after("arn:aws:iam::123456789012:*").await, (true, 1));
    assert_eq!(after("arn:aws:iam::123456789012:role/*").await, (true, 1));
    assert_eq!(after("arn:aws:iam::123456789012:user/*").await, (false, 1));
    assert_eq!(after("arn:aws:iam::999999999999:role/*").await, (false, 1));
    assert_eq!(
        after("arn:aws:iam::123456789012:role/shop/*").await,
        (true, 2)
    );
    // The name alone would fit.
    assert_eq!(
        after("arn:aws:iam::123456789012:role/we*").await,
        (false, 2)
    );
    assert_eq!(
        after("arn:aws:iam::123456789012:role/*/web*").await,
        (true, 2)
    );
    // Who asks IAM about a role of another account hears of his own: it has another id.
    let id = caller(SESSION, "AROAOTHEROTH:i-1");
    let iam = known(
        "Role",
        "arn:aws:iam::123456789012:role/shop/web",
        "AROAWEBWEBWE",
    );
    cloud.server.answers(move |asked, to| {
        let answer = if asked.body == BODY { &id } else { &iam };
        respond(to, "200 OK", answer);
    });
    assert_eq!(
        after("arn:aws:iam::123456789012:role/shop/*").await,
        (false, 2)
    );
    let other = caller(
        "arn:aws:sts::999999999999:assumed-role/web/i-1",
        "AROAWEBWEBWE:i-1",
    );
    let iam = known(
        "Role",
        "arn:aws:iam::123456789012:role/shop/web",
        "AROAWEBWEBWE",
    );
    cloud.server.answers(move |asked, to| {
        let answer = if asked.body == BODY { &other } else { &iam };
        respond(to, "200 OK", answer);
    });
    assert_eq!(
        after("arn:aws:iam::999999999999:role/shop/*").await,
        (false, 2)
    );
}

#[tokio::test]
async fn roles_say_what_they_cannot() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(keys()).await;
    let arn = "arn:aws:iam::123456789012:user/ada";
    let with = |more: Value| {
        let mut role = json!({"bound_iam_principal_arn": arn});
        merge(&mut role, more);
        role
    };
    for (role, why) in [
        (json!({}), "at least one bound parameter"),
        (
            with(json!({"auth_type": "ec2"})),
            "not served: auth_type=ec2",
        ),
        (with(json!({"auth_type": "x"})), "expected iam"),
        (
            with(json!({"inferred_entity_type": "ec2_instance"})),
            "inferred_entity_type",
        ),
        (
            with(json!({"inferred_aws_region": "eu-west-1"})),
            "inferred_aws_region",
        ),
        (
            with(json!({"bound_account_id": "123456789012"})),
            "bound_account_id",
        ),
        (with(json!({"role_tag": "x"})), "role_tag"),
        (
            with(json!({"disallow_reauthentication": true})),
            "disallow_reauthentication",
        ),
        (
            json!({"bound_iam_principal_arn": "*"}),
            "begins with one account",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::*:role/web"}),
            "ends with *",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:root"}),
            "expected ARNs",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/nobody"}),
            "status 404 (NoSuchEntity)",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/far"}),
            "names somebody else",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/web"}),
            "nobody of this name at this path",
        ),
        (
            json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:user/x/ada", "resolve_aws_unique_ids": false}),
            "has no path",
        ),
        (
            with(json!({"token_ttl": "2h", "token_max_ttl": "1h"})),
            "token_ttl",
        ),
    ] {
        let answer = bench.write("role/bad", role.clone()).await;
        assert_eq!(answer.status, 400, "{role}: {answer:?}");
        assert!(answer.refusal().1.contains(why), "{role}: {answer:?}");
    }
    assert_eq!(bench.read("role/bad").await.status, 404);
    let good = with(json!({"token_ttl": "1h", "auth_type": "iam", "inferred_entity_type": ""}));
    assert_eq!(bench.write("role/Good", good).await.status, 204);
    let back = bench
        .write("role/good", json!({"resolve_aws_unique_ids": false}))
        .await;
    assert!(back.refusal().1.contains("from true to false"), "{back:?}");
    let shown = bench.read("role/good").await.data;
    assert_eq!(
        (&shown["token_ttl"], &shown["auth_type"]),
        (&json!(3600), &json!("iam"))
    );
    for path in ["role", "roles"] {
        assert_eq!(bench.list(path).await.data["keys"], json!(["good", "web"]));
    }
    assert_eq!(bench.delete("role/good").await.status, 204);
    assert_eq!(bench.read("role/good").await.status, 404);
    // Without credentials nothing is resolved, and the words say what to do.
    let bench = cloud.mount(json!({})).await;
    let answer = bench.write("role/x", with(json!({}))).await;
    assert!(
        answer.refusal().1.contains("access_key and secret_key"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_renewal_asks_whether_the_role_is_still_theirs() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    let who = login(&bench, &Draft::new(&bench), json!({}))
        .await
        .login
        .unwrap();
    let mut entry = token("a");
    entry.binding = who.binding;
    assert!(bench.engine.renew(&bench.view, &entry).await.is_ok());
    let bind = |arn: &str| json!({"bound_iam_principal_arn": arn});
    let other = bind("arn:aws:iam::123456789012:user/eve");
    assert_eq!(bench.write("role/web", other).await.status, 204);
    let refused = bench.engine.renew(&bench.view, &entry).await.unwrap_err();
    assert_eq!(refused.public(), "permission denied");
    let all = bind("arn:aws:iam::123456789012:user/*");
    assert_eq!(bench.write("role/web", all.clone()).await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_ok());
    // Made again under its name it is another role.
    assert_eq!(bench.delete("role/web").await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
    assert_eq!(bench.write("role/web", all).await.status, 204);
    assert!(bench.engine.renew(&bench.view, &entry).await.is_err());
}
