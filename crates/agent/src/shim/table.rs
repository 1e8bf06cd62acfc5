//! What popular images do with files that hold secrets: `images.tsv`, with a source for each rule.

/// The rules as they stand in the repository.
const TEXT: &str = include_str!("images.tsv");

/// How an image wants one of its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// `X_FILE`, as the official images.
    File,
    /// `X__FILE`, as Grafana.
    DoubleFile,
    /// `X_SECRETFILE`, as gluetun.
    SecretFile,
    /// `FILE__X`, as linuxserver's images.
    FilePrefix,
    /// The variable itself.
    Plain,
    /// `X_FILE` is a path among the image's settings: it stays what it is.
    Path,
}

impl Convention {
    const ALL: [(&'static str, Self); 6] = [
        ("X_FILE", Self::File),
        ("X__FILE", Self::DoubleFile),
        ("X_SECRETFILE", Self::SecretFile),
        ("FILE__X", Self::FilePrefix),
        ("plain", Self::Plain),
        ("path", Self::Path),
    ];

    fn parse(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter();
        all.find(|(name, _)| *name == word).map(|(_, it)| *it)
    }

    /// As it is written in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        let mut all = Self::ALL.iter();
        all.find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }

    /// The variable that carries the path of `name`'s file, where the image reads one.
    #[must_use]
    pub fn variable(self, name: &str) -> Option<String> {
        match self {
            Self::File => Some(format!("{name}_FILE")),
            Self::DoubleFile => Some(format!("{name}__FILE")),
            Self::SecretFile => Some(format!("{name}_SECRETFILE")),
            Self::FilePrefix => Some(format!("FILE__{name}")),
            Self::Plain | Self::Path => None,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Image without registry and tag.
    pub image: &'static str,
    /// What it does.
    pub convention: Convention,
    /// With which variables, between commas.
    pub variables: &'static str,
    /// Where that is documented.
    pub source: &'static str,
}

impl Rule {
    fn parse(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let rule = Self {
            image: columns.next()?,
            convention: Convention::parse(columns.next()?)?,
            variables: columns.next()?,
            source: columns.next()?,
        };
        columns.next().is_none().then_some(rule)
    }

    /// Whether it is about this image.
    #[must_use]
    pub fn is_about(&self, image: &str) -> bool {
        let name = repository(image);
        // A registry's own name may stand before it: any mirror has the same images.
        let without_host = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
            _ => name,
        };
        let short = without_host.strip_prefix("library/");
        matches(self.image, short.unwrap_or(without_host))
    }

    fn has(&self, variable: &str) -> bool {
        let mut patterns = self.variables.split(',');
        patterns.any(|pattern| matches(pattern, variable))
    }
}

/// All rules, in the order in which they count.
pub fn rules() -> impl Iterator<Item = Rule> {
    let lines = TEXT.lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(Rule::parse)
}

/// What the image does with this variable, if that is known.
#[must_use]
pub fn convention(image: &str, variable: &str) -> Option<Convention> {
    let mut rules = rules();
    let rule = rules.find(|rule| rule.is_about(image) && rule.has(variable));
    rule.map(|rule| rule.convention)
}

/// An image's name without its tag and its digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

/// Compares with a pattern in which one `*` stands for anything, but for no slash.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let inner = text.strip_prefix(before);
    inner
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|rest| !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_rule_with_a_source() {
        let lines: Vec<&str> = TEXT
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        assert_eq!(rules().count(), lines.len());
        assert!(lines.len() >= 100, "{}", lines.len());
        for rule in rules() {
            assert!(rule.source.starts_with("https://"), "{rule:?}");
            assert!(rule.is_about(&rule.image.replace('*', "x")), "{rule:?}");
            assert!(!rule.image.contains([':', '@', ' ']), "{rule:?}");
            for variable in rule.variables.split(',') {
                assert!(!variable.is_empty(), "{rule:?}");
                assert!(variable.matches('*').count() <= 1, "{rule:?}");
                let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '*';
                assert!(variable.chars().all(legal), "{rule:?}");
            }
        }
    }

    #[test]
    fn no_rule_is_hidden_by_the_ones_before_it() {
        let all: Vec<Rule> = rules().collect();
        for (index, rule) in all.iter().enumerate() {
            let image = rule.image.replace('*', "x");
            for variable in rule.variables.split(',') {
                let probe = variable.replace('*', "PROBE");
                let first = all
                    .iter()
                    .position(|rule| rule.is_about(&image) && rule.has(&probe));
                assert_eq!(first, Some(index), "{} {variable}", rule.image);
            }
        }
    }

    #[test]
    fn an_image_is_known_under_every_name_that_it_has() {
        for image in [
            "postgres",
            "postgres:16-alpine",
            "library/postgres",
            "docker.io/library/postgres:16",
            "registry.local:5000/postgres",
            "localhost/postgres@sha256:0123",
            "mirror.gcr.io/library/postgres:16@sha256:0123",
        ] {
            assert_eq!(
                convention(image, "POSTGRES_PASSWORD"),
                Some(Convention::File),
                "{image}"
            );
        }
        for stranger in ["me/postgres", "postgres-exporter", "x/postgres/y", ""] {
            assert_eq!(
                convention(stranger, "POSTGRES_PASSWORD"),
                None,
                "{stranger}"
            );
        }
        let known = [
            ("postgres", "PGPASSWORD", None),
            (
                "lscr.io/linuxserver/bookstack:latest",
                "DB_PASS",
                Some(Convention::FilePrefix),
            ),
            (
                "grafana/grafana",
                "GF_SECURITY_ADMIN_PASSWORD",
                Some(Convention::DoubleFile),
            ),
            ("traefik:v3", "CF_DNS_API_TOKEN", Some(Convention::File)),
            ("traefik:v3", "TRAEFIK_LOG", Some(Convention::Plain)),
            ("bitnami/redis:8", "REDIS_TLS_CERT", Some(Convention::Path)),
            (
                "authelia/authelia",
                "AUTHELIA_SESSION_SECRET",
                Some(Convention::File),
            ),
            ("authelia/authelia", "AUTHELIA_SERVER_ADDRESS", None),
        ];
        for (image, variable, expected) in known {
            assert_eq!(convention(image, variable), expected, "{image} {variable}");
        }
    }
}
