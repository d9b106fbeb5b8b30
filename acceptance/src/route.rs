//! Owns the routes that requests take through the hops, as text.

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::fleet::Fleet;
use crate::protocol::{Next, Protocol};

/// A request begins at the first hop and ends at the last: `rust-a python/http rust-b/grpc`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) hops: Vec<Hop>,
}

/// A hop and how the request comes to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
}

impl Hop {
    fn parse(text: &str) -> Result<Hop> {
        let (name, protocol) = match text.split_once('/') {
            None => (text, Protocol::Origin),
            Some((name, "http")) => (name, Protocol::Http),
            Some((name, "grpc")) => (name, Protocol::Grpc),
            Some((_, other)) => bail!("no protocol: {other}"),
        };
        Ok(Hop { name: name.into(), protocol })
    }

    /// `rust-a` and `rust-b` are two processes of one language.
    pub(crate) fn language(&self) -> &str {
        self.name.split('-').next().unwrap_or_default()
    }
}

impl Route {
    pub(crate) fn parse(text: &str) -> Result<Route> {
        let hops = text.split(' ').map(Hop::parse).collect::<Result<Vec<_>>>()?;
        Ok(Route { hops })
    }

    pub(crate) fn last(&self) -> Result<&Hop> {
        self.hops.last().context("a route has a hop")
    }

    /// The address of the origin and of every hop behind it; or the first hop that is not running.
    pub(crate) fn addresses(&self, fleet: &Fleet) -> std::result::Result<(Next, Vec<Next>), String> {
        let find = |hop: &Hop| fleet.next(&hop.name, hop.protocol).ok_or_else(|| hop.name.clone());
        let mut all = self.hops.iter().map(find).collect::<std::result::Result<Vec<_>, _>>()?;
        let origin = all.remove(0);
        Ok((origin, all))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |hop: &Hop| match hop.protocol {
            Protocol::Origin => hop.name.clone(),
            Protocol::Http => format!("> {}", hop.name),
            Protocol::Grpc => format!("=> {}", hop.name),
        };
        f.pad(&self.hops.iter().map(name).collect::<Vec<_>>().join(" "))
    }
}
