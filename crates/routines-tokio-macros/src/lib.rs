//! The attributes of `routines-tokio` that take the place of tokio's: use them through that crate.

mod expand;
mod options;

use proc_macro::TokenStream;

/// Takes the place of `#[tokio::main]`: the same options, on a runtime told of [`Flow`](../routines_tokio/struct.Flow.html).
///
/// In a build with `--cfg tokio_unstable` plain `tokio::spawn` inherits in the whole program. Besides tokio's own options
/// (`flavor`, `worker_threads`, `start_paused`) there is `flow`: an expression of type `Flow`, by default `Flow::new()`.
///
/// ```ignore
/// #[routines_tokio::main(flavor = "current_thread", flow = routines_tokio::Flow::new().detach("my-pool"))]
/// async fn main() {}
/// ```
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), expand::What::Main).into()
}

/// Takes the place of `#[tokio::test]`: the same options, on a runtime told of [`Flow`](../routines_tokio/struct.Flow.html).
///
/// As [`macro@main`], on one thread unless told otherwise.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(options.into(), item.into(), expand::What::Test).into()
}
