//! Owns what an attribute makes of a function: the same function, not async, around a runtime.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn, Result, parse_quote, parse2};

use crate::options::{Flavor, Options};

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// `main`.
    Main,
    /// `test`.
    Test,
}

/// The function, or why there is none; then with the function beside it, so that one fault is told once.
pub(crate) fn expand(options: TokenStream, item: TokenStream, what: What) -> TokenStream {
    expanded(options, item.clone(), what).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #error #item }
    })
}

fn expanded(options: TokenStream, item: TokenStream, what: What) -> Result<TokenStream> {
    let options: Options = parse2(options)?;
    let mut function: ItemFn = parse2(item)?;
    check(&function, what)?;
    function.sig.asyncness = None;
    if what == What::Test {
        function.attrs.push(parse_quote!(#[::core::prelude::v1::test]));
    }
    let krate = options.krate.clone().unwrap_or_else(|| parse_quote!(::routines_tokio));
    let builder = builder(&options, what);
    let flow = options.flow.map_or_else(|| quote!(#krate::Flow::new()), |flow| quote!(#flow));
    let body = &function.block;
    let returned = match &function.sig.output {
        syn::ReturnType::Default => quote!(()),
        syn::ReturnType::Type(_, returned) => quote!(#returned),
    };
    // What is wrong in the body is told there, and what it returns where its end is.
    let end = body.brace_token.span.close();
    let run = quote_spanned! { end =>
        {
            use #krate::__private::tokio::runtime::Builder as __Builder;
            let mut __builder = #builder;
            let __runtime = #krate::Flow::install(#flow, __builder.enable_all()).build().expect("failed to build the runtime");
            __runtime.block_on(__body)
        }
    };
    function.block = parse_quote!({
        let __body = async #body;
        // So that a `!`, or an error's type, is what the signature says.
        #[allow(clippy::diverging_sub_expression, unreachable_code)]
        let __returned: #returned = #run;
        __returned
    });
    Ok(quote!(#function))
}

fn check(function: &ItemFn, what: What) -> Result<()> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(signature.fn_token, "the function must be async"));
    }
    let is_main = what == What::Main && signature.ident == "main";
    if (is_main || what == What::Test) && !signature.inputs.is_empty() {
        return Err(Error::new(signature.inputs.span(), "the function cannot have arguments"));
    }
    Ok(())
}

fn builder(options: &Options, what: What) -> TokenStream {
    let usual = if what == What::Test { Flavor::CurrentThread } else { Flavor::MultiThread };
    let implied = if options.worker_threads.is_some() { Flavor::MultiThread } else { usual };
    let flavor = options.flavor.map_or(implied, |(flavor, _)| flavor);
    let mut builder = match flavor {
        Flavor::CurrentThread => quote!(__Builder::new_current_thread()),
        Flavor::MultiThread => quote!(__Builder::new_multi_thread()),
    };
    let threads = options.worker_threads.iter().map(|(threads, _)| quote!(__builder.worker_threads(#threads);));
    let paused = options.start_paused.iter().map(|(paused, _)| quote!(__builder.start_paused(#paused);));
    builder = quote!({ let mut __builder = #builder; #(#threads)* #(#paused)* __builder });
    builder
}
