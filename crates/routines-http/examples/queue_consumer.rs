//! Messages that carry the context of whoever sent them, for a consumer in another process, some other time.
//!
//! Any broker whose messages have headers will do: Kafka, AMQP, NATS. This one is a channel.
//!
//! ```sh
//! cargo run -p routines-http --example queue_consumer
//! ```

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use routines_cancel::{Cause, with_timeout};
use routines_http::{Destination, Propagated, Propagation, REQUEST_ID, RequestId};

static TENANT: Propagated<String> = Propagated::baggage("tenant");

/// What all services of this fleet agree on.
fn fleet() -> Propagation {
    Propagation::new().key(&TENANT)
}

/// As brokers have them.
struct Message {
    headers: Vec<(String, Vec<u8>)>,
    order: &'static str,
}

/// In a request: makes a message that carries its context.
fn message(order: &'static str) -> Result<Message, Cause> {
    let mut headers = Vec::new();
    fleet().inject(&mut headers, &Destination::queue())?;
    Ok(Message { headers, order })
}

/// Deep in the consumer. Nobody handed it a tenant, or an id.
fn fulfil(order: &str) -> Result<String, Cause> {
    routines_cancel::check()?;
    let tenant = TENANT.get().unwrap_or_default();
    Ok(format!("{order} for {tenant}, asked for by {}", REQUEST_ID.get().expect("every message has one")))
}

/// Works on one message after the other, each in its own context.
fn consume(messages: Receiver<Message>) -> Vec<Result<String, Cause>> {
    let fleet = fleet();
    messages
        .into_iter()
        .map(|message| fleet.extract_message(&message.headers).sync_scope(|| fulfil(message.order)))
        .collect()
}

fn main() -> Result<(), Cause> {
    let (queue, messages) = channel();
    // As a server does for each request that comes in.
    for (id, tenant, time) in [("req-7", "acme", 60_000), ("req-8", "emca", 200)] {
        let id = RequestId::parse(id).expect("a valid id");
        let request = || with_timeout(Duration::from_millis(time)).sync_scope(|| message("one bicycle"));
        let message = REQUEST_ID.sync_scope(id, || TENANT.sync_scope(tenant.into(), request))?;
        queue.send(message).expect("somebody consumes");
    }
    drop(queue);

    // The messages wait for a while. The second one has no more time than that.
    std::thread::sleep(Duration::from_millis(300));
    let consumer = std::thread::spawn(move || consume(messages));
    let done = consumer.join().expect("it does not panic");

    for result in &done {
        println!("{result:?}");
    }
    assert_eq!(done[0].as_deref().ok(), Some("one bicycle for acme, asked for by req-7"));
    assert!(matches!(done[1], Err(Cause::DeadlineExceeded)), "nobody waits for it any more");
    assert_eq!(done.len(), 2);
    Ok(())
}
