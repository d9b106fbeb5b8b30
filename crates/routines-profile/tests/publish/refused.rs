//! Owns the tests of what publishing refuses in a program like this one, whose symbols are not exported.

use routines_profile::publish::{PublishError, Publisher};

#[test]
fn with_no_format_left_there_is_nothing_to_publish() {
    let publisher = Publisher::new().without_thread_context().without_custom_labels();
    assert!(matches!(publisher.install(), Err(PublishError::Nothing)));
}

#[cfg(not(any(feature = "otel-thread-ctx", feature = "custom-labels")))]
#[test]
fn without_a_feature_the_error_names_both() {
    let text = routines_profile::publish::install().unwrap_err().to_string();
    assert!(text.contains("otel-thread-ctx") && text.contains("custom-labels"), "{text}");
}

#[cfg(all(target_os = "linux", feature = "otel-thread-ctx", feature = "custom-labels"))]
#[test]
fn a_program_that_does_not_export_the_symbols_is_told_the_exact_remedy_and_publishes_nothing() {
    let error = routines_profile::publish::install().unwrap_err();
    let PublishError::NotExported { symbols, .. } = &error else { panic!("{error}") };
    assert_eq!(symbols, &["otel_thread_ctx_v1", "custom_labels_current_set", "custom_labels_abi_version"]);
    let text = error.to_string();
    for symbol in symbols {
        let in_build_script = format!("println!(\"cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}\");");
        let in_config = format!("\"-C\", \"link-arg=-Wl,--export-dynamic-symbol={symbol}\"");
        assert!(text.contains(&in_build_script) && text.contains(&in_config), "{text}");
    }
    assert!(!std::fs::read_to_string("/proc/self/maps").unwrap().contains("OTEL_CTX"));
}

#[cfg(all(target_os = "linux", feature = "otel-thread-ctx", feature = "custom-labels"))]
#[test]
fn a_format_that_is_left_out_needs_no_symbol() {
    let error = Publisher::new().without_custom_labels().install().unwrap_err();
    assert!(matches!(error, PublishError::NotExported { symbols, .. } if symbols == ["otel_thread_ctx_v1"]));
}
