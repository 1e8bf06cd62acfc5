//! Where STS and IAM are: what the configuration says, else AWS' own addresses.
//!
//! A login says for which host it was signed, and that name is kept in the header `Host`, for AWS
//! reckons the signature with it. Where the request is sent, it never says.

use super::authorization::is_region;
use super::config::Config;
use super::signed::Flaw;
use crate::outbound::Url;

/// STS for everybody, and where Vault sends a login that nothing else was said of.
const STS: &str = "sts.amazonaws.com";

/// The domain of a region's services.
fn domain(region: &str) -> &'static str {
    match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    }
}

/// Whether a host is STS of this region, or of everybody, by the names that AWS documents.
fn is_sts(host: &str, region: &str) -> bool {
    let domain = domain(region);
    host == STS
        || [
            format!("sts.{region}.{domain}"),
            format!("sts-fips.{region}.{domain}"),
        ]
        .contains(&host.to_owned())
}

/// Where a login with this region and host goes.
pub(super) fn of_login(config: &Config, region: &str, host: &str) -> Result<Url, Flaw> {
    if !config.sts_region.is_empty() && config.sts_region != region && !config.region_from_client {
        return Err(Flaw::Region);
    }
    let url = |text: &str| Url::parse(text).map_err(|_| Flaw::Host);
    let (url, others) = match (config.region_from_client, config.sts_endpoint.as_str()) {
        (true, _) => (
            url(&format!("https://sts.{region}.{}/", domain(region)))?,
            true,
        ),
        (false, "") => (url(&format!("https://{STS}/"))?, false),
        // Somebody's proxy, or an endpoint inside of a private network: who signs need not know of it.
        (false, own) => {
            let url = url(own)?;
            let others = !url.authority().ends_with(".amazonaws.com")
                && !url.authority().ends_with(".amazonaws.com.cn");
            (url, others)
        }
    };
    let host = host.to_ascii_lowercase();
    match host == url.authority().to_ascii_lowercase() || (others && is_sts(&host, region)) {
        true => Ok(url),
        false => Err(Flaw::Host),
    }
}

/// IAM of a partition, and the region that requests to it are signed for.
pub(super) fn of_iam(config: &Config, partition: &str) -> Option<(Url, &'static str)> {
    let (host, region) = match partition {
        "aws" => ("iam.amazonaws.com", "us-east-1"),
        "aws-cn" => ("iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        "aws-us-gov" => ("iam.us-gov.amazonaws.com", "us-gov-west-1"),
        _ => return None,
    };
    let url = match config.iam_endpoint.as_str() {
        "" => Url::parse(&format!("https://{host}/")),
        own => Url::parse(own),
    };
    Some((url.ok()?, region))
}

/// An address of the configuration in its one form: with a host, and no path.
pub(super) fn checked(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let bare = text.trim_end_matches('/');
    let url = Url::parse(&format!("{bare}/"))
        .map_err(|_| "expected an https URL; http is for this machine only")?;
    match url.path() {
        "/" if !bare.contains('?') => Ok(bare.to_owned()),
        _ => Err("expected an address without a path"),
    }
}

/// A region, or none.
pub(super) fn checked_region(text: &str) -> Result<String, &'static str> {
    match text.is_empty() || is_region(text) {
        true => Ok(text.to_owned()),
        false => Err("expected the name of a region, as eu-central-1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(config: &Config, region: &str, host: &str) -> Option<String> {
        of_login(config, region, host)
            .ok()
            .map(|url| url.authority().to_owned())
    }

    #[test]
    fn where_a_login_goes_is_not_its_own_to_say() {
        let plain = Config::default();
        let global = Some(STS.to_owned());
        assert_eq!(at(&plain, "us-east-1", STS), global);
        for host in [
            "sts.eu-central-1.amazonaws.com",
            "sts.amazonaws.com.evil.example",
            "evil.example",
            "iam.amazonaws.com",
            "127.0.0.1",
            "",
        ] {
            assert_eq!(at(&plain, "us-east-1", host), None, "{host}");
        }
        let mut own = Config::default();
        own.sts_endpoint = "https://sts.eu-central-1.amazonaws.com".to_owned();
        let there = Some("sts.eu-central-1.amazonaws.com".to_owned());
        assert_eq!(
            at(&own, "eu-central-1", "STS.eu-central-1.amazonaws.com"),
            there
        );
        assert_eq!(at(&own, "eu-central-1", STS), None, "that one is not asked");
        own.sts_region = "eu-central-1".to_owned();
        assert_eq!(
            at(&own, "us-east-1", "sts.eu-central-1.amazonaws.com"),
            None
        );
        // A proxy: the name stays AWS', the way is the configuration's.
        own.sts_endpoint = "https://proxy.example:8443".to_owned();
        let proxy = Some("proxy.example:8443".to_owned());
        for host in [STS, "sts.eu-central-1.amazonaws.com", "proxy.example:8443"] {
            assert_eq!(at(&own, "eu-central-1", host), proxy, "{host}");
        }
        for host in [
            "sts.us-east-1.amazonaws.com",
            "ec2.eu-central-1.amazonaws.com",
            "proxy.example",
            "sts.eu-central-1.amazonaws.com:8443",
        ] {
            assert_eq!(at(&own, "eu-central-1", host), None, "{host}");
        }
        let mut regional = Config::default();
        regional.region_from_client = true;
        assert_eq!(
            at(&regional, "cn-north-1", "sts.cn-north-1.amazonaws.com.cn").as_deref(),
            Some("sts.cn-north-1.amazonaws.com.cn")
        );
        assert_eq!(
            at(&regional, "eu-west-1", "sts.eu-west-2.amazonaws.com"),
            None
        );
    }
}
