//! What may be written for ADDR.

use routines_cli::address::Address;

#[test]
fn a_port_a_host_with_port_and_a_url_are_addresses() {
    for (text, url, shown) in [
        ("9000", "http://127.0.0.1:9000/debug/routines/json", "127.0.0.1:9000"),
        (":9000", "http://127.0.0.1:9000/debug/routines/json", "127.0.0.1:9000"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/debug/routines/json", "127.0.0.1:9000"),
        ("[::1]:9000", "http://[::1]:9000/debug/routines/json", "[::1]:9000"),
        ("http://localhost", "http://localhost/debug/routines/json", "localhost"),
        ("http://a:1/debug/routines", "http://a:1/debug/routines/json", "a:1"),
        ("http://a:1/admin/", "http://a:1/admin/debug/routines/json", "http://a:1/admin"),
        ("http://a:1/admin/debug/routines", "http://a:1/admin/debug/routines/json", "http://a:1/admin"),
    ] {
        let address: Address = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((address.url("json").as_str(), address.to_string().as_str()), (url, shown), "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused_with_what_to_write() {
    for text in [
        "",
        ":",
        "0",
        "99999",
        "host",
        "[::1]",
        "host:",
        "host:0",
        "host:99999",
        "host:x",
        "user@host:1",
        "http://",
        "http://u:p@h:1",
        "http://h:1/?q=1",
        "ftp://h:1",
        "h:1 x",
        "h:1\u{1b}[2J",
        "\u{202e}:1",
    ] {
        assert!(text.parse::<Address>().is_err(), "{text:?} was taken");
    }
    let tls = "https://host:9000".parse::<Address>().unwrap_err().to_string();
    assert!(tls.contains("ssh -L"), "{tls}");
}
