//! The checks that etcd's gRPC layer makes before a request reaches the server.
//!
//! They look at the request alone: every server refuses the same. Numbers of sort orders and
//! targets that do not exist cannot be expressed here. Source: etcd release-3.4,
//! `etcdserver/api/v3rpc/key.go`.

use super::{DeleteRange, Put, Range, Request, RequestError};

impl Request {
    /// Refuses what no server takes.
    pub(crate) fn check(&self) -> Result<(), RequestError> {
        match self {
            Self::Put(put) => put.check(),
            Self::Range(range) => range.check(),
            Self::DeleteRange(delete) => delete.check(),
            Self::Txn(txn) => txn.check(),
            Self::MemberAdd(add) => check_urls(&add.peer_urls),
            Self::MemberUpdate(update) => check_urls(&update.peer_urls),
            Self::Compact(_)
            | Self::MemberList
            | Self::Status
            | Self::HashKv { .. }
            | Self::LeaseGrant(_)
            | Self::LeaseRevoke { .. }
            | Self::LeaseKeepAlive { .. }
            | Self::LeaseTimeToLive(_)
            | Self::Leases
            | Self::Alarm(_)
            | Self::Defragment
            | Self::Hash
            | Self::MemberRemove { .. }
            | Self::MemberPromote { .. }
            | Self::MoveLeader { .. }
            | Self::Snapshot => Ok(()),
        }
    }

    /// Whether a learner answers it.
    pub(crate) fn is_for_learners(&self) -> bool {
        match self {
            Self::Range(range) => range.serializable,
            Self::Status => true,
            Self::Put(_)
            | Self::DeleteRange(_)
            | Self::Compact(_)
            | Self::MemberList
            | Self::HashKv { .. }
            | Self::Txn(_)
            | Self::LeaseGrant(_)
            | Self::LeaseRevoke { .. }
            | Self::LeaseKeepAlive { .. }
            | Self::LeaseTimeToLive(_)
            | Self::Leases
            | Self::Alarm(_)
            | Self::Defragment
            | Self::Hash
            | Self::MemberAdd(_)
            | Self::MemberRemove { .. }
            | Self::MemberUpdate(_)
            | Self::MemberPromote { .. }
            | Self::MoveLeader { .. }
            // From 3.5 on a learner streams this.
            | Self::Snapshot => false,
        }
    }
}

impl Put {
    pub(super) fn check(&self) -> Result<(), RequestError> {
        if self.key.is_empty() {
            return Err(RequestError::EmptyKey);
        }
        if self.ignore_value && !self.value.is_empty() {
            return Err(RequestError::ValueProvided);
        }
        if self.ignore_lease && self.lease != 0 {
            return Err(RequestError::LeaseProvided);
        }
        Ok(())
    }
}

impl Range {
    pub(super) fn check(&self) -> Result<(), RequestError> {
        if self.key.is_empty() { Err(RequestError::EmptyKey) } else { Ok(()) }
    }
}

impl DeleteRange {
    pub(super) fn check(&self) -> Result<(), RequestError> {
        if self.key.is_empty() { Err(RequestError::EmptyKey) } else { Ok(()) }
    }
}

/// As Go's `types.NewURLs` has it: a scheme, a host with a port, no path.
fn check_urls(urls: &[String]) -> Result<(), RequestError> {
    let is_url = |url: &String| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let port = rest.and_then(|rest| rest.rsplit_once(':')).map(|(_, port)| port);
        port.is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if urls.is_empty() || !urls.iter().all(is_url) {
        return Err(RequestError::MemberBadUrls);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_contradict_a_put_are_refused() {
        let put = Put { key: "a".into(), value: "1".into(), lease: 5, ..Put::default() };
        assert_eq!(put.check(), Ok(()), "sound");
        let keeps_value = Put { ignore_value: true, ..put.clone() };
        assert_eq!(keeps_value.check(), Err(RequestError::ValueProvided), "a value to ignore");
        let keeps_lease = Put { ignore_lease: true, ..put.clone() };
        assert_eq!(keeps_lease.check(), Err(RequestError::LeaseProvided), "a lease to ignore");
        let no_key = Put { key: "".into(), ..put };
        assert_eq!(no_key.check(), Err(RequestError::EmptyKey), "no key");
    }

    #[test]
    fn peer_urls_have_scheme_host_and_port() {
        let check = |url: &str| check_urls(&[url.to_owned()]);
        assert_eq!(check("http://n4:2380"), Ok(()), "sound");
        for url in ["n4:2380", "http://n4", "http://n4:", "ftp://n4:21", "http://n4:2380/path"] {
            assert_eq!(check(url), Err(RequestError::MemberBadUrls), "{url}");
        }
        assert_eq!(check_urls(&[]), Err(RequestError::MemberBadUrls), "none");
    }
}
