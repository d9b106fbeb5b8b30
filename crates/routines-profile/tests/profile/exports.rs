//! Owns the promises about the forms without labels: folded stacks and the flame graph.

use routines_profile::ProfileBuilder;

use crate::support::{build, sample};

#[test]
fn folded_stacks_have_labels_outermost_and_counts() {
    let samples = vec![
        sample(&[0x10, 0x21], 5, &[("tenant", "acme"), ("route", "/search")]),
        sample(&[0x10, 0x21], 7, &[("tenant", "acme"), ("route", "/search")]),
        sample(&[0x10], 1, &[]),
    ];
    let profile = build(&ProfileBuilder::new().keys(["tenant", "route"]), samples);
    assert_eq!(profile.to_folded(), "0x10 1\ntenant=acme;route=/search;0x20;0x10 12\n");
}

#[test]
fn a_value_cannot_break_a_line_or_a_stack_apart() {
    let samples = vec![sample(&[0x10], 1, &[("tenant", "a;b\nc\u{1} 5")])];
    assert_eq!(build(&ProfileBuilder::new(), samples).to_folded(), "tenant=a,b c  5;0x10 1\n");
}

#[test]
fn a_label_that_ends_in_a_number_is_no_weight() {
    let svg = build(&ProfileBuilder::new().frequency(1000), vec![sample(&[], 3, &[("tenant", "acme 7")])]).to_svg();
    assert!(svg.contains("tenant=acme 7 (3 ms, 100.00%)"), "{svg}");
}

#[test]
fn the_flame_graph_shows_text_as_text() {
    let value = "</text><script>alert(1)</script>&\"'";
    let svg = build(&ProfileBuilder::new(), vec![sample(&[0x10], 1, &[("tenant", value)])]).to_svg();
    assert!(!svg.contains("<script>alert") && !svg.contains("</text><script"));
    assert!(svg.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;"), "{svg}");
    roxmltree::Document::parse_with_options(&svg, roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() })
        .expect("well-formed");
}

#[test]
fn the_flame_graph_asks_nobody_for_anything() {
    let svg =
        build(&ProfileBuilder::new(), vec![sample(&[0x10], 1, &[("tenant", "https://evil.example/x.js")])]).to_svg();
    let document = roxmltree::Document::parse_with_options(
        &svg,
        roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
    )
    .expect("well-formed");
    for node in document.descendants() {
        assert!(!["image", "use", "link", "a", "foreignObject", "iframe"].contains(&node.tag_name().name()));
        for attribute in node.attributes() {
            assert!(!attribute.name().ends_with("href") && attribute.name() != "src");
            assert!(!attribute.value().contains("url(http"), "{attribute:?}");
        }
    }
    assert!(!svg.contains("@import") && !svg.contains("fetch(") && !svg.contains("XMLHttpRequest"));
}
