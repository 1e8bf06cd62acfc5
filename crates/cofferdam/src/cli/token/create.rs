//! `token create`.

use super::super::context::go_duration;
use super::super::input::parse_pairs;
use super::super::{Context, Exit, Failure};
use clap::Args;
use cofferdam_api::{Request, Tree};

/// Makes a token, a child of the one in use.
#[derive(Args)]
pub(super) struct Create {
    /// Policy; may be given more than once
    #[arg(long, value_name = "NAME")]
    policy: Vec<String>,
    /// Lifetime: 30m, 1h
    #[arg(long, value_name = "DURATION")]
    ttl: Option<String>,
    /// Lifetime that no renewal exceeds
    #[arg(long, value_name = "DURATION")]
    explicit_max_ttl: Option<String>,
    /// Each renewal gives this much; the token has no other end
    #[arg(long, value_name = "DURATION")]
    period: Option<String>,
    /// Outlive the token in use
    #[arg(long)]
    orphan: bool,
    /// Leave out the policy "default"
    #[arg(long)]
    no_default_policy: bool,
    /// Uses until it ends by itself; 0: no end
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    use_limit: u64,
    /// Whether it can be renewed
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value_t = true, action = clap::ArgAction::Set)]
    renewable: bool,
    /// Name in audit records
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Note of the form KEY=VALUE; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// The token itself, instead of a random one
    #[arg(long, value_name = "TOKEN")]
    id: Option<String>,
    /// Role of the token store
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Alias of the identity that it belongs to
    #[arg(long, value_name = "NAME")]
    entity_alias: Option<String>,
    /// service or batch
    #[arg(long = "type", value_name = "TYPE", default_value = "service")]
    kind: String,
    /// Print this field only
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        // Before asking: a token nobody has seen would only linger.
        context.may_print_values()?;
        let path = match &self.role {
            Some(role) => format!("auth/token/create/{}", role.trim_matches('/')),
            None => "auth/token/create".to_owned(),
        };
        let request = Request::post(path, &self.body()?);
        let response = context.link()?.send(request).await?;
        context.print_response(&response, self.field.as_deref())
    }

    fn body(&self) -> Result<Tree, Failure> {
        let mut body = Tree::map();
        if !self.policy.is_empty() {
            body.insert("policies", self.policy.clone());
        }
        if !self.metadata.is_empty() {
            body.insert("meta", parse_pairs(&self.metadata)?);
        }
        let durations = [
            ("ttl", &self.ttl),
            ("explicit_max_ttl", &self.explicit_max_ttl),
            ("period", &self.period),
        ];
        for (name, text) in durations {
            if let Some(text) = text {
                body.insert(name, go_duration(text));
            }
        }
        let texts = [
            ("id", &self.id),
            ("display_name", &self.display_name),
            ("entity_alias", &self.entity_alias),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body.insert(name, text.as_str());
            }
        }
        body.insert("no_parent", self.orphan);
        body.insert("no_default_policy", self.no_default_policy);
        body.insert("num_uses", self.use_limit);
        body.insert("renewable", self.renewable);
        body.insert("type", self.kind.as_str());
        Ok(body)
    }
}
