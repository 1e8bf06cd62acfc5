//! The header `Authorization` of a signed request: which headers it covers, and for whom and when.
//!
//! After the IAM User Guide, "Create a signed AWS API request" (reference_sigv-create-signed-request.html).
//! The signature is AWS' to judge; what is read here decides what of a request is carried on.

/// What a header says, in its exact form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// `YYYYMMDD`.
    pub day: &'a str,
    /// Checked by [`is_region`].
    pub region: &'a str,
    /// Names of headers in lower case, in order, each once.
    pub signed: Vec<&'a str>,
}

const METHOD: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "sts";
/// Headers at most.
const MOST_SIGNED: usize = 64;

impl<'a> Authorization<'a> {
    /// Reads one; `None` when anything of it is twice, missing or of another form.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(METHOD)?.strip_prefix(' ')?;
        let (mut credential, mut signed, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part.trim_matches(' ').split_once('=')?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed,
                "Signature" => &mut signature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let signature = signature?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if signature.len() != 64 || !signature.bytes().all(hex) {
            return None;
        }
        let parts: Vec<_> = credential?.split('/').collect();
        let [id, day, region, SERVICE, "aws4_request"] = parts.as_slice() else {
            return None;
        };
        let is_id =
            (8..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        if !is_id || !is_day || !is_region(region) {
            return None;
        }
        Some(Self {
            day,
            region,
            signed: names(signed?)?,
        })
    }

    /// Whether the header of this name (in lower case) is covered.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        self.signed.contains(&name)
    }
}

fn names(text: &str) -> Option<Vec<&str>> {
    let names: Vec<_> = text.split(';').collect();
    let legal = |name: &&str| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !name.is_empty() && name.bytes().all(legal)
    };
    let ordered = names.is_sorted_by(|one, next| one < next);
    (names.len() <= MOST_SIGNED && ordered && names.iter().all(legal)).then_some(names)
}

/// Whether it is a region's name, and so nothing that leads out of a domain: `eu-central-1`,
/// `us-gov-west-1`.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let words: Vec<_> = text.split('-').collect();
    let Some(([first, middle @ ..], number)) = words.split_last().map(|(last, rest)| (rest, last))
    else {
        return false;
    };
    let letters = |word: &&str| {
        (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    first.len() == 2
        && letters(first)
        && (1..=2).contains(&middle.len())
        && middle.iter().all(letters)
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

    fn with(credential: &str, signed: &str) -> String {
        format!("{METHOD} Credential={credential}, SignedHeaders={signed}, Signature={SIGNATURE}")
    }

    const CREDENTIAL: &str = "AKIDEXAMPLE/20150830/us-east-1/sts/aws4_request";

    #[test]
    fn a_header_says_what_is_signed() {
        let text = with(CREDENTIAL, "content-type;host;x-amz-date");
        let read = Authorization::parse(&text).unwrap();
        assert_eq!((read.day, read.region), ("20150830", "us-east-1"));
        assert!(read.covers("host") && !read.covers("x-vault-aws-iam-server-id"));
        assert!(Authorization::parse(&text.replace(", ", ",")).is_some());
    }

    #[test]
    fn a_header_has_one_form() {
        let good = with(CREDENTIAL, "host;x-amz-date");
        let twice = format!("{good}, SignedHeaders=host;x-vault-aws-iam-server-id");
        let before = good.replacen(
            "Credential",
            "SignedHeaders=x-vault-aws-iam-server-id, Credential",
            1,
        );
        for bad in [
            twice,
            before,
            String::new(),
            METHOD.to_owned(),
            format!("{good},"),
            format!(" {good}"),
            good.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            good.replace("/sts/", "/iam/"),
            good.replace("/us-east-1/", "/us-east-1.evil.example/"),
            good.replace("/us-east-1/", "/../"),
            good.replace("/us-east-1/", "//"),
            good.replace("20150830", "2015083"),
            good.replace("aws4_request", "aws4_request/x"),
            good.replace("Signature=5", "Signature=G"),
            good.replace("Signature=5", "Signature="),
            with(CREDENTIAL, ""),
            with(CREDENTIAL, "host;host"),
            with(CREDENTIAL, "x-amz-date;host"),
            with(CREDENTIAL, "Host;x-amz-date"),
            with(CREDENTIAL, "host; x-amz-date"),
        ] {
            assert_eq!(Authorization::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_region_leads_nowhere_else() {
        for good in [
            "us-east-1",
            "eu-central-2",
            "us-gov-west-1",
            "ap-southeast-10",
            "cn-north-1",
            "us-iso-east-1",
        ] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "us",
            "us-east",
            "us-east-1.evil.com",
            "us-east-1/",
            "us-east-1#",
            "US-EAST-1",
            "us--1",
            "us-east-1-",
            "us-east-100",
            "us-a-b-c-1",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
