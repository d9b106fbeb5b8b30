//! Owns gRPC metadata as a carrier.

use http::HeaderName;
use routines_http::carrier::{Extract, Inject, Text};
use tonic::metadata::{Ascii, MetadataKey, MetadataMap};

/// Reads what came with a call out of its metadata.
///
/// Binary entries are none of ours, and are not looked at.
///
/// ```
/// use routines_http::{Propagation, REQUEST_ID};
/// use routines_tonic::MetadataExtractor;
///
/// let mut request = tonic::Request::new(());
/// request.metadata_mut().insert("x-request-id", "req-7".parse().unwrap());
/// let incoming = Propagation::new().extract(&MetadataExtractor(request.metadata()));
/// assert_eq!(incoming.request_id().as_str(), "req-7");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MetadataExtractor<'a>(pub &'a MetadataMap);

impl Extract for MetadataExtractor<'_> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        self.0.get_all(name).iter().for_each(|value| visit(value.as_encoded_bytes()));
    }
}

/// Writes what the current routine carries into the metadata of a call.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::with_timeout;
/// use routines_http::{Destination, Propagation};
/// use routines_tonic::{MetadataInjector, status};
/// use tonic::{Request, Status};
///
/// // An interceptor, for clients whose channel cannot be wrapped: it sends on, but ends nothing.
/// let fleet = Propagation::new();
/// let intercept = |mut request: Request<()>| -> Result<Request<()>, Status> {
///     let to = Destination::host("inventory").grpc();
///     fleet.inject(&mut MetadataInjector(request.metadata_mut()), &to).map_err(|cause| status(&cause))?;
///     Ok(request)
/// };
///
/// let request = with_timeout(Duration::from_secs(5)).sync_scope(|| intercept(Request::new(()))).unwrap();
/// assert!(request.metadata().contains_key("grpc-timeout"));
/// ```
#[derive(Debug)]
pub struct MetadataInjector<'a>(pub &'a mut MetadataMap);

impl Inject for MetadataInjector<'_> {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        if let (Ok(key), Ok(value)) = (MetadataKey::<Ascii>::from_bytes(name.as_ref()), value.parse()) {
            self.0.insert(key, value);
        }
    }

    fn remove(&mut self, name: &HeaderName) {
        self.0.remove(name.as_str());
    }
}
