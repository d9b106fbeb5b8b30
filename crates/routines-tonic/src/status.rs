//! Owns what a cancellation is called in gRPC.

use std::error::Error;
use std::sync::Arc;

use routines_cancel::Cause;
use tonic::{Code, Status, TimeoutExpired};

/// The status that tells of a cancellation: `DEADLINE_EXCEEDED` for a deadline, `CANCELLED` for anything else.
///
/// Its message is the cause's text, which goes to the peer if a handler returns it.
///
/// ```
/// use routines_cancel::{check, with_cancel};
/// use routines_tonic::status;
/// use tonic::{Code, Status};
///
/// fn step() -> Result<(), Status> {
///     check().map_err(|cause| status(&cause))?;
///     Ok(())
/// }
///
/// let token = with_cancel();
/// token.cancel();
/// assert_eq!(token.sync_scope(step).unwrap_err().code(), Code::Cancelled);
/// ```
pub fn status(cause: &Cause) -> Status {
    let code = if cause.is_deadline() { Code::DeadlineExceeded } else { Code::Cancelled };
    let mut status = Status::new(code, cause.to_string());
    status.set_source(Arc::new(cause.clone()));
    status
}

/// The cancellation a status tells of; `None` if it tells of anything else.
///
/// The very cause, if it was one of this process; what its code says, if it came from another one. The status that tonic makes when it
/// ends a call whose time is up, `CANCELLED`, is taken for the deadline it is about.
///
/// ```
/// use routines_cancel::Cause;
/// use routines_tonic::{cause, status};
/// use tonic::Status;
///
/// let ours = status(&Cause::from("sold out"));
/// assert_eq!(cause(&ours).unwrap().to_string(), "sold out");
/// assert!(matches!(cause(&Status::deadline_exceeded("")), Some(Cause::DeadlineExceeded)));
/// assert!(cause(&Status::not_found("no such item")).is_none());
/// ```
pub fn cause(status: &Status) -> Option<Cause> {
    if let Some(cause) = status.source().and_then(|source| source.downcast_ref::<Cause>()) {
        return Some(cause.clone());
    }
    match status.code() {
        Code::DeadlineExceeded => Some(Cause::DeadlineExceeded),
        Code::Cancelled if status.message() == TimeoutExpired(()).to_string() => Some(Cause::DeadlineExceeded),
        Code::Cancelled => Some(Cause::Cancelled),
        _ => None,
    }
}
