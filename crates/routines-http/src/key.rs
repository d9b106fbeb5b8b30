//! Owns keys that leave the process: a local, its name out there, and how its value is written.

use std::fmt::Display;
use std::mem;
use std::ops::Deref;
use std::panic::catch_unwind;
use std::str::FromStr;

use routines::{Bindings, Local};

use crate::incoming::unbind;

/// A [`Local`] whose value goes along with requests to other processes, and is taken from requests that come in.
///
/// Declaring it so is the opt-in: a plain [`Local`] never leaves the process, however it is named. To be used it is also
/// [listed](crate::Propagation::key) with the service's [`Propagation`](crate::Propagation). In code it is the local it
/// dereferences to.
///
/// ```
/// use routines_http::Propagated;
///
/// // In the W3C `baggage` header, and on every log line as `tenant`.
/// static TENANT: Propagated<String> = Propagated::baggage("tenant");
/// // In a header of its own.
/// static REGION: Propagated<String> = Propagated::header("x-region");
///
/// TENANT.sync_scope("acme".into(), || assert_eq!(TENANT.get().as_deref(), Some("acme")));
/// ```
///
/// A value is written by its `Display` and read by its `FromStr`. Others choose the text that is read: what these do not accept, or
/// panic at, is [counted](crate::Ignored::value) and leaves the key unbound. A panic while a value is written goes to whoever sends.
///
/// A type that has neither brings functions of its own:
///
/// ```
/// use routines_http::Propagated;
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// enum Plan { Free, Paid }
///
/// static PLAN: Propagated<Plan> = Propagated::baggage_with(
///     "plan",
///     |plan| match plan { Plan::Free => "free".into(), Plan::Paid => "paid".into() },
///     |text| match text { "free" => Some(Plan::Free), "paid" => Some(Plan::Paid), _ => None },
/// );
/// # let _ = &PLAN;
/// ```
pub struct Propagated<T: Send + Sync + 'static> {
    local: Local<T>,
    name: &'static str,
    place: Place,
    encode: fn(&T) -> String,
    decode: fn(&str) -> Option<T>,
}

/// Where a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// As a member of `baggage`.
    Baggage,
    /// As a header named like the key.
    Header,
}

impl<T: Send + Sync + 'static> Propagated<T> {
    /// A member of the W3C `baggage` header, any text; shown in logs and dumps under the same name.
    pub const fn baggage(name: &'static str) -> Self
    where
        T: Display + FromStr,
    {
        Self::new(Local::new().named_display(name), name, Place::Baggage, write::<T>, read::<T>)
    }

    /// As [`baggage`](Self::baggage), written and read by these functions, and not shown: see [`local`](Self::local).
    pub const fn baggage_with(name: &'static str, encode: fn(&T) -> String, decode: fn(&str) -> Option<T>) -> Self {
        Self::new(Local::new(), name, Place::Baggage, encode, decode)
    }

    /// A header of its own, whose name must be lower-case. In the value, what is not visible ASCII is percent-encoded, and so
    /// is `%`.
    pub const fn header(name: &'static str) -> Self
    where
        T: Display + FromStr,
    {
        Self::new(Local::new().named_display(name), name, Place::Header, write::<T>, read::<T>)
    }

    /// As [`header`](Self::header), written and read by these functions, and not shown: see [`local`](Self::local).
    pub const fn header_with(name: &'static str, encode: fn(&T) -> String, decode: fn(&str) -> Option<T>) -> Self {
        Self::new(Local::new(), name, Place::Header, encode, decode)
    }

    /// Keeps its value in this local: to give it another name in logs, none, or another policy.
    ///
    /// ```
    /// use routines::Local;
    /// use routines_http::Propagated;
    ///
    /// // Travels, but is on no log line.
    /// static SESSION: Propagated<String> = Propagated::baggage("session").local(Local::new());
    /// assert_eq!(SESSION.name(), None);
    /// ```
    pub const fn local(self, local: Local<T>) -> Self {
        let changed =
            Propagated { local, name: self.name, place: self.place, encode: self.encode, decode: self.decode };
        // Its local was never used: there is nothing in it to free, and a constant function cannot drop it.
        mem::forget(self);
        changed
    }

    const fn new(
        local: Local<T>,
        name: &'static str,
        place: Place,
        encode: fn(&T) -> String,
        decode: fn(&str) -> Option<T>,
    ) -> Self {
        Propagated { local, name, place, encode, decode }
    }
}

fn write<T: Display>(value: &T) -> String {
    value.to_string()
}

fn read<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

impl<T: Send + Sync + 'static> Deref for Propagated<T> {
    type Target = Local<T>;

    fn deref(&self) -> &Local<T> {
        &self.local
    }
}

impl<T: Send + Sync + 'static> std::fmt::Debug for Propagated<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Propagated").field("name", &self.name).field("place", &self.place).finish_non_exhaustive()
    }
}

/// Any key, whatever its type.
pub(crate) trait Key: Sync {
    fn name(&self) -> &'static str;
    fn place(&self) -> Place;
    /// The value bound here, written.
    fn write(&self) -> Option<String>;
    /// Adds the value read from `text`; gives the bindings back unchanged if it is none.
    fn read(&self, text: &str, into: Bindings) -> Result<Bindings, Bindings>;
    /// Unbinds it in the current frame.
    fn unbind(&self);
}

impl<T: Send + Sync + 'static> Key for Propagated<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn place(&self) -> Place {
        self.place
    }

    fn write(&self) -> Option<String> {
        self.local.with(self.encode)
    }

    fn read(&self, text: &str, into: Bindings) -> Result<Bindings, Bindings> {
        // Strangers choose the text: a codec that panics at it must not end a connection, or the loop of a consumer.
        match catch_unwind(|| (self.decode)(text)).ok().flatten() {
            Some(value) => Ok(into.with(&self.local, value)),
            None => Err(into),
        }
    }

    fn unbind(&self) {
        unbind(&self.local);
    }
}
