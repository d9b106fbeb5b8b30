//! Owns the options in an attribute: what each must be, and what is said if it is not.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, MetaNameValue, Path, Result, Token};

/// What a runtime runs its tasks on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// One thread.
    CurrentThread,
    /// Workers.
    MultiThread,
}

/// All options, with where each was given.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) flavor: Option<(Flavor, Span)>,
    pub(crate) worker_threads: Option<(Expr, Span)>,
    pub(crate) start_paused: Option<(Expr, Span)>,
    pub(crate) flow: Option<Expr>,
    pub(crate) krate: Option<Path>,
}

const KNOWN: &str = "`flavor`, `worker_threads`, `start_paused`, `flow` and `crate`";

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options::default();
        for option in Punctuated::<MetaNameValue, Token![,]>::parse_terminated(input)? {
            options.add(option)?;
        }
        options.check()
    }
}

impl Options {
    fn add(&mut self, option: MetaNameValue) -> Result<()> {
        let MetaNameValue { path, value, .. } = option;
        let name = path.get_ident().map(ToString::to_string).unwrap_or_default();
        let span = path.get_ident().map_or_else(Span::call_site, proc_macro2::Ident::span);
        let given_before = match name.as_str() {
            "flavor" => self.flavor.replace((flavor(&value)?, span)).is_some(),
            "worker_threads" => self.worker_threads.replace((value, span)).is_some(),
            "start_paused" => self.start_paused.replace((value, span)).is_some(),
            "flow" => self.flow.replace(value).is_some(),
            "crate" => self.krate.replace(crate_path(&value)?).is_some(),
            _ => return Err(Error::new_spanned(path, format!("unknown option; there are {KNOWN}"))),
        };
        if given_before { Err(Error::new_spanned(path, format!("`{name}` is given twice"))) } else { Ok(()) }
    }

    fn check(self) -> Result<Self> {
        let flavor = self.flavor.map(|(flavor, _)| flavor);
        if let (Some((_, span)), Some(Flavor::CurrentThread)) = (&self.worker_threads, flavor) {
            return Err(Error::new(*span, "a current-thread runtime has no workers; use `flavor = \"multi_thread\"`"));
        }
        if let (Some((_, span)), Some(Flavor::MultiThread)) = (&self.start_paused, flavor) {
            return Err(Error::new(*span, "time can be paused on one thread only; use `flavor = \"current_thread\"`"));
        }
        Ok(self)
    }
}

fn text(value: &Expr) -> Result<String> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
        other => Err(Error::new_spanned(other, "expected a string literal")),
    }
}

fn flavor(value: &Expr) -> Result<Flavor> {
    match text(value)?.as_str() {
        "current_thread" => Ok(Flavor::CurrentThread),
        "multi_thread" => Ok(Flavor::MultiThread),
        other => {
            let said = format!("no flavor `{other}`; there are `current_thread` and `multi_thread`");
            Err(Error::new_spanned(value, said))
        }
    }
}

fn crate_path(value: &Expr) -> Result<Path> {
    syn::parse_str(&text(value)?)
        .map_err(|_| Error::new_spanned(value, "expected the path of a crate, as `\"routines_tokio\"`"))
}
