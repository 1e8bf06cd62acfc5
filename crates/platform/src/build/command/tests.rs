use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ').map(OsString::from).collect()
}

fn parsed(line: &str) -> BuildCommand {
    match Command::parse(&words(line)) {
        Ok(Command::Build(build)) => build,
        other => panic!("{line}: {other:?}"),
    }
}

fn lent() -> [(FileName, PathBuf); 1] {
    [("a".parse().unwrap(), PathBuf::from("/proc/self/fd/9"))]
}

#[test]
fn secrets_go_behind_the_word_build() {
    let secrets = lent();
    let additions = Additions {
        secrets: &secrets,
        ..Additions::default()
    };
    for (line, expected) in [
        (
            "docker build .",
            "docker build --secret id=a,src=/proc/self/fd/9 .",
        ),
        (
            "/usr/bin/docker -H unix:///x --debug image build -t build .",
            "/usr/bin/docker -H unix:///x --debug image build --secret id=a,src=/proc/self/fd/9 -t build .",
        ),
        (
            "docker buildx --builder b build --push .",
            "docker buildx --builder b build --secret id=a,src=/proc/self/fd/9 --push .",
        ),
        (
            "podman --root /x build -t y --layers --no-cache .",
            "podman --root /x build --secret id=a,src=/proc/self/fd/9 -t y --layers --no-cache .",
        ),
        (
            "buildah --storage-driver vfs bud .",
            "buildah --storage-driver vfs bud --secret id=a,src=/proc/self/fd/9 .",
        ),
    ] {
        assert_eq!(parsed(line).with(&additions), words(expected));
    }
}

#[test]
fn names_and_exports_wait_until_the_image_has_been_searched() {
    let file = Path::new("/i");
    let waiting = Additions {
        id_file: Some(file),
        hold_back: true,
        ..Additions::default()
    };
    for (line, expected) in [
        (
            "docker build -t a -tb --tag=c --iidfile x --no-cache .",
            "docker build --iidfile /i --no-cache .",
        ),
        (
            "docker buildx build --push -t a --cache-to type=registry,ref=r .",
            "docker buildx build --iidfile /i --load .",
        ),
        (
            "docker build --output type=image,name=r/a,push=true .",
            "docker build --iidfile /i .",
        ),
        (
            "docker buildx build --load -o out .",
            "docker buildx build --iidfile /i --load -o out .",
        ),
        ("podman build -t a .", "podman build --iidfile /i ."),
    ] {
        assert_eq!(parsed(line).with(&waiting), words(expected), "{line}");
    }
    let exporting = Additions {
        export_cache: true,
        ..waiting
    };
    assert_eq!(
        parsed("docker build -t a --cache-to type=inline .").with(&exporting),
        words("docker build --iidfile /i --cache-to type=inline .")
    );
}

#[test]
fn the_product_is_known_before_it_is_made() {
    let product = |line: &str| parsed(line).product;
    let plain = product("docker build -t a:1 -t b .");
    assert!(plain.image && !plain.push);
    assert_eq!(plain.tags, ["a:1", "b"]);
    let pushed = product("docker buildx build --output type=registry,name=r/x .");
    assert!(pushed.image && pushed.push);
    assert_eq!(pushed.tags, ["r/x"]);
    let files = product("docker build -o out --output type=tar,dest=t.tar .");
    assert!(!files.image);
    assert_eq!(files.files, [PathBuf::from("out"), PathBuf::from("t.tar")]);
    assert!(!product("docker build --output type=cacheonly .").image);
    assert!(!product("docker build --check .").image);
    assert!(product("docker build --push=false .").image);
    for line in [
        "docker buildx build --push --platform linux/amd64,linux/arm64 -t a .",
        "docker buildx build --push --sbom true -t a .",
        "docker build --output type=image,push=true,compression=zstd .",
        "docker build -o - .",
        "podman build --manifest m .",
    ] {
        assert!(product(line).unsearchable.is_some(), "{line}");
    }
}

#[test]
fn the_dockerfile_is_found_behind_any_flags() {
    for (line, expected) in [
        ("docker build .", Some("./Dockerfile")),
        (
            "docker build -t x:1 --no-cache --build-arg A=b dir",
            Some("dir/Dockerfile"),
        ),
        ("docker build -f dir/Other --pull .", Some("dir/Other")),
        ("docker build -qf dir/Other .", Some("dir/Other")),
        ("docker build -fdir/Other .", Some("dir/Other")),
        ("docker build --file=dir/Other .", Some("dir/Other")),
        ("docker build dir --tag x", Some("dir/Dockerfile")),
        ("docker build -- dir", Some("dir/Dockerfile")),
        ("podman build", Some("./Dockerfile")),
        ("buildah build --layers dir", Some("dir/Dockerfile")),
        ("docker build -", None),
        ("docker build -f - .", None),
        ("docker build https://github.com/x/y.git", None),
    ] {
        let found = parsed(line).dockerfiles;
        let expected: Vec<PathBuf> = expected.map(PathBuf::from).into_iter().collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn what_the_user_gave_is_known() {
    let line = "docker build --secret id=a,src=/x --secret=src=/y,id=b --ssh default --ssh=k=/s --build-arg A=1 .";
    let build = parsed(line);
    assert_eq!(build.given.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        build.given_ssh.into_iter().collect::<Vec<_>>(),
        ["default", "k"]
    );
    assert_eq!(build.given_arguments.into_iter().collect::<Vec<_>>(), ["A"]);
}

#[test]
fn the_same_engine_is_asked_about_the_image() {
    let ask = |line: &str| parsed(line).ask(&["save", "x"]);
    assert_eq!(
        ask("docker -H unix:///x buildx --builder b build ."),
        words("docker -H unix:///x save x")
    );
    assert_eq!(
        ask("podman --root /r image build ."),
        words("podman --root /r save x")
    );
}

#[test]
fn files_that_describe_many_images_are_told_apart() {
    for (line, kind, before) in [
        (
            "docker compose -f x.yaml --profile p build --pull a",
            ManyKind::Compose,
            "docker compose -f x.yaml --profile p",
        ),
        (
            "docker-compose --verbose -f x.yaml build",
            ManyKind::Compose,
            "docker-compose --verbose -f x.yaml",
        ),
        (
            "docker -c ctx buildx bake app",
            ManyKind::Bake,
            "docker -c ctx buildx",
        ),
    ] {
        let Ok(Command::Many(many)) = Command::parse(&words(line)) else {
            panic!("{line}");
        };
        assert_eq!((many.kind, many.before), (kind, words(before)), "{line}");
    }
}

#[test]
fn what_is_no_build_is_refused_with_a_way_out() {
    let docker = |text: &str| CommandError::NotABuild(text.to_owned());
    for (line, expected) in [
        ("docker run build", docker("docker")),
        ("docker", docker("docker")),
        ("docker image ls", docker("docker image")),
        ("docker compose up", docker("docker compose")),
        ("docker-compose -f x up", docker("docker-compose")),
        ("podman --remote build .", CommandError::Remote("podman")),
        (
            "podman --url=ssh://h build .",
            CommandError::Remote("podman"),
        ),
        ("make image", CommandError::Unknown("make".into())),
        ("kaniko", CommandError::Unknown("kaniko".into())),
    ] {
        let refused = Command::parse(&words(line)).unwrap_err();
        assert_eq!(refused, expected, "{line}");
        assert!(refused.hint().contains("cofferdam build"));
    }
}

proptest::proptest! {
    #[test]
    fn no_command_line_is_too_strange(line in proptest::collection::vec("[-=a-z,. ]{0,8}", 0..12)) {
        for program in ["docker", "podman", "buildah", "docker-compose"] {
            let mut all = vec![OsString::from(program)];
            all.extend(line.iter().map(OsString::from));
            if let Ok(Command::Build(build)) = Command::parse(&all) {
                // Without additions nothing is lost.
                proptest::prop_assert_eq!(build.with(&Additions::default()), all);
            }
        }
    }
}
