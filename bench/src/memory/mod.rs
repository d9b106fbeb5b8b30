//! What things weigh: bytes and allocations, counted by the allocator, instead of time.

mod churn;
mod few_of_many;
mod million;
mod parked;

use crate::counting;
use crate::machine;
use crate::peers;

/// What millions of hooked tasks leave behind.
pub(crate) fn hooked(quick: bool) -> String {
    counting::start();
    churn::hooked(if quick { 100_000 } else { 10_000_000 })
}

/// Measures everything and says it in Markdown.
pub(crate) fn run(quick: bool) -> String {
    peers::set_up();
    routines_tokio::install();
    counting::start();
    let (parked, live, short) = if quick { (2_000, 10_000, 100_000) } else { (100_000, 1_000_000, 10_000_000) };
    let mut text = format!(
        "Measured on {}. Bytes are those asked of the allocator; what it adds to each block is not in them.\n\n",
        machine::describe()
    );
    text += &parked::markdown(parked);
    text += &few_of_many::markdown();
    text += &million::markdown(live);
    text += &churn::markdown(short);
    text
}
