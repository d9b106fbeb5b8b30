//! Together with the page itself, on a process that has work to show: this one.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};

use routines::{Dump, Local};
use routines_cli::client::Client;
use routines_cli::dump::{Format, Options, dump};
use routines_cli::fetch::{Line, fetch};
use routines_cli::model::{Model, Step};
use routines_cli::query::{Query, Shape, Sort};
use routines_cli::wire::Row;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::support::{client, screen};

static ORDER: Local<String> = Local::new().named("order");

/// A service that serves its page on loopback and has so many tasks below one of the order's.
struct Service {
    _runtime: Runtime,
    address: SocketAddr,
    root: u64,
}

impl Service {
    fn new(order: &str, children: usize) -> Service {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(routines_inspect::serve(listener, routines_inspect::Options::default()));
        let (tell, started) = std::sync::mpsc::channel();
        let root = async move {
            for _ in 0..children {
                routines_tokio::spawn(pending::<()>());
            }
            tell.send(routines::id().as_u64()).expect("it is waited for");
            pending::<()>().await;
        };
        ORDER.sync_scope(order.to_owned(), || {
            let _inside = runtime.enter();
            drop(routines_tokio::spawn(root));
        });
        let root = started.recv().expect("it runs");
        Service { _runtime: runtime, address, root }
    }

    fn client(&self) -> Client {
        client(&self.address.to_string())
    }

    fn dump(&self, format: Format, filter: &str) -> String {
        let options = Options { format, filter: filter.to_owned(), sort: Sort::Id, desc: false, limit: 1_000_000 };
        let mut out = anstream::StripStream::new(Vec::new());
        dump(&self.client(), &options, &mut out).unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8(out.into_inner()).expect("text")
    }
}

/// Asks until there is an answer: on a machine with too much to do the first may come too late.
fn ask(model: &mut Model, client: &Client) {
    for _ in 0..10 {
        let ask = model.ask();
        let step = model.answered(&ask, fetch(&ask, &mut |query| client.page(query)));
        if step == Step::Draw && model.fault.is_none() {
            return;
        }
    }
    panic!("no answer: {:?}", model.fault);
}

#[test]
fn the_routines_of_an_order_are_found_by_its_value_in_every_view() {
    let service = Service::new("o-1 \u{1b}[31m", 3);
    let mut model = Model::new("here".to_owned());
    model.query.q = "order=\"o-1 \u{1b}[31m\"".to_owned();
    for (shape, told) in [(Shape::Routines, "4 match"), (Shape::Tree, "1 match"), (Shape::Groups, "order: o-1")] {
        model.query.shape = shape;
        ask(&mut model, &service.client());
        let screen = screen(&mut model, 150, 24);
        assert!(screen.contains(told), "{screen}");
    }
}

#[test]
fn the_children_of_a_routine_are_below_it_when_its_branch_is_opened() {
    let service = Service::new("o-2", 250);
    let mut model = Model::new("here".to_owned());
    (model.query.q, model.query.shape) = ("order=o-2".to_owned(), Shape::Tree);
    for _ in 0..4 {
        // From the test's thread down, opening all there is.
        ask(&mut model, &service.client());
        let rows = model.answer.lines.iter().filter_map(|line| match line {
            Line::Routine { row, .. } if row.children > 0 => Some(row.info.id.as_u64()),
            _ => None,
        });
        model.open = rows.map(|id| (id, model.open.get(&id).copied().unwrap_or(0))).collect();
    }
    let children = model.answer.lines.iter().filter(|line| match line {
        Line::Routine { row, .. } => row.info.parent.is_some_and(|parent| parent.as_u64() == service.root),
        _ => false,
    });
    assert_eq!(children.count(), 100, "{}", screen(&mut model, 120, 30));
    let more = model
        .answer
        .lines
        .iter()
        .any(|line| matches!(line, Line::More { parent, count: 150, .. } if *parent == service.root));
    assert!(more, "{:?}", model.answer.lines.last());
}

#[test]
fn what_is_dumped_is_what_the_process_knows_of_itself() {
    let service = Service::new("o-3", 5);
    let read = Dump::parse(&service.dump(Format::Text, "order=o-3")).expect("a dump");
    let known = routines::all();
    let known: Vec<_> = known
        .iter()
        .filter(|info| info.values.iter().any(|(_, value)| *value == routines::NamedValue::Str("o-3".into())))
        .collect();
    assert_eq!(read.routines.len(), 6);
    for (read, known) in read.routines.iter().zip(known) {
        assert_eq!(
            (read.id, read.parent, &read.spawned_at, &read.values),
            (known.id, known.parent, &known.spawned_at, &known.values)
        );
    }
    let tree = service.dump(Format::Tree, "order=o-3");
    assert_eq!(tree.lines().filter(|line| line.starts_with("  ")).count(), 5, "{tree}");
    assert!(service.dump(Format::Groups, "order=o-3").starts_with("5 @ crates/routines-cli/tests/it/end_to_end.rs:"));
    let json: serde_json::Value = serde_json::from_str(&service.dump(Format::Json, "order=o-3")).expect("JSON");
    assert_eq!(json["routines"].as_array().map(Vec::len), Some(6));
}

#[test]
fn every_column_can_be_sorted_by_both_ways_and_a_wrong_question_is_refused_with_its_reason() {
    let service = Service::new("o-4", 10);
    for sort in <Sort as clap::ValueEnum>::value_variants() {
        for (desc, shape) in [(false, Shape::Routines), (true, Shape::Groups), (true, Shape::Tree)] {
            let query = Query { sort: *sort, desc, shape, ..Query::default() };
            let page = service.client().page::<Row>(&query).unwrap_or_else(|error| panic!("{sort:?}: {error}"));
            assert!(page.total >= 11);
        }
    }
    let fault = service.client().page::<Row>(&Query { per_page: 100_000, ..Query::default() }).unwrap_err().to_string();
    assert!(fault.contains("400") && fault.contains("per_page"), "{fault}");
}

#[test]
fn a_hundred_thousand_live_routines_are_paged_through_from_end_to_end() {
    let service = Service::new("o-5", 100_000);
    let mut model = Model::new("here".to_owned());
    model.query.q = "order=o-5".to_owned();
    ask(&mut model, &service.client());
    assert_eq!((model.answer.matching, model.answer.lines.len()), (100_001, 100));
    model.query.page = model.pages() - 1;
    ask(&mut model, &service.client());
    assert_eq!(model.answer.lines.len(), 1);
}
