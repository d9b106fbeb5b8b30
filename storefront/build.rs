//! Owns the definition of the fleet's one gRPC service, in Rust: no protobuf compiler is needed.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let reserve = Method::builder()
        .name("reserve")
        .route_name("Reserve")
        .input_type("super::Reserve")
        .output_type("super::Reserved")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let inventory = Service::builder().name("Inventory").package("fleet").method(reserve).build();
    Builder::new().compile(&[inventory]);
}
