//! Changes of a service's specification, on one as Docker 20.10 gives it.

use super::spec::{self, Change, OnFailure, Order, Target};
use serde_json::{Value, json};

fn service() -> Value {
    json!({
        "Name": "web",
        "Labels": {"zebra": "1", "team": "shop"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "web:1",
                "Secrets": [
                    {"File": {"Name": "other", "UID": "0", "GID": "0", "Mode": 292}, "SecretID": "o1", "SecretName": "other"},
                    {"File": {"Name": "PASSWORD", "UID": "1000", "GID": "1000", "Mode": 256}, "SecretID": "s1", "SecretName": "db"}
                ],
                "Unheard": {"of": [1, 2]}
            },
            "ForceUpdate": 3,
            "Runtime": "container"
        },
        "Mode": {"Replicated": {"Replicas": 3}},
        "UpdateConfig": {"Parallelism": 2, "FailureAction": "pause", "Monitor": 7_000_000_000_u64, "MaxFailureRatio": 0.5, "Order": "stop-first"},
        "EndpointSpec": {"Mode": "vip"}
    })
}

fn to_object() -> Change {
    Change {
        secret: "db".to_owned(),
        to: Target::Object {
            id: "s2".to_owned(),
            name: "db.v2".to_owned(),
            replaces: vec![
                ("s0".to_owned(), "db.v0".to_owned()),
                ("s1".to_owned(), "db".to_owned()),
            ],
        },
    }
}

fn to_version() -> Change {
    Change {
        secret: "db".to_owned(),
        to: Target::Version {
            id: "s1".to_owned(),
            new: 7,
        },
    }
}

#[test]
fn there_and_back_is_the_same_to_the_byte() {
    for (change, forced) in [(to_object(), 3), (to_version(), 9)] {
        let mut spec = service();
        spec::prepare(&mut spec, Order::StartFirst, OnFailure::Rollback);
        assert!(change.concerns(&spec) && !change.is_done(&spec));
        change.forward(&mut spec, 8);
        assert!(change.is_done(&spec) && spec::is_marked(&spec, "db"));
        assert_eq!(spec["UpdateConfig"]["Order"], "start-first");
        assert_eq!(spec["UpdateConfig"]["FailureAction"], "rollback");
        assert_eq!(spec["UpdateConfig"]["Monitor"], 7_000_000_000_u64);
        spec::prepare(&mut spec, Order::StopFirst, OnFailure::Pause);
        change.backward(&mut spec, 9);
        assert!(!change.is_done(&spec));
        assert_eq!(spec["UpdateConfig"]["FailureAction"], "pause");
        spec::settle(&mut spec, "db");
        assert!(!spec::is_marked(&spec, "db"));
        let mut expected = service();
        expected["TaskTemplate"]["ForceUpdate"] = json!(forced);
        // As text: the order of what is in it counts too.
        assert_eq!(spec.to_string(), expected.to_string());
    }
}

#[test]
fn only_the_reference_changes_and_the_file_stays() {
    let mut spec = service();
    to_object().forward(&mut spec, 8);
    let secrets = &spec["TaskTemplate"]["ContainerSpec"]["Secrets"];
    assert_eq!(
        secrets[0],
        service()["TaskTemplate"]["ContainerSpec"]["Secrets"][0]
    );
    assert_eq!(
        secrets[1],
        json!({"File": {"Name": "PASSWORD", "UID": "1000", "GID": "1000", "Mode": 256}, "SecretID": "s2", "SecretName": "db.v2"})
    );
    let task = &spec["TaskTemplate"];
    assert!(to_object().is_in(&spec, task));
    assert!(!to_object().is_in(&spec, &service()["TaskTemplate"]));
}

#[test]
fn a_version_moves_every_task_although_nothing_else_differs() {
    let mut spec = service();
    to_version().forward(&mut spec, 8);
    assert_eq!(spec["TaskTemplate"]["ForceUpdate"], 8);
    assert_eq!(spec["Labels"]["cofferdam.rotation.db"], "7");
    assert!(!to_version().is_in(&spec, &service()["TaskTemplate"]));
}

/// Swarm takes the number back with everything else: what is left of the update that failed must
/// not look like the next one, neither to us nor to Swarm.
#[test]
fn no_number_is_used_twice_also_when_swarm_takes_one_back() {
    let before = service();
    let number = |tasks: &[&Value]| {
        let templates = tasks.iter().copied().chain([&before["TaskTemplate"]]);
        spec::unused(templates)
    };
    let mut failed = before.clone();
    to_version().forward(&mut failed, number(&[]));
    let left_over = &failed["TaskTemplate"];
    assert!(to_version().is_in(&failed, left_over));
    assert!(!to_version().is_in(&before, left_over));
    let mut next = before.clone();
    to_version().forward(&mut next, number(&[left_over]));
    assert!(!to_version().is_in(&next, left_over));
    assert_ne!(&next["TaskTemplate"], left_over);
    assert_eq!(spec::unused([&Value::Null].into_iter()), 1);
}

#[test]
fn a_service_without_settings_is_not_updated_all_at_once() {
    let mut spec = service();
    spec.as_object_mut().unwrap().remove("UpdateConfig");
    spec["Labels"] = Value::Null;
    spec::prepare(&mut spec, Order::StopFirst, OnFailure::Rollback);
    assert_eq!(spec["UpdateConfig"]["Parallelism"], 1);
    spec::settle(&mut spec, "db");
    assert!(spec.get("UpdateConfig").is_none());
}

#[test]
fn start_first_is_for_those_who_can_be_there_twice() {
    assert_eq!(spec::order(&service()), Order::StartFirst);
    for (pointer, value) in [
        ("/Mode", json!({"Global": {}})),
        ("/EndpointSpec", json!({"Ports": [{"PublishMode": "host"}]})),
        ("/TaskTemplate/Placement", json!({"MaxReplicas": 1})),
        (
            "/TaskTemplate/ContainerSpec/Mounts",
            json!([{"Type": "volume", "Source": "data"}]),
        ),
    ] {
        let mut spec = service();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[key] = value;
        assert_eq!(spec::order(&spec), Order::StopFirst, "{pointer}");
        spec["UpdateConfig"]["Order"] = json!("start-first");
        assert_eq!(spec::order(&spec), Order::StartFirst, "its own word counts");
    }
    for mounts in [
        json!([{"Type": "bind", "Source": "/etc", "ReadOnly": true}]),
        json!([{"Type": "tmpfs"}]),
    ] {
        let mut spec = service();
        spec["TaskTemplate"]["ContainerSpec"]["Mounts"] = mounts;
        assert_eq!(spec::order(&spec), Order::StartFirst);
    }
}

#[test]
fn two_rotations_on_one_service_leave_the_settings_to_the_last() {
    let mut spec = service();
    spec::prepare(&mut spec, Order::StartFirst, OnFailure::Rollback);
    to_object().forward(&mut spec, 8);
    let other = Change {
        secret: "other".to_owned(),
        to: Target::Version {
            id: "o1".to_owned(),
            new: 2,
        },
    };
    other.forward(&mut spec, 8);
    spec::settle(&mut spec, "other");
    assert_eq!(spec["UpdateConfig"]["FailureAction"], "rollback");
    spec::settle(&mut spec, "db");
    assert_eq!(spec["UpdateConfig"], service()["UpdateConfig"]);
}

#[test]
fn what_is_no_specification_is_left_alone() {
    for mut spec in [
        Value::Null,
        json!([]),
        json!({"TaskTemplate": 3, "Labels": []}),
        json!("x"),
    ] {
        let before = spec.clone();
        to_object().forward(&mut spec, 8);
        to_object().backward(&mut spec, 9);
        spec::settle(&mut spec, "db");
        assert!(!spec::uses(&spec, "s1"));
        if !before.is_object() {
            assert_eq!(spec, before);
        }
    }
}
