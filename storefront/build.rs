//! Owns the definition of the fleet's one gRPC service, in Rust: no protobuf compiler is needed. And the symbols that profilers outside
//! the process look for.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        for symbol in ["otel_thread_ctx_v1", "custom_labels_current_set", "custom_labels_abi_version"] {
            println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}");
        }
    }
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
