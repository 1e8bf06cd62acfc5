//! `login -method=aws`: signs a `GetCallerIdentity` of AWS' STS, which the server sends on. The secret
//! half of the key stays here.
//!
//! Keys come from the command line, else from the environment, else from a profile of the file that
//! AWS' own tools keep (AWS CLI User Guide, "Configuration and credential file settings"). What such a
//! profile wants resolved by asking somebody is left to those tools.

use super::super::input::{parse_data, reason};
use super::super::{Context, Failure, terminal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cofferdam_api::{Request, Tree};
use cofferdam_aws_signature::{Request as Signing, moment};
use cofferdam_core::clock::{Clock as _, WallClock};
use cofferdam_secret::Secret;
use std::path::{Path, PathBuf};

/// What `KEY=VALUE` may say, as in Vault's command line.
const KEYS: [&str; 8] = [
    "role",
    "mount",
    "region",
    "header_value",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_security_token",
    // Of Vault's helper, whose log this one does not have.
    "log_level",
];
/// Vault's, and where STS for everybody is.
const REGION: &str = "us-east-1";
const ASKS: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const SORT: &str = "application/x-www-form-urlencoded; charset=utf-8";
const SERVER_ID: &str = "X-Vault-AWS-IAM-Server-ID";
/// The longest file of keys that is read.
const LONGEST: usize = 1024 * 1024;

/// Who asks.
struct Key {
    id: String,
    secret: Secret<Vec<u8>>,
    session: Option<Secret<Vec<u8>>>,
}

/// The login.
pub(super) fn request(
    context: &Context,
    path: Option<&str>,
    words: &[String],
) -> Result<Request, Failure> {
    let mut data = parse_data(words)?;
    if let Some((key, _)) = data.entries().find(|(key, _)| !KEYS.contains(key)) {
        return Err(
            Failure::usage(format!("not known to login -method=aws: {key}"))
                .hint(format!("one of: {}", KEYS.join(" "))),
        );
    }
    let key = key(context, &mut data)?;
    let text = |name: &str| data.get(name).and_then(Tree::as_text).unwrap_or_default();
    let region = region(context, text("region"))?;
    let mut body = signed(&key, &region, text("header_value"))?;
    body.insert("role", text("role"));
    // Vault's: what stands behind the method wins over the flag.
    let mount = match text("mount") {
        "" => path.unwrap_or("aws"),
        named => named,
    };
    let mount = mount.trim_matches('/');
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    Ok(Request::put(format!("auth/{mount}/login"), &body))
}

fn region(context: &Context, named: &str) -> Result<String, Failure> {
    let region = match named {
        "" => REGION.to_owned(),
        "auto" => ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .iter()
            .find_map(|name| context.environment(name))
            .unwrap_or_else(|| REGION.to_owned()),
        named => named.to_owned(),
    };
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match region.chars().all(known) {
        true => Ok(region),
        false => Err(Failure::usage(
            "region: expected the name of a region, as eu-central-1",
        )),
    }
}

/// The host of STS: the one for everybody where Vault signs for it.
fn host(region: &str) -> String {
    match region {
        REGION => "sts.amazonaws.com".to_owned(),
        region if region.starts_with("cn-") => format!("sts.{region}.amazonaws.com.cn"),
        region => format!("sts.{region}.amazonaws.com"),
    }
}

/// The signed request in the fields of a login.
fn signed(key: &Key, region: &str, server_id: &str) -> Result<Tree, Failure> {
    let unsigned = || Failure::local("the request to AWS cannot be signed: what is the time?");
    let moment = moment(WallClock.now().seconds()).ok_or_else(unsigned)?;
    let host = host(region);
    let plain = |text: &str| Secret::new(text.as_bytes().to_vec());
    let mut headers = vec![
        ("content-type", plain(SORT)),
        ("host", plain(&host)),
        ("x-amz-date", plain(&moment)),
    ];
    if let Some(session) = &key.session {
        headers.push(("x-amz-security-token", session.duplicate()));
    }
    if !server_id.is_empty() {
        headers.push(("x-vault-aws-iam-server-id", plain(server_id)));
    }
    let signing = Signing {
        method: "POST",
        path: "/",
        query: "",
        headers: &headers,
        body: ASKS.as_bytes(),
        region,
        service: "sts",
    };
    let authorization = signing.authorization(&key.id, &key.secret, &moment);
    let authorization = authorization.ok_or_else(unsigned)?;
    let list = |value: Secret<String>| Tree::List(vec![Tree::Text(value)]);
    let mut sent = Tree::map();
    sent.insert("Authorization", list(Secret::new(authorization)));
    for (name, value) in headers {
        let value = value
            .into_text()
            .ok_or_else(|| Failure::local("the session token or header_value is not text"))?;
        let name = match name {
            "x-vault-aws-iam-server-id" => SERVER_ID,
            name => name,
        };
        sent.insert(name, list(value));
    }
    let headers = Secret::new(STANDARD.encode(sent.to_json().expose()));
    let mut body = Tree::map()
        .with("iam_http_request_method", "POST")
        .with(
            "iam_request_url",
            STANDARD.encode(format!("https://{host}/")),
        )
        .with("iam_request_body", STANDARD.encode(ASKS));
    body.insert("iam_request_headers", Tree::Text(headers));
    Ok(body)
}

fn key(context: &Context, data: &mut Tree) -> Result<Key, Failure> {
    let mut given = |name: &str| match data.take(name) {
        Some(Tree::Text(text)) => Some(text).filter(|text| !text.is_empty()),
        _ => None,
    };
    let id = given("aws_access_key_id");
    let secret = given("aws_secret_access_key");
    let session = given("aws_security_token");
    match (id, secret) {
        (Some(id), Some(secret)) => return Ok(Key::of(id.expose(), secret, session)),
        (None, None) => {}
        _ => return Err(half("aws_access_key_id and aws_secret_access_key")),
    }
    let variable = |names: [&str; 2]| names.iter().find_map(|name| context.environment(name));
    let id = variable(["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"]);
    let secret = variable(["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"]).map(Secret::new);
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let session = context.environment("AWS_SESSION_TOKEN").map(Secret::new);
            return Ok(Key::of(&id, secret, session));
        }
        (None, None) => {}
        _ => return Err(half("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")),
    }
    of_profile(context)
}

fn half(names: &str) -> Failure {
    Failure::usage(format!("one without the other: {names}"))
        .hint("AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… cofferdam login -method=aws")
}

impl Key {
    fn of(id: &str, secret: Secret<String>, session: Option<Secret<String>>) -> Self {
        Self {
            id: id.trim().to_owned(),
            secret: secret.into_bytes(),
            session: session.map(Secret::into_bytes),
        }
    }
}

fn of_profile(context: &Context) -> Result<Key, Failure> {
    let named = context.environment("AWS_SHARED_CREDENTIALS_FILE");
    let home = || {
        context
            .environment("HOME")
            .map(|home| Path::new(&home).join(".aws/credentials"))
    };
    let file = named.map(PathBuf::from).or_else(home);
    let profile = context.environment("AWS_PROFILE");
    let profile = profile.unwrap_or_else(|| "default".to_owned());
    let file = file.ok_or_else(no_keys)?;
    let text = match std::fs::File::open(&file).and_then(|open| terminal::read_all(open, LONGEST)) {
        Ok(bytes) => bytes.into_text(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_keys()),
        Err(error) => {
            let file = file.display();
            return Err(Failure::local(format!(
                "cannot read {file}: {}",
                reason(&error)
            )));
        }
    };
    let text = text.ok_or_else(|| Failure::local(format!("not text: {}", file.display())))?;
    let read = Profile::read(text.expose(), &profile);
    let shown = format!("profile {profile} of {}", file.display());
    match read {
        None => Err(Failure::local(format!("there is no {shown}"))
            .hint("name one with AWS_PROFILE, or see them with: aws configure list-profiles")),
        Some(Profile { id: Some(id), secret: Some(secret), session }) => {
            Ok(Key::of(&id, secret, session))
        }
        Some(_) => Err(Failure::local(format!("no key in {shown}")).hint(
            "let AWS' own tools resolve it: eval \"$(aws configure export-credentials --format env)\"",
        )),
    }
}

fn no_keys() -> Failure {
    Failure::local("no key of AWS: neither in the environment nor in ~/.aws/credentials")
        .hint("AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… cofferdam login -method=aws")
}

/// What a profile says.
#[derive(Default)]
struct Profile {
    id: Option<String>,
    secret: Option<Secret<String>>,
    session: Option<Secret<String>>,
}

impl Profile {
    /// The profile of this name, if the file has it. Of a line that comes twice the last counts.
    fn read(text: &str, name: &str) -> Option<Self> {
        let (mut found, mut inside) = (None, false);
        for line in text.lines() {
            // A line that is indented goes on with the one above: there is none that counts here.
            if line.starts_with([' ', '\t']) {
                continue;
            }
            let line = line.trim();
            if let Some(section) = line.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or_default().trim();
                inside = section == name;
                if inside {
                    found.get_or_insert_with(Self::default);
                }
                continue;
            }
            let Some(profile) = found.as_mut().filter(|_| inside) else {
                continue;
            };
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => profile.id = Some(value.to_owned()),
                "aws_secret_access_key" => profile.secret = Some(Secret::new(value.to_owned())),
                "aws_session_token" | "aws_security_token" => {
                    profile.session = Some(Secret::new(value.to_owned()));
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# keys\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=a/b+c==\n\n\
        [ web ]\naws_access_key_id=ASIA2\naws_secret_access_key=x\naws_session_token=t=\n\
        [role]\nrole_arn=arn:aws:iam::1:role/x\n  aws_access_key_id=NOT\n; aws_secret_access_key=no\n";

    #[test]
    fn a_profile_is_read_as_aws_tools_write_it() {
        let default = Profile::read(FILE, "default").unwrap();
        assert_eq!(default.id.as_deref(), Some("AKIA1"));
        assert_eq!(default.secret.unwrap().expose(), "a/b+c==");
        assert!(default.session.is_none());
        let web = Profile::read(FILE, "web").unwrap();
        assert_eq!(web.session.unwrap().expose(), "t=");
        let role = Profile::read(FILE, "role").unwrap();
        assert!(role.id.is_none() && role.secret.is_none());
        assert!(Profile::read(FILE, "none").is_none());
        assert!(Profile::read("aws_access_key_id=stray", "default").is_none());
    }

    #[test]
    fn regions_have_their_hosts() {
        assert_eq!(host("us-east-1"), "sts.amazonaws.com");
        assert_eq!(host("eu-central-1"), "sts.eu-central-1.amazonaws.com");
        assert_eq!(host("cn-north-1"), "sts.cn-north-1.amazonaws.com.cn");
    }
}
