//! Owns the promises of profiles: what is added up, named, labelled and left out, and the forms it is written in.

mod decode;
mod encoding;
mod exports;
mod live;
mod loaded;
mod names;
mod run;
#[cfg(feature = "axum")]
mod service;
mod support;
mod values;
