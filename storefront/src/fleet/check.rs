//! Owns the oracle: what one request's lines and answer must say, and what is wrong with them.

use super::children::Hop;
use super::context::Owner;
use super::front::Receipt;
use super::kind::{Fate, Kind, Why};
use super::line::{ARRIVED, DONE, Line, TOLD};
use super::stories::Story;

/// Whoever is told must be within so long.
pub(super) const SOON_US: u64 = 5_000_000;
/// In a message a deadline is a moment in whole milliseconds, rounded down.
const ROUNDED_US: u64 = 1_000;

/// A request as its client knows it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) order: u64,
    pub(super) kind: Kind,
    /// When the client left, its time was up or the server was told to end; in microseconds since 1970.
    pub(super) moment_us: Option<u64>,
    /// The answer's status and text, or why there is none.
    pub(super) answer: Result<(u16, String), String>,
}

/// Whether all that must be logged about a request is.
pub(super) fn is_complete(kind: Kind, story: &Story, hops: &[Hop]) -> bool {
    hops.iter().all(|hop| match kind.fate(*hop) {
        None => true,
        Some(Fate::Done) => story.find(*hop, DONE).is_some(),
        Some(Fate::Told(_)) => story.find(*hop, TOLD).is_some(),
    })
}

/// All that is wrong with a request.
pub(super) fn faults(sent: &Sent, story: &Story, hops: &[Hop]) -> Vec<String> {
    let mut faults = Vec::new();
    for (hop, line) in &story.lines {
        faults
            .extend(owner_fault(sent.order, line).map(|fault| format!("{}, {:?}: {fault}", hop.name(), line.message)));
    }
    faults.extend(time_fault(story, hops));
    faults.extend(answer_fault(sent));
    faults.extend(hops.iter().filter_map(|hop| Some(format!("{}: {}", hop.name(), fate_fault(sent, story, *hop)?))));
    faults
}

/// A line without its context, or with another's.
pub(super) fn owner_fault(order: u64, line: &Line) -> Option<String> {
    let Owner { request_id, trace_id, tenant } = Owner::of(order);
    let pairs = [
        ("request id", &line.request_id, request_id),
        ("trace id", &line.trace_id, trace_id),
        ("tenant", &line.tenant, tenant),
    ];
    pairs.into_iter().find_map(|(name, found, expected)| match found {
        Some(found) if *found == expected => None,
        Some(found) => Some(format!("{name} {found:?} instead of {expected:?}")),
        None => Some(format!("no {name}")),
    })
}

/// The time left, at each hop in the order they come.
pub(super) fn times_left(story: &Story, hops: &[Hop]) -> Vec<Option<u64>> {
    hops.iter().map(|hop| story.find(*hop, ARRIVED)?.left_ns).collect()
}

/// Strictly less at each hop, from below what the client gave.
fn time_fault(story: &Story, hops: &[Hop]) -> Option<String> {
    let arrived: Vec<Hop> = hops.iter().copied().filter(|hop| story.find(*hop, ARRIVED).is_some()).collect();
    let left = times_left(story, &arrived);
    let Some(left) = left.iter().copied().collect::<Option<Vec<u64>>>() else {
        return Some("a hop does not know the time left".into());
    };
    (!left.is_sorted_by(|a, b| a > b)).then(|| format!("the time left does not decrease: {left:?} ns"))
}

fn answer_fault(sent: &Sent) -> Option<String> {
    let expected = sent.kind.status()?;
    match &sent.answer {
        Ok((status, text)) if *status == expected => (expected == 200).then(|| receipt_fault(sent.order, text))?,
        Ok((status, text)) => Some(format!("answered {status} {text:?} instead of {expected}")),
        Err(why) => Some(format!("no answer: {why}")),
    }
}

/// An answer that is not for this order, or made by a hop that took it for another's.
pub(super) fn receipt_fault(order: u64, text: &str) -> Option<String> {
    let owner = Owner::of(order);
    let right = Receipt { order, front: owner.clone(), inventory: owner };
    match serde_json::from_str::<Receipt>(text) {
        Ok(receipt) if receipt == right => None,
        _ => Some(format!("the answer is {text:?}")),
    }
}

fn fate_fault(sent: &Sent, story: &Story, hop: Hop) -> Option<String> {
    let (done, told) = (story.find(hop, DONE), story.find(hop, TOLD));
    match (sent.kind.fate(hop), done, told) {
        (None, None, None) => story.find(hop, ARRIVED).map(|_| "should not have heard of it".into()),
        (Some(Fate::Done), Some(_), None) => None,
        (Some(Fate::Told(why)), None, Some(told)) => told_fault(sent, why, told),
        (Some(Fate::Told(_)), None, None) => Some("was not told".into()),
        (Some(Fate::Done), None, None) => Some("did not finish".into()),
        (_, _, Some(told)) => Some(format!("was told {:?}", told.cause)),
        (_, Some(_), _) => Some("finished".into()),
    }
}

fn told_fault(sent: &Sent, why: Why, told: &Line) -> Option<String> {
    let Some(moment) = sent.moment_us else { return Some("nobody knows when it was to be told".into()) };
    let early_us = if why == Why::Deadline { ROUNDED_US } else { 0 };
    if told.at_us + early_us < moment {
        return Some(format!("was told {} us too early", moment - told.at_us));
    }
    if told.at_us > moment + SOON_US {
        return Some(format!("was told {} ms too late", (told.at_us - moment) / 1000));
    }
    let cause = told.cause.as_deref().unwrap_or_default();
    // Over the network both ends have the same deadline; the caller may notice first, and hang up.
    let hung_up = why == Why::Deadline && cause == Why::Disconnected.text();
    (cause != why.text() && !hung_up).then(|| format!("was told {cause:?} instead of {:?}", why.text()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::line::ARRIVED;

    const ORDER: u64 = 7;
    const MOMENT: u64 = 1_000_000_000;
    const KINDS: [Kind; 6] = [Kind::Finished, Kind::HangsUp, Kind::Late, Kind::LateJob, Kind::Write, Kind::ShutDown];

    fn line(message: &str, left_ns: u64) -> Line {
        let Owner { request_id, trace_id, tenant } = Owner::of(ORDER);
        Line {
            message: message.into(),
            order: Some(ORDER),
            left_ns: Some(left_ns),
            at_us: MOMENT + 300,
            cause: None,
            request_id: Some(request_id),
            trace_id: Some(trace_id),
            tenant: Some(tenant),
        }
    }

    /// What is logged when all goes well.
    fn story(kind: Kind) -> Story {
        let mut story = Story::default();
        for (number, hop) in Hop::ALL.into_iter().enumerate() {
            let Some(fate) = kind.fate(hop) else { continue };
            story.lines.push((hop, line(ARRIVED, 1_000 - number as u64)));
            story.lines.push((
                hop,
                match fate {
                    Fate::Done => line(DONE, 10),
                    Fate::Told(why) => Line { cause: Some(why.text().into()), ..line(TOLD, 0) },
                },
            ));
        }
        story
    }

    fn sent(kind: Kind) -> Sent {
        let owner = Owner::of(ORDER);
        let receipt = Receipt { order: ORDER, front: owner.clone(), inventory: owner };
        let text = serde_json::to_string(&receipt).unwrap();
        Sent { order: ORDER, kind, moment_us: Some(MOMENT), answer: Ok((kind.status().unwrap_or(200), text)) }
    }

    /// The faults found once `spoil` has had its way.
    fn spoilt(kind: Kind, spoil: impl Fn(&mut Sent, &mut Story)) -> Vec<String> {
        let (mut sent, mut story) = (sent(kind), story(kind));
        assert_eq!(faults(&sent, &story, &Hop::ALL), [""; 0], "{kind:?} is well before it is spoilt");
        assert!(is_complete(kind, &story, &Hop::ALL));
        spoil(&mut sent, &mut story);
        faults(&sent, &story, &Hop::ALL)
    }

    /// The line of a step at a hop, to be changed.
    fn at<'a>(story: &'a mut Story, hop: Hop, step: &str) -> &'a mut Line {
        let found = story.lines.iter_mut().find(|(at, line)| *at == hop && line.message == step);
        &mut found.expect("the story has that line").1
    }

    #[test]
    fn a_lost_foreign_or_cut_id_is_found_at_every_hop() {
        for hop in Hop::ALL {
            for id in [None, Some("req-8".to_owned()), Some("req-".to_owned())] {
                let faults = spoilt(Kind::Finished, |_, story| at(story, hop, DONE).request_id = id.clone());
                assert!(faults.len() == 1 && faults[0].starts_with(hop.name()), "{faults:?}");
            }
        }
    }

    #[test]
    fn another_trace_or_tenant_is_found() {
        let other = Owner::of(ORDER + 1);
        let trace =
            spoilt(Kind::Write, |_, story| at(story, Hop::Worker, ARRIVED).trace_id = Some(other.trace_id.clone()));
        let tenant =
            spoilt(Kind::Write, |_, story| at(story, Hop::Worker, ARRIVED).tenant = Some(other.tenant.clone()));
        assert!(trace.len() == 1 && trace[0].contains("trace id"), "{trace:?}");
        assert!(tenant.len() == 1 && tenant[0].contains("tenant"), "{tenant:?}");
    }

    #[test]
    fn time_left_that_stays_equal_grows_or_is_unknown_is_found() {
        for left in [Some(1_000), Some(2_000), None] {
            let faults = spoilt(Kind::Finished, |_, story| at(story, Hop::Inventory, ARRIVED).left_ns = left);
            assert!(faults.len() == 1 && faults[0].contains("time left"), "{left:?}: {faults:?}");
        }
    }

    #[test]
    fn a_hop_that_is_not_told_is_found() {
        for kind in KINDS {
            for hop in Hop::ALL.into_iter().filter(|hop| matches!(kind.fate(*hop), Some(Fate::Told(_)))) {
                let faults =
                    spoilt(kind, |_, story| story.lines.retain(|(at, line)| *at != hop || line.message != TOLD));
                assert_eq!(faults, [format!("{}: was not told", hop.name())], "{kind:?}");
            }
        }
    }

    #[test]
    fn a_hop_that_is_told_another_cause_is_found() {
        let wrong = |cause: &str| {
            spoilt(Kind::HangsUp, |_, story| at(story, Hop::Front, TOLD).cause = Some(cause.to_owned())).len()
        };
        assert_eq!(["cancelled", "deadline exceeded", "", "the client went away"].map(wrong), [1, 1, 1, 0]);
    }

    #[test]
    fn a_caller_that_hangs_up_at_the_deadline_is_right_and_one_that_does_before_is_not() {
        let hung_up = |at_us: u64| {
            spoilt(Kind::Late, |_, story| {
                let told = at(story, Hop::Inventory, TOLD);
                (told.cause, told.at_us) = (Some(Why::Disconnected.text().into()), at_us);
            })
        };
        assert_eq!(hung_up(MOMENT + 100), [""; 0]);
        assert_eq!(hung_up(MOMENT - 2 * ROUNDED_US).len(), 1);
    }

    #[test]
    fn a_hop_that_is_told_too_late_or_too_early_is_found() {
        for at_us in [MOMENT + SOON_US + 1, MOMENT - 1] {
            assert_eq!(spoilt(Kind::HangsUp, |_, story| at(story, Hop::Inventory, TOLD).at_us = at_us).len(), 1);
        }
        assert_eq!(spoilt(Kind::ShutDown, |sent, _| sent.moment_us = None).len(), 2);
    }

    #[test]
    fn work_that_is_told_or_goes_on_when_it_should_not_is_found() {
        let told = Line { cause: Some(Why::Disconnected.text().into()), ..line(TOLD, 0) };
        let shielded = spoilt(Kind::Write, |_, story| story.lines.push((Hop::Inventory, told.clone())));
        assert!(shielded.len() == 1 && shielded[0].contains("was told"), "{shielded:?}");
        let went_on = spoilt(Kind::HangsUp, |_, story| story.lines.push((Hop::Inventory, line(DONE, 1))));
        assert_eq!(went_on, ["inventory: was told Some(\"the client went away\")"]);
        let finished = spoilt(Kind::Finished, |_, story| story.lines.retain(|(_, line)| line.message != DONE));
        assert_eq!(finished.len(), 3, "{finished:?}");
        let worked = spoilt(Kind::HangsUp, |_, story| story.lines.push((Hop::Worker, line(ARRIVED, 1))));
        assert_eq!(worked, ["worker: should not have heard of it"]);
    }

    #[test]
    fn an_answer_that_is_missing_of_another_status_or_of_another_order_is_found() {
        let faults = |spoil: fn(&mut Sent)| spoilt(Kind::Finished, |sent, _| spoil(sent)).len();
        assert_eq!(faults(|sent| sent.answer = Err("reset".into())), 1);
        assert_eq!(faults(|sent| sent.answer = Ok((504, String::new()))), 1);
        assert_eq!(faults(|sent| sent.answer = Ok((200, "{}".into()))), 1);
        assert_eq!(faults(|sent| sent.order += 1), 7, "six lines and the answer");
    }
}
