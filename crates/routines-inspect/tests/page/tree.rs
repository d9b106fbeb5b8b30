//! The tree, one level at a time, and the chain of one routine's parents.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use routines::{Carried, Kind, RoutineBuilder, RoutineId};
use serde_json::Value;

use crate::support::{TEST, ask, named, waiting};

type Work = Carried<Pin<Box<dyn Future<Output = ()> + Send>>>;

fn polled(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Work {
    let mut work: Work = RoutineBuilder::new(Kind::Task).name(name).future(Box::pin(work));
    assert_eq!(Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
    work
}

/// A routine that has so many children, and its id.
pub(crate) fn parent_of(children: usize) -> (Work, RoutineId) {
    let (tell, told) = std::sync::mpsc::channel();
    let work = polled("parent", async move {
        tell.send(routines::id()).expect("the test listens");
        let _children: Vec<_> = (0..children).map(|_| waiting("child")).collect();
        pending().await
    });
    (work, told.recv().expect("it was polled"))
}

/// A grandparent, below it a parent, below that a child.
fn family(test: &'static str) -> Work {
    TEST.sync_scope(test, || {
        polled("grandparent", async {
            let _parent = polled("parent", async {
                let _child = waiting("child");
                pending().await
            });
            let _aunt = waiting("aunt");
            pending().await
        })
    })
}

fn id(answer: &Value, name: &str) -> String {
    let rows = answer["routines"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    row["id_text"].as_str().expect("an id").to_owned()
}

fn matches(answer: &Value) -> Vec<bool> {
    answer["routines"].as_array().expect("a list").iter().map(|row| row["matches"] == true).collect()
}

#[test]
fn a_level_is_the_children_of_one() {
    let _family = family("levels");
    let all = ask(&[("q", "test=levels")]);
    assert_eq!(all["matching"], 4);
    let level = |parent: &str| ask(&[("view", "tree"), ("parent", parent)]);
    let second = level(&id(&all, "grandparent"));
    assert_eq!(named(&second), ["parent", "aunt"]);
    assert_eq!(second["routines"][0]["children"], 1);
    assert_eq!(second["routines"][1]["children"], 0);
    assert_eq!(named(&level(&id(&all, "parent"))), ["child"]);
    assert_eq!(named(&level(&id(&all, "child"))), [""; 0]);
}

#[test]
fn a_routine_whose_parent_has_ended_stands_at_the_root() {
    let orphan = TEST.sync_scope("orphan", || {
        std::thread::spawn(routines::bind(|| RoutineBuilder::new(Kind::Task).name("orphan").future(pending::<()>())))
    });
    let _orphan = orphan.join().expect("it does not panic");
    let roots = ask(&[("view", "tree"), ("q", "test=orphan")]);
    assert_eq!(named(&roots), ["orphan"]);
    // Which parent that was is known all the same, and no more than that.
    let parent = &roots["routines"][0]["parent"];
    let one = ask(&[("id", &id(&roots, "orphan"))]);
    assert_eq!(one["chain"].as_array().map(Vec::len), Some(1));
    let link = &one["chain"][0];
    assert_eq!((&link["id"], &link["gone"], &link["kind"]), (parent, &Value::Bool(true), &Value::Null));
    assert_eq!(link["id_text"], parent.to_string());
}

#[test]
fn a_filter_shows_what_it_finds_with_those_above_and_below() {
    let _family = family("around");
    let root = |words: &str| {
        let all = ask(&[("q", "test=around")]);
        let top = id(&all, "grandparent");
        let level = |parent: &str| ask(&[("view", "tree"), ("q", words), ("parent", parent)]);
        (level(&top), level(&id(&all, "parent")))
    };
    let (second, third) = root("test=around name=parent");
    assert_eq!((named(&second), matches(&second)), (vec!["parent".into()], vec![true]), "not the aunt");
    assert_eq!((named(&third), matches(&third)), (vec!["child".into()], vec![false]), "below what was found");
    let (second, third) = root("test=around name=child");
    assert_eq!((named(&second), matches(&second)), (vec!["parent".into()], vec![false]), "above what was found");
    assert_eq!(second["routines"][0]["children"], 1);
    assert_eq!((named(&third), matches(&third)), (vec!["child".into()], vec![true]));
    let (second, third) = root("test=around name=aunt");
    assert_eq!((named(&second), named(&third)), (vec!["aunt".into()], vec![]));
}

#[test]
fn the_chain_of_parents_leads_to_the_root() {
    let _family = family("chain");
    let all = ask(&[("q", "test=chain")]);
    let one = ask(&[("id", &id(&all, "child"))]);
    assert_eq!((&one["matching"], named(&one)), (&Value::from(1), vec!["child".into()]));
    let chain = one["chain"].as_array().expect("a list");
    let ids: Vec<_> = chain.iter().map(|link| link["id_text"].as_str().expect("an id").to_owned()).collect();
    assert_eq!(ids, [id(&all, "parent"), id(&all, "grandparent"), routines::id().to_string()]);
    assert_eq!(chain[1]["values"]["test"], "chain");
}

#[test]
fn one_that_has_ended_is_not_there() {
    let gone = TEST.sync_scope("gone", || {
        let _child = waiting("child");
        id(&ask(&[("q", "test=gone")]), "child")
    });
    let one = ask(&[("id", &gone)]);
    assert_eq!((named(&one), &one["matching"], &one["chain"]), (vec![], &Value::from(0), &serde_json::json!([])));
}
