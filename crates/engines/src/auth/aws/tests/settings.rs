//! The configuration, and what it says of identity.

use super::*;

#[tokio::test]
async fn the_configuration_is_read_back_without_its_secret() {
    let bench = Bench::new(Aws::default(), &[]).await;
    assert_eq!(bench.read("config/client").await.status, 404);
    let written = json!({
        "access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "canary-own-secret", "iam_endpoint": "https://iam.example",
        "sts_endpoint": "https://sts.example:8443", "sts_region": "eu-central-1", "use_sts_region_from_client": true,
        "iam_server_id_header_value": "vault.example", "allowed_sts_header_values": ["X-Custom-Header", "x-team"],
        "max_retries": 5,
    });
    assert_eq!(
        bench.write("config/client", written.clone()).await.status,
        204
    );
    let shown = bench.read("config/client").await.data;
    assert!(!shown.to_string().contains("canary"), "{shown}");
    for (name, value) in written.as_object().unwrap() {
        let expected = match name.as_str() {
            "secret_key" => Value::Null,
            "allowed_sts_header_values" => json!(["X-Custom-Header", "X-Team"]),
            _ => value.clone(),
        };
        assert_eq!(shown[name], expected, "{name}");
    }
    // What is not named stays.
    assert_eq!(
        bench
            .write("config/client", json!({"max_retries": "-1"}))
            .await
            .status,
        204
    );
    let shown = bench.read("config/client").await.data;
    assert_eq!(
        (&shown["max_retries"], &shown["sts_region"]),
        (&json!(-1), &json!("eu-central-1"))
    );
    for (change, why) in [
        (
            json!({"sts_endpoint": "http://sts.example"}),
            "sts_endpoint",
        ),
        (
            json!({"sts_endpoint": "https://sts.example/path"}),
            "without a path",
        ),
        (
            json!({"sts_endpoint": "https://user@sts.example"}),
            "sts_endpoint",
        ),
        (json!({"iam_endpoint": "ftp://x"}), "iam_endpoint"),
        (
            json!({"sts_region": "eu-central-1.evil.example"}),
            "sts_region",
        ),
        (json!({"max_retries": 11}), "max_retries"),
        (json!({"max_retries": -2}), "max_retries"),
        (
            json!({"allowed_sts_header_values": "Host"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"allowed_sts_header_values": "Accept"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"allowed_sts_header_values": "a\r\nb"}),
            "allowed_sts_header_values",
        ),
        (
            json!({"iam_server_id_header_value": "a\nb"}),
            "iam_server_id_header_value",
        ),
        (json!({"access_key": "a b"}), "access_key"),
        (
            json!({"endpoint": "https://ec2.example"}),
            "not served: endpoint",
        ),
        (json!({"role_arn": "arn"}), "not served: role_arn"),
        (json!({"rotation_period": 60}), "not served: rotation"),
    ] {
        let answer = bench.write("config/client", change.clone()).await;
        assert_eq!(answer.status, 400, "{change}: {answer:?}");
        assert!(answer.refusal().1.contains(why), "{change}: {answer:?}");
    }
    assert_eq!(bench.delete("config/client").await.status, 204);
    assert_eq!(bench.read("config/client").await.status, 404);
}

#[tokio::test]
async fn an_alias_is_named_as_the_configuration_says() {
    let cloud = shop("AROAWEBWEBWE");
    let bench = cloud.mount(json!({})).await;
    let role = json!({"bound_iam_principal_arn": "arn:aws:iam::123456789012:role/*"});
    assert_eq!(bench.write("role/web", role).await.status, 204);
    let shown = bench.read("config/identity").await.data;
    let usual = json!(["account_id", "auth_type"]);
    assert_eq!(
        shown,
        json!({"ec2_alias": "role_id", "ec2_metadata": usual, "iam_alias": "role_id", "iam_metadata": usual})
    );
    for (alias, name) in [
        ("unique_id", "AROAWEBWEBWE"),
        ("canonical_arn", "arn:aws:iam::123456789012:role/web"),
        ("full_arn", SESSION),
    ] {
        let change =
            json!({"iam_alias": alias, "iam_metadata": "default,client_arn,client_user_id"});
        assert_eq!(bench.write("config/identity", change).await.status, 204);
        let who = login(&bench, &Draft::new(&bench), json!({}))
            .await
            .login
            .unwrap();
        let known = who.alias.unwrap();
        assert_eq!(known.name, name);
        assert_eq!(known.metadata["client_arn"], SESSION);
        assert_eq!(known.metadata["client_user_id"], "AROAWEBWEBWE");
        assert_eq!(who.display_name, "web");
    }
    for (change, why) in [
        (json!({"iam_alias": "x"}), "iam_alias"),
        (json!({"iam_metadata": "x"}), "iam_metadata"),
        (json!({"iam_metadata": "inferred_entity_id"}), "inferred"),
        (json!({"ec2_alias": "image_id"}), "ec2_alias"),
    ] {
        let answer = bench.write("config/identity", change).await;
        assert!(answer.refusal().1.contains(why), "{answer:?}");
    }
    // Vault's own values of what is not served change nothing.
    let same = json!({"ec2_alias": "role_id", "ec2_metadata": "default"});
    assert_eq!(bench.write("config/identity", same).await.status, 204);
    assert_eq!(
        bench.read("config/identity").await.data["iam_alias"],
        "full_arn"
    );
}

#[tokio::test]
async fn logins_of_instances_are_refused_by_name() {
    let cloud = Cloud::user();
    let bench = cloud.mount(json!({})).await;
    for field in ["pkcs7", "identity", "signature"] {
        let answer = bench
            .write("login", json!({"role": "web", field: "x"}))
            .await;
        assert!(answer.refusal().1.contains("not served"), "{answer:?}");
    }
    let draft = Draft::new(&bench);
    let unknown = login(&bench, &draft, json!({"role": "nobody"})).await;
    assert_eq!(unknown.refusal(), (400, "entry for role not found"));
    assert_eq!(cloud.server.asked(), 0);
    let near = json!({"token_bound_cidrs": "10.0.0.0/8"});
    assert_eq!(bench.write("role/web", near).await.status, 204);
    assert_eq!(login(&bench, &draft, json!({})).await.refusal(), DENIED);
    assert_eq!(cloud.server.asked(), 0);
}
