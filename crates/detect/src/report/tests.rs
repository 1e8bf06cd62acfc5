use super::*;
use crate::forms::Form;
use crate::label::Label;
use crate::source::{Exposure, Gap};
use crate::weak::Weakness;

fn entry(name: &str, weakness: Option<Weakness>) -> Entry {
    Entry {
        weakness,
        ..Entry::of(Label::new(name, Some(3), "value"))
    }
}

fn looked(objects: u64) -> Looked {
    Looked {
        objects,
        ..Looked::default()
    }
}

fn sample() -> Matrix {
    let rows = vec![
        entry("secret/app/DB", None),
        entry("secret/app/KEY", None),
        entry("secret/app/PIN", Some(Weakness::TooShort)),
    ];
    let mut matrix = Matrix::new(rows).titled("app done wrong");
    let mut layers = looked(2);
    let exposure = Exposure {
        location: "app:1: layer 2 of 2: .env, byte 7".to_owned(),
        form: Form::Raw,
    };
    layers
        .exposed
        .entry(SecretId(0))
        .or_default()
        .at
        .push(exposure);
    matrix.set(Place::ImageLayers, Column::Looked(layers));
    matrix.set(Place::ContainerInspect, Column::Looked(looked(4)));
    let mut logs = looked(3);
    logs.gap(Gap {
        location: "web".to_owned(),
        reason: "driver keeps nothing".to_owned(),
    });
    matrix.set(Place::ContainerLogs, Column::Looked(logs));
    matrix.set(
        Place::ProcessEnviron,
        Column::Failed("permission denied".to_owned()),
    );
    matrix
}

#[test]
fn table_shows_each_state_and_every_location() {
    let table = sample().to_table(Style::default());
    let expected = "\
app done wrong

                        container  container  /proc       image
secret                  inspect    logs       environ     layers
                        (4)        (3)                    (2)
secret/app/DB@3#value   clean      in part    not looked  EXPOSED
secret/app/KEY@3#value  clean      in part    not looked  clean
secret/app/PIN@3#value  not looked  not looked  not looked  not looked
";
    // Every cell of a weak secret is "not looked", which widens its columns.
    let widened = expected.replace(
        "container  container  /proc       image",
        "container   container   /proc       image",
    );
    let widened = widened.replace(
        "inspect    logs       environ     layers",
        "inspect     logs        environ     layers",
    );
    let widened = widened.replace(
        "(4)        (3)                    (2)",
        "(4)         (3)                     (2)",
    );
    let widened = widened.replace(
        "clean      in part    not looked",
        "clean       in part     not looked",
    );
    assert!(table.starts_with(&widened), "{table}");
    assert!(table.contains("EXPOSED secret/app/DB@3#value\n  image layers       app:1: layer 2 of 2: .env, byte 7 (raw)\n"));
    assert!(table.contains("  container logs     web: driver keeps nothing\n"));
    assert!(table.contains("  secret/app/PIN@3#value: shorter than 8 bytes\n"));
    assert!(table.ends_with("2 secrets: EXPOSED in 1 cell\n"));
}

#[test]
fn narrow_terminal_gets_tables_below_each_other_without_loss() {
    let table = sample().to_table(Style {
        colour: false,
        width: 60,
    });
    assert_eq!(
        table.matches("secret/app/KEY@3#value  ").count(),
        2,
        "{table}"
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let matrix = sample();
    assert!(!matrix.to_table(Style::default()).contains('\x1b'));
    assert!(
        matrix
            .to_table(Style {
                colour: true,
                width: 200
            })
            .contains("\x1b[1;31mEXPOSED")
    );
}

#[test]
fn verdict_is_exposed_then_incomplete_then_clean() {
    assert_eq!(sample().verdict().exit_code(), 1);
    let mut matrix = Matrix::new(vec![entry("secret/a", None)]);
    assert_eq!(matrix.verdict().exit_code(), 0);
    matrix.set(Place::ImageInspect, Column::Failed("no docker".to_owned()));
    assert_eq!(matrix.verdict().exit_code(), 2);
}

#[test]
fn place_not_looked_at_is_never_clean() {
    let mut matrix = Matrix::new(vec![entry("secret/a", None)]);
    assert_eq!(
        matrix.cell(0, Place::ImageLayers),
        Cell::NotLooked("not asked for".to_owned())
    );
    let mut nothing_read = looked(0);
    nothing_read.gap(Gap {
        location: "1".to_owned(),
        reason: "permission denied".to_owned(),
    });
    matrix.set(Place::ProcessEnviron, Column::Looked(nothing_read));
    assert_eq!(
        matrix.cell(0, Place::ProcessEnviron),
        Cell::NotLooked("permission denied".to_owned())
    );
    assert_eq!(matrix.verdict(), Verdict::Incomplete);
}

#[test]
fn json_names_secret_state_and_location() {
    let json = sample().to_json();
    assert_eq!(json["verdict"], "exposed");
    let cells = json["secrets"][0]["cells"].as_array().unwrap();
    let layers = cells
        .iter()
        .find(|cell| cell["place"] == "image-layers")
        .unwrap();
    assert_eq!(layers["state"], "exposed");
    assert_eq!(
        layers["locations"][0]["location"],
        "app:1: layer 2 of 2: .env, byte 7"
    );
    assert_eq!(json["secrets"][2]["unprotectable"], "shorter than 8 bytes");
}
