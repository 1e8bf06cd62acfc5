use super::super::command::{Additions, Command};
use super::*;

fn many(line: &str) -> Many {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    match Command::parse(&words) {
        Ok(Command::Many(many)) => many,
        other => panic!("{line}: {other:?}"),
    }
}

fn built(line: &str, plan: &str) -> Result<Vec<String>, ManyError> {
    let targets = many(line).targets(plan.as_bytes())?;
    let words = |target: &Target| {
        let words = target.build.with(&Additions::default());
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    };
    Ok(targets.iter().map(words).collect())
}

const PLAN: &str = "
name: shop
secrets:
  npm: {file: '/s/npm,x'}
  tok: {external: true}
services:
  web:
    build:
      context: /src
      dockerfile: Other
      args: {A: 1, B: null}
      secrets: [npm, {source: tok, target: /run/secrets/t}]
      tags: [web:2]
      ssh: [default]
  api:
    image: r/api:1
    build: {context: /api, labels: [x=y], platforms: [linux/amd64]}
  db: {image: postgres}
";

#[test]
fn each_service_becomes_a_build() {
    let all = built("docker compose build --pull --build-arg C=2", PLAN).unwrap();
    let common = "docker build --pull --build-arg C=2";
    assert_eq!(
        all,
        [
            format!(
                "{common} --tag shop-web --file /src/Other --build-arg A=1 --build-arg B --secret id=npm,\"src=/s/npm,x\" --tag web:2 --ssh default /src"
            ),
            format!("{common} --tag r/api:1 --label x=y --platform linux/amd64 /api"),
        ]
    );
    let one = built("docker -H unix:///x compose -f a build api", PLAN).unwrap();
    assert_eq!(
        one,
        ["docker -H unix:///x build --tag r/api:1 --label x=y --platform linux/amd64 /api"]
    );
}

#[test]
fn what_a_build_has_no_flag_for_is_refused_by_name() {
    for (line, plan, expected) in [
        (
            "docker compose build",
            "name: p\nservices: {a: {build: {context: /x, privileged: true}}}",
            "a: not supported: build.privileged",
        ),
        (
            "docker-compose build",
            "services: {a: {build: {context: /x}}}",
            "a: the service has no image name",
        ),
        (
            "docker compose build nothing",
            "name: p\nservices: {}",
            "nothing to build for: nothing",
        ),
        (
            "docker compose build",
            "name: p\nservices: {}",
            "nothing to build for: any service",
        ),
        (
            "docker compose build --print",
            "services: {}",
            "not supported behind compose build: --print",
        ),
        (
            "docker compose build",
            "[",
            "the plan of compose config is not what it should print",
        ),
        (
            "docker buildx bake",
            r#"{"target":{"a":{"contexts":{"b":"target:c"}}}}"#,
            "a: not supported: contexts of another target",
        ),
        (
            "docker buildx bake --metadata-file x",
            r#"{"target":{}}"#,
            "not supported behind bake: --metadata-file",
        ),
        (
            "docker buildx bake",
            r#"{"target":{"a":{"dockerfile-inline":"FROM x"}}}"#,
            "a: not supported: dockerfile-inline",
        ),
    ] {
        let refused = built(line, plan).unwrap_err();
        assert_eq!(refused.to_string(), expected);
        assert!(!refused.hint().is_empty());
    }
}

#[test]
fn each_target_becomes_a_build() {
    let plan = r#"{"group":{"default":{"targets":["app"]}},"target":{"app":{
        "context":".","dockerfile":"Dockerfile","args":{"A":"b"},"tags":["r/app:1"],
        "secret":[{"type":"file","id":"x","src":"/x"},"id=y,env=Y"],
        "output":[{"type":"image","push":"true"}],"no-cache":true}}}"#;
    let all = built(
        "docker buildx --builder b bake --progress plain -f x app",
        plan,
    )
    .unwrap();
    assert_eq!(
        all,
        [
            "docker buildx --builder b build --progress plain --file ./Dockerfile --build-arg A=b --tag r/app:1 --secret type=file,id=x,src=/x --secret id=y,env=Y --output type=image,push=true --no-cache ."
        ]
    );
    let targets = many("docker buildx bake").targets(plan.as_bytes()).unwrap();
    let product = &targets[0].build.product;
    assert!(product.push && product.image);
    assert!(targets[0].build.given.contains("x") && targets[0].build.given.contains("y"));
    assert_eq!(
        many("docker bake app").question(),
        ["docker", "bake", "--print", "app"].map(OsString::from)
    );
}

#[test]
fn a_yaml_bomb_is_no_plan() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..30 {
        let last = level - 1;
        let items = vec![format!("*a{last}"); 9].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(matches!(
        built("docker compose build", &bomb),
        Err(ManyError::Unreadable(_))
    ));
}
