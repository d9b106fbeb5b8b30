//! Owns the companion of `opentelemetry`: the current context.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opentelemetry::{Context, ContextGuard};
use routines::companion::Companion;

/// Carries the current OpenTelemetry `Context`: the active span, baggage, suppression and all other values.
///
/// An empty context is carried as well, so that the child sees exactly what its parent saw. A span in it stays alive until
/// the last routine that carries it has ended.
///
/// Where a thread destroys its locals `opentelemetry` panics: there nothing is carried, though the panic's message is printed.
///
/// ```
/// use opentelemetry::Context;
/// use routines_companions::opentelemetry::OpenTelemetry;
///
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// routines::companion::register(OpenTelemetry);
///
/// let _guard = Context::current_with_value(Tenant(4)).attach();
/// let worker = routines::thread::spawn(|| assert_eq!(Context::current().get(), Some(&Tenant(4))));
/// worker.join().unwrap();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenTelemetry;

impl Companion for OpenTelemetry {
    type State = Context;
    type Guard = Option<ContextGuard>;

    fn capture(&self) -> Option<Context> {
        catch_unwind(Context::current).ok()
    }

    fn enter(&self, context: &Context) -> Option<ContextGuard> {
        catch_unwind(AssertUnwindSafe(|| context.clone().attach())).ok()
    }
}
