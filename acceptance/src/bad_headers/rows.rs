//! Owns the headers that nobody should send, what the specifications want done with them, and who does otherwise.

use super::Who::{self, Node, Python};

/// One request with one bad header.
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) header: &'static str,
    /// Each the bytes of a header line of its own.
    pub(crate) values: Vec<Vec<u8>>,
    /// What is to come of it.
    pub(crate) specified: &'static str,
    /// No specification says so: it is our choice.
    pub(crate) open: bool,
    /// Nothing is wrong with it that would be worth counting.
    pub(crate) is_harmless: bool,
    /// Who is known to make something else of it.
    pub(crate) known: &'static [(Who, &'static str)],
}

pub(crate) const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const IDS: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

/// One line of text.
fn one(case: &'static str, header: &'static str, value: impl Into<Vec<u8>>, specified: &'static str) -> Row {
    Row { case, header, values: vec![value.into()], specified, open: false, is_harmless: false, known: &[] }
}

impl Row {
    fn lines<const N: usize>(mut self, more: [&str; N]) -> Row {
        self.values.extend(more.map(Into::into));
        self
    }

    fn harmless(mut self) -> Row {
        self.is_harmless = true;
        self
    }

    /// Others who do otherwise.
    fn known(mut self, known: &'static [(Who, &'static str)]) -> Row {
        self.known = known;
        self
    }

    fn unspecified(mut self) -> Row {
        self.open = true;
        self
    }
}

pub(crate) fn all() -> Vec<Row> {
    [traceparent(), tracestate(), baggage(), grpc_timeout(), milliseconds(), request_id()]
        .into_iter()
        .flatten()
        .collect()
}

fn traceparent() -> Vec<Row> {
    let row = |case, value: String, specified| one(case, "traceparent", value, specified);
    vec![
        row("as it should be", PARENT.into(), "same, sampled"),
        row("not sampled", format!("00-{IDS}-00"), "same"),
        row("flags nobody knows", format!("00-{IDS}-ff"), "same, sampled"),
        row("flags nobody knows, not sampled", format!("00-{IDS}-fe"), "same"),
        row("trace id of zeroes", "00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(), "new"),
        row("span id of zeroes", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(), "new"),
        row("trace id in upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01".into(), "new"),
        row("span id in upper case", "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067AA0BA902B7-01".into(), "new"),
        row("flags in upper case", format!("00-{IDS}-0B"), "new"),
        row("version in upper case", format!("CC-{IDS}-01"), "new"),
        row("version ff", format!("ff-{IDS}-01"), "new"),
        row("version 01", format!("01-{IDS}-01"), "same, sampled"),
        row("version cc", format!("cc-{IDS}-01"), "same, sampled"),
        row("version cc and a tail", format!("cc-{IDS}-01-what-the-future-brings"), "same, sampled"),
        row("version cc and a dash", format!("cc-{IDS}-01-"), "same, sampled"),
        row("version cc and a tail without a dash", format!("cc-{IDS}-01.what"), "new"),
        row("version 00 and a tail", format!("00-{IDS}-01-what"), "new"),
        row("version 00 and a dash", format!("00-{IDS}-01-"), "new"),
        row("version of one digit", format!("0-{IDS}-01"), "new"),
        row("version of three digits", format!("000-{IDS}-01"), "new"),
        row("version that is no number", format!("zz-{IDS}-01"), "new"),
        row("trace id too short", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01".into(), "new"),
        row("trace id too long", "00-4bf92f3577b34da6a3ce929d0e0e47366-00f067aa0ba902b7-01".into(), "new"),
        row("span id too short", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01".into(), "new"),
        row("trace id that is no number", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01".into(), "new"),
        row("trace id of other digits", "00-４bf92f3577b34da6a3ce929d0e0e4-00f067aa0ba902b7-01".into(), "new"),
        row("without flags", format!("00-{IDS}"), "new"),
        row("flags of one digit", format!("00-{IDS}-1"), "new"),
        row("flags of three digits", format!("00-{IDS}-011"), "new"),
        row("underscores", format!("00-{IDS}-01").replace('-', "_"), "new"),
        row("nothing", String::new(), "new"),
        row("blanks", "   ".into(), "new"),
        row("blanks around it", format!(" \t{PARENT} "), "same, sampled"),
        row("blank inside", format!("00- {IDS}-01"), "new"),
        row("two in one line", format!("{PARENT},{PARENT}"), "new"),
        row("two lines", PARENT.into(), "new")
            .lines(["00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
            .known(&[(Python, "same, sampled")]),
        row("two lines, the same", PARENT.into(), "new").lines([PARENT]).known(&[(Python, "same, sampled")]),
        row("9 kB", format!("00-{IDS}-01{}", "0".repeat(9_000)), "new"),
        row("9 kB of version cc", format!("cc-{IDS}-01-{}", "0".repeat(9_000)), "same, sampled")
            .known(&[(Python, "new")]),
        row("another header inside", format!("{PARENT}\r\nx-evil: 1"), "new"),
        row("a zero byte at its end", format!("{PARENT}\0"), "new"),
        one("bytes that are no text", "traceparent", b"00-\xff\xfe-\xc3-01".as_slice(), "new"),
    ]
}

fn tracestate() -> Vec<Row> {
    let row = |case, value: String, specified| one(case, "tracestate", value, specified);
    let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    vec![
        row("as it should be", "a=1,b=2".into(), "a=1,b=2"),
        row("two lines", "a=1".into(), "a=1,b=2").lines(["b=2"]).known(&[(Python, "a=1")]),
        row("blanks and empty members", " a=1 ,, \t,b=2 ,".into(), "a=1,b=2"),
        row("blank inside a value", "a=x y,b=2".into(), "a=x y,b=2"),
        row("key of a tenant", "fw529a3039@dt=1".into(), "fw529a3039@dt=1"),
        row("32 members", members(32), "32 members, 181 bytes"),
        row("33 members", members(33), "none").known(&[(Node, "32 members, 181 bytes")]),
        row("key twice", "a=1,b=2,a=3".into(), "a=1,b=2").unspecified().known(&[(Python, "none"), (Node, "a=3,b=2")]),
        row("key in upper case", "A=1,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("key that begins with a sign", "-a=1,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("key with a dot", "a.b=1,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("key of 256 characters", format!("{}=1", "k".repeat(256)), "1 members, 258 bytes"),
        row("key of 257 characters", format!("{}=1,b=2", "k".repeat(257)), "none").known(&[(Node, "b=2")]),
        row("value of 256 characters", format!("a={}", "v".repeat(256)), "1 members, 258 bytes"),
        row("value of 257 characters", format!("a={},b=2", "v".repeat(257)), "none").known(&[(Node, "b=2")]),
        row("value with `=`", "a=1=2,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("value of nothing", "a=,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("no value", "a,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("no key", "=1,b=2".into(), "none").known(&[(Node, "b=2")]),
        row("semicolons between", "a=1;b=2".into(), "none"),
        one("bytes that are no ASCII", "tracestate", "a=é,b=2", "none").known(&[(Node, "b=2")]),
        row("another header inside", "a=1\r\nx-evil: 1".into(), "none"),
        row("9 kB", format!("a={},b=2", "v".repeat(9_000)), "none").known(&[(Node, "b=2")]),
    ]
}

fn baggage() -> Vec<Row> {
    let row = |case, value: String, specified| one(case, "baggage", value, specified);
    let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    vec![
        row("as it should be", "a=1,b=2".into(), "a=1 b=2"),
        row("two lines", "a=1".into(), "a=1 b=2").lines(["b=2"]).known(&[(Python, "a=1")]),
        row("blanks", " a = 1\t, b =2 ".into(), "a=1 b=2"),
        row("emoji, escaped", "a=%F0%9F%A6%80".into(), "a=🦀"),
        row("base64", "a=YWJj==".into(), "a=YWJj=="),
        row("escaped percent", "a=50%2541".into(), "a=50%41"),
        row("a plus is a plus", "a=1+1".into(), "a=1+1").known(&[(Python, "a=1 1")]),
        row("properties", "a=1;p=x;q,b=2".into(), "a=1 b=2").known(&[(Python, "a=1;p=x;q b=2")]),
        row("blank before a property", "a=1 ;p".into(), "a=1").known(&[(Python, "a=1 ;p")]),
        row("value of nothing", "a=,b=2".into(), "a= b=2").known(&[(Node, "b=2")]),
        row("escape that is no UTF-8", "a=%FF%41,b=2".into(), "a=\u{fffd}A b=2").known(&[(Node, "b=2")]),
        row("half an emoji, escaped", "a=%F0%9F,b=2".into(), "a=\u{fffd} b=2").known(&[(Node, "b=2")]),
        row("escape of other digits", "a=%zz,b=2".into(), "a=%zz b=2").unspecified().known(&[(Node, "b=2")]),
        row("escape that ends too early", "a=%4,b=%".into(), "a=%4 b=%").unspecified().known(&[(Node, "none")]),
        row("name twice", "a=1,b=2,a=3".into(), "a=3 b=2").unspecified(),
        row("name in upper case", "A=1,a=2".into(), "A=1 a=2"),
        row("name with an escape", "%61=1".into(), "%61=1").known(&[(Python, "a=1"), (Node, "a=1")]),
        row("no value", "a,b=2".into(), "b=2").unspecified(),
        row("no name", "=1,b=2".into(), "b=2").unspecified(),
        row("name with a blank", "a a=1,b=2".into(), "b=2").unspecified().known(&[(Node, "a a=1 b=2")]),
        row("name with a slash", "a/b=1,b=2".into(), "b=2").unspecified().known(&[(Node, "a/b=1 b=2")]),
        row("name in emoji", "🦀=1,b=2".into(), "b=2").unspecified().known(&[(Node, "b=2 ð\u{9f}¦\u{80}=1")]),
        row("value with a blank", "a=x y,b=2".into(), "b=2").unspecified().known(&[(Node, "a=x y b=2")]),
        row("value in quotes", r#"a="1",b=2"#.into(), "b=2").unspecified().known(&[(Node, "a=\"1\" b=2")]),
        row("value with a backslash", r"a=\1,b=2".into(), "b=2").unspecified().known(&[(Node, "a=\\1 b=2")]),
        row("value in plain UTF-8", "a=é,b=2".into(), "b=2").unspecified().known(&[(Node, "a=Ã© b=2")]),
        one("value of bytes that are no text", "baggage", b"a=\xff,b=2".as_slice(), "b=2")
            .unspecified()
            .known(&[(Python, "raises UnicodeEncodeError"), (Node, "a=ÿ b=2")]),
        row("nothing", String::new(), "none"),
        row("only commas", ",, ,".into(), "none").harmless(),
        row("64 members", members(64), "64 members"),
        row("65 members", members(65), "64 members")
            .unspecified()
            .known(&[(Python, "65 members"), (Node, "65 members")]),
        row("181 members", members(181), "64 members")
            .unspecified()
            .known(&[(Python, "180 members"), (Node, "180 members")]),
        row("8192 bytes", format!("a={}", "v".repeat(8_190)), "a=8190 bytes")
            .known(&[(Python, "none"), (Node, "none")]),
        row("a member of 9 kB", format!("a=1,b={}", "v".repeat(9_000)), "a=1").unspecified().known(&[(Python, "none")]),
        row(
            "9 kB of members",
            (0..9).map(|n| format!("k{n}={}", "v".repeat(1_000))).collect::<Vec<_>>().join(","),
            "8 members",
        )
        .unspecified()
        .known(&[(Python, "none")]),
        row("another header inside", "a=1\r\nx-evil: 1,b=2".into(), "b=2")
            .unspecified()
            .known(&[(Node, "a=1\r\nx-evil: 1 b=2")]),
        row("another header inside, escaped", "a=%0d%0ax-evil%3A%201,b=2".into(), "a=\r\nx-evil: 1 b=2")
            .known(&[(Python, "a=x-evil: 1 b=2")]),
        row("a zero byte, escaped", "a=%00,b=2".into(), "a=\0 b=2"),
    ]
}

fn grpc_timeout() -> Vec<Row> {
    let row = |case, value: &str, specified| one(case, "grpc-timeout", value, specified);
    vec![
        row("as it should be", "90S", "90000 ms"),
        row("hours", "1H", "3600000 ms"),
        row("microseconds", "90000000u", "90000 ms"),
        row("eight digits", "99999999m", "99999999 ms"),
        row("eight digits of hours", "99999999H", "359999996400000 ms").known(&[(Node, "132616576 ms")]),
        row("five weeks", "3000000S", "3000000000 ms").known(&[(Node, "over")]),
        row("nine digits", "123456789S", "none")
            .unspecified()
            .known(&[(Python, "123456789000 ms"), (Node, "1981952520 ms")]),
        row("twenty digits", "18446744073709551616S", "none").unspecified().known(&[(Node, "961681408 ms")]),
        row("negative", "-90S", "none").unspecified().known(&[(Python, "status 13"), (Node, "90000 ms")]),
        row("a fraction", "1.5S", "none").unspecified().known(&[(Python, "status 13"), (Node, "5000 ms")]),
        row("no unit", "90", "none").unspecified().known(&[(Python, "status 13"), (Node, "status 13")]),
        row("no number", "S", "none").unspecified().known(&[(Python, "status 13"), (Node, "status 13")]),
        row("nothing", "", "none").unspecified().known(&[(Python, "status 13"), (Node, "status 13")]),
        row("a unit nobody knows", "90s", "none").unspecified().known(&[(Python, "status 13"), (Node, "status 13")]),
        row("two units", "90SS", "none").unspecified().known(&[(Python, "status 13"), (Node, "90000 ms")]),
        row("blank inside", "90 S", "none").unspecified().known(&[(Python, "90000 ms"), (Node, "90000 ms")]),
        row("plus", "+90S", "none").unspecified().known(&[(Python, "status 13"), (Node, "90000 ms")]),
        row("hexadecimal", "0x90S", "none").unspecified().known(&[(Python, "status 13"), (Node, "90000 ms")]),
        row("other digits", "９０S", "none").unspecified().known(&[(Python, "status 13")]),
        row("zero", "0S", "over").unspecified(),
        row("two lines", "90S", "none").lines(["80S"]).unspecified().known(&[(Python, "80000 ms"), (Node, "90000 ms")]),
    ]
}

fn milliseconds() -> Vec<Row> {
    let row = |case, value: &str, ours| one(case, "x-request-timeout-ms", value, ours).unspecified();
    vec![
        row("as it should be", "90000", "90000 ms"),
        row("negative", "-1", "none"),
        row("a fraction", "1.5", "none"),
        row("with a unit", "90000ms", "none"),
        row("an exponent", "9e4", "none"),
        row("overflow", "99999999999999999999", "none"),
        row("nothing", "", "none"),
        row("zero", "0", "over"),
        row("two lines", "90000", "none").lines(["80000"]),
    ]
}

fn request_id() -> Vec<Row> {
    let row = |case, value: String, ours| one(case, "x-request-id", value, ours).unspecified();
    vec![
        row("as it should be", "req-7".into(), "req-7"),
        row("128 characters", "r".repeat(128), "128 bytes"),
        row("129 characters", "r".repeat(129), "new"),
        row("nothing", String::new(), "new"),
        row("blank inside", "req 7".into(), "new"),
        row("in quotes", r#""req-7""#.into(), "new"),
        row("a list", "req-7,req-8".into(), "new"),
        row("emoji", "🦀".into(), "new"),
        row("escape sequence of a terminal", "\u{1b}[31mreq".into(), "new"),
        row("two lines", "req-7".into(), "new").lines(["req-8"]),
        row("another header inside", "req-7\r\nx-evil: 1".into(), "new"),
    ]
}
