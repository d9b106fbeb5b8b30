//! Owns how one value is stored: small primitives as bits in the slot, everything else behind a shared pointer.
//!
//! Inline bits save the allocation and both reference-count trips of an `Arc`; only types whose bits can be
//! duplicated without anyone noticing qualify, and stable Rust can prove that only for types it can name. So
//! the list below is the primitives. A newtype over a primitive takes the shared path.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value of some `Local<T>`, type-erased. The key's token is what guarantees that `T` is the type put in.
#[derive(Clone)]
pub(crate) enum Value {
    /// A primitive of at most eight bytes.
    Bits(u64),
    /// Anything else.
    Shared(Arc<dyn Any + Send + Sync>),
}

/// Calls `$with!` once per inline type with its encoder and decoder.
macro_rules! inline_types {
    ($with:ident) => {
        $with!(u64, |v| v, |b| b);
        $with!(u32, u64::from, |b| b as u32);
        $with!(usize, |v| v as u64, |b| b as usize);
        $with!(i64, |v| v as u64, |b| b as i64);
        $with!(i32, |v| v as u32 as u64, |b| b as u32 as i32);
        $with!(bool, u64::from, |b| b != 0);
        $with!(u16, u64::from, |b| b as u16);
        $with!(u8, u64::from, |b| b as u8);
        $with!(isize, |v| v as u64, |b| b as isize);
        $with!(i16, |v| v as u16 as u64, |b| b as u16 as i16);
        $with!(i8, |v| v as u8 as u64, |b| b as u8 as i8);
        $with!(f64, f64::to_bits, f64::from_bits);
        $with!(f32, |v: f32| u64::from(v.to_bits()), |b| f32::from_bits(b as u32));
        $with!(char, u64::from, |b| char::from_u32(b as u32).unwrap_or(char::REPLACEMENT_CHARACTER));
    };
}

impl Value {
    /// Stores `value` inline if its type allows it. Costs an allocation otherwise.
    #[inline]
    pub(crate) fn new<T: Send + Sync + 'static>(value: T) -> Self {
        match Value::bits_of(&value) {
            Some(bits) => Value::Bits(bits),
            None => Value::Shared(Arc::new(value)),
        }
    }

    /// The bits of an inline type. Which branch is taken is known when `T` is compiled.
    #[inline]
    pub(crate) fn bits_of<T: 'static>(value: &T) -> Option<u64> {
        macro_rules! encode {
            ($type:ty, $encode:expr, $decode:expr) => {
                if let Some(primitive) = (value as &dyn Any).downcast_ref::<$type>() {
                    let encode: fn($type) -> u64 = $encode;
                    return Some(encode(*primitive));
                }
            };
        }
        inline_types!(encode);
        None
    }

    /// Lends the value to `f`, if it is a `T`.
    pub(crate) fn lend<T: Send + Sync + 'static>(&self, f: impl FnOnce(&T)) {
        match self {
            Value::Bits(bits) => decode(*bits).as_ref().map_or((), f),
            Value::Shared(shared) => shared.downcast_ref().map_or((), f),
        }
    }

    /// The value as a handle of its own type, or `None` if it is not a `T`.
    #[inline]
    pub(crate) fn into_taken<T: Send + Sync + 'static>(self) -> Option<Taken<T>> {
        match self {
            Value::Bits(bits) => decode(bits).map(|v| Taken(Inner::Inline(v))),
            Value::Shared(shared) => shared.downcast().ok().map(|v| Taken(Inner::Shared(v))),
        }
    }
}

/// Rebuilds a primitive from its bits without asking `T` for more than its type: the `Option` is what lets a
/// concrete value move out through a generic type.
#[inline]
fn decode<T: 'static>(bits: u64) -> Option<T> {
    let mut out: Option<T> = None;
    macro_rules! decode {
        ($type:ty, $encode:expr, $decode:expr) => {
            if let Some(place) = (&mut out as &mut dyn Any).downcast_mut::<Option<$type>>() {
                let decode: fn(u64) -> $type = $decode;
                *place = Some(decode(bits));
                return out;
            }
        };
    }
    inline_types!(decode);
    out
}

/// A value handed out of a context: what [`Local::set`](crate::Local::set), [`Local::remove`](crate::Local::remove),
/// [`Snapshot::get`](crate::Snapshot::get) and [`Bindings::get`](crate::Bindings::get) give back.
///
/// It dereferences to the value. A snapshot or a child routine may still share it, which is why it is not a plain `T`.
///
/// ```
/// use routines::Local;
///
/// static USER: Local<String> = Local::new();
///
/// USER.set("ada".to_string());
/// let old = USER.set("grace".to_string()).unwrap();
/// assert_eq!(*old, "ada");
/// assert_eq!(old.into_inner(), "ada");
/// # USER.remove();
/// ```
pub struct Taken<T>(Inner<T>);

enum Inner<T> {
    Inline(T),
    Shared(Arc<T>),
}

impl<T> Taken<T> {
    /// The value behind an [`Arc`]; allocates only for a primitive that was stored inline.
    pub fn into_arc(self) -> Arc<T> {
        match self.0 {
            Inner::Inline(value) => Arc::new(value),
            Inner::Shared(shared) => shared,
        }
    }

    /// The value itself; clones it only if someone else still shares it.
    pub fn into_inner(self) -> T
    where
        T: Clone,
    {
        match self.0 {
            Inner::Inline(value) => value,
            Inner::Shared(shared) => Arc::unwrap_or_clone(shared),
        }
    }

    /// The value itself, cloned if it is in shared storage: for reads, where the context keeps its own.
    #[inline]
    pub(crate) fn into_owned(self) -> T
    where
        T: Clone,
    {
        match self.0 {
            Inner::Inline(value) => value,
            Inner::Shared(shared) => (*shared).clone(),
        }
    }

    /// The value itself if nobody else shares it, or the shared pointer as the error.
    pub fn try_into_inner(self) -> Result<T, Arc<T>> {
        match self.0 {
            Inner::Inline(value) => Ok(value),
            Inner::Shared(shared) => Arc::try_unwrap(shared),
        }
    }
}

impl<T> Deref for Taken<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match &self.0 {
            Inner::Inline(value) => value,
            Inner::Shared(shared) => shared,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Taken<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Taken<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Taken<T> {}

impl<T: PartialEq> PartialEq<T> for Taken<T> {
    fn eq(&self, other: &T) -> bool {
        **self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: Send + Sync + Clone + 'static>(value: T) -> T {
        Value::new(value).into_taken::<T>().expect("same type").into_inner()
    }

    #[test]
    fn a_value_is_two_words() {
        assert_eq!(size_of::<Value>(), 16);
    }

    #[test]
    fn every_inline_type_comes_back_unchanged() {
        assert_eq!(
            (back(u8::MAX), back(u16::MAX), back(u32::MAX), back(u64::MAX)),
            (u8::MAX, u16::MAX, u32::MAX, u64::MAX)
        );
        assert_eq!(
            (back(i8::MIN), back(i16::MIN), back(i32::MIN), back(i64::MIN)),
            (i8::MIN, i16::MIN, i32::MIN, i64::MIN)
        );
        assert_eq!((back(-1isize), back(usize::MAX)), (-1, usize::MAX));
        assert_eq!((back(true), back(false), back('\u{10FFFF}'), back('a')), (true, false, '\u{10FFFF}', 'a'));
        assert_eq!((back(-0.5f32), back(f64::MIN_POSITIVE)), (-0.5, f64::MIN_POSITIVE));
        assert!(back(f64::NAN).is_nan());
    }

    #[test]
    fn other_types_are_shared_and_not_copied() {
        let Value::Shared(shared) = Value::new(String::from("long enough")) else {
            panic!("a String cannot be inline");
        };
        assert!(shared.is::<String>());
        assert!(matches!(Value::new(7u32), Value::Bits(7)));
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        assert!(Value::new(String::new()).into_taken::<Vec<u8>>().is_none());
        assert!(Value::Bits(1).into_taken::<String>().is_none());
    }
}
