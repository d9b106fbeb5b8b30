//! Owns who is told what: where a request goes, and which hosts may receive values.

/// Where a request or message goes, as far as it decides what is sent along.
///
/// Ids, trace and deadline go to everybody. Values of [`Propagated`](crate::Propagated) keys go only to hosts on the
/// [list](crate::Propagation::baggage_to), and to what is of the same fleet by construction: its queues, its child processes.
///
/// ```
/// use std::collections::HashMap;
/// use routines_http::{Destination, Propagated, Propagation};
///
/// static TENANT: Propagated<String> = Propagated::baggage("tenant");
///
/// let fleet = Propagation::new().key(&TENANT).baggage_to(["*.internal"]);
/// TENANT.sync_scope("acme".into(), || {
///     let (mut ours, mut theirs) = (HashMap::<String, String>::new(), HashMap::<String, String>::new());
///     fleet.inject(&mut ours, &Destination::host("stock.internal"))?;
///     fleet.inject(&mut theirs, &Destination::host("example.com"))?;
///     assert_eq!(ours.get("baggage").map(String::as_str), Some("tenant=acme"));
///     assert_eq!(theirs.get("baggage"), None);
///     Ok::<(), routines_cancel::Cause>(())
/// }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub(crate) host: Host,
    pub(crate) deadline: DeadlineForm,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Named(String),
    Fleet,
    Unknown,
}

/// How the time left is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeadlineForm {
    /// Milliseconds left, in the header of the configured name.
    Millis,
    /// `grpc-timeout`.
    Grpc,
    /// The moment: the message may wait.
    Moment,
}

impl Destination {
    /// An HTTP server of this host name; a port, brackets around it, a dot at its end and upper case are ignored.
    pub fn host(host: impl Into<String>) -> Self {
        Destination { host: Host::Named(host.into()), deadline: DeadlineForm::Millis }
    }

    /// An HTTP server nobody knows the name of: gets no values.
    pub fn unknown() -> Self {
        Destination { host: Host::Unknown, deadline: DeadlineForm::Millis }
    }

    /// A queue or topic of one's own. The deadline is written as a moment, in milliseconds since 1970: the message may wait,
    /// and the time left when it was sent says nothing then. It is as exact as the two machines' clocks agree.
    pub fn queue() -> Self {
        Destination { host: Host::Fleet, deadline: DeadlineForm::Moment }
    }

    /// A child process. As [`queue`](Self::queue): both have the same clock.
    pub fn child_process() -> Self {
        Destination::queue()
    }

    /// The same, spoken to by gRPC: the deadline goes as `grpc-timeout`.
    pub fn grpc(mut self) -> Self {
        self.deadline = DeadlineForm::Grpc;
        self
    }
}

/// The hosts that may receive values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    pub(crate) fn add(&mut self, host: String) {
        self.0.push(plain(&host));
    }

    pub(crate) fn may_receive(&self, host: &Host) -> bool {
        match host {
            Host::Fleet => true,
            Host::Unknown => false,
            Host::Named(name) => self.has(&plain(name)),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|host| match host.strip_prefix("*.") {
            Some(domain) => name.strip_suffix(domain).is_some_and(|sub| sub.len() > 1 && sub.ends_with('.')),
            None => *host == name,
        })
    }
}

/// As it is compared: without port, brackets and the dot at its end, in lower case.
fn plain(host: &str) -> String {
    bare(host).trim_end_matches('.').to_ascii_lowercase()
}

/// Without the port and the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(list: &[&str]) -> Hosts {
        let mut hosts = Hosts::default();
        list.iter().for_each(|host| hosts.add((*host).to_owned()));
        hosts
    }

    #[test]
    fn a_host_receives_values_only_if_it_is_listed() {
        let list = hosts(&["Stock", "*.internal", "::1", "127.0.0.1"]);
        for yes in ["stock", "STOCK:8080", "a.internal", "a.b.internal.", "[::1]:80", "::1", "127.0.0.1:9"] {
            assert!(list.may_receive(&Host::Named(yes.into())), "{yes}");
        }
        for no in
            ["internal", ".internal", "evil-internal", "stock.example.com", "a.internal.example.com", "xstock", ""]
        {
            assert!(!list.may_receive(&Host::Named(no.into())), "{no}");
        }
        assert!(!list.may_receive(&Host::Unknown));
        assert!(hosts(&[]).may_receive(&Host::Fleet));
    }
}
