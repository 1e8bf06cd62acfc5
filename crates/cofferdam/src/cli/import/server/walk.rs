//! Through folders without end: depth first, so that memory holds one branch and not the tree, some
//! at once, and never past a bound.

use super::Job;
use super::peer::Trouble;
use crate::cli::Failure;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;

/// Folders inside each other. A path here has at most 128 segments.
const DEEPEST: usize = 100;
/// Bytes of a path.
const LONGEST: usize = 3072;

/// What is still to be looked at.
enum Work {
    Folder(String),
    Leaf(String),
}

/// Calls `leaf` with the path of everything that the lists below `root` name, without the root.
pub(super) async fn walk<'a>(
    job: &'a Job,
    kind: &'static str,
    root: &'a str,
    leaf: &'a dyn Fn(String) -> LocalBoxFuture<'a, Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut todo = vec![Work::Folder(String::new())];
    let mut seen: u64 = 0;
    let mut busy: FuturesUnordered<LocalBoxFuture<'a, Result<Vec<Work>, Failure>>> =
        FuturesUnordered::new();
    loop {
        while busy.len() < job.concurrency {
            match todo.pop() {
                Some(Work::Folder(path)) => busy.push(Box::pin(folder(job, kind, root, path))),
                Some(Work::Leaf(path)) => {
                    let one = leaf(path);
                    busy.push(Box::pin(async move { one.await.map(|()| Vec::new()) }));
                }
                None => break,
            }
        }
        let Some(done) = busy.next().await else {
            return Ok(());
        };
        let more = done?;
        seen += more.len() as u64;
        if seen > job.most {
            return Err(Failure::server(format!(
                "the other server lists more than {} names in: {root}",
                job.most
            ))
            .hint("if they are all meant, run it again with a larger -most=N"));
        }
        todo.extend(more);
    }
}

async fn folder(
    job: &Job,
    kind: &'static str,
    root: &str,
    path: String,
) -> Result<Vec<Work>, Failure> {
    let listed = job.source.names(&format!("{root}/{path}")).await;
    let found = match listed {
        Ok(found) => found,
        Err(Trouble::Stop(failure)) => return Err(failure),
        Err(Trouble::Item(reason)) => {
            job.report().left(kind, &format!("{root}/{path}*"), reason);
            return Ok(Vec::new());
        }
    };
    for (name, why) in found.bad {
        job.report()
            .left(kind, &format!("{root}/{path}{name}"), why);
    }
    let depth = path.matches('/').count();
    let mut work = Vec::with_capacity(found.good.len());
    for name in found.good {
        let below = format!("{path}{name}");
        if below.len() > LONGEST || (name.ends_with('/') && depth >= DEEPEST) {
            let why = "deeper or longer than a path may be here";
            job.report().left(kind, &format!("{root}/{below}"), why);
        } else if name.ends_with('/') {
            work.push(Work::Folder(below));
        } else {
            work.push(Work::Leaf(below));
        }
    }
    Ok(work)
}
