//! Owns the database: its schema, its statements, and the driver's callback that logs each of them.
//!
//! Plain code: a request's id is neither passed in nor asked for, and the callback is a plain `fn` that SQLite calls.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, Result};
use tracing::info;

const SCHEMA: &str = "
    CREATE TABLE products (sku INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
    CREATE TABLE orders (number INTEGER PRIMARY KEY, cents INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE items (number INTEGER NOT NULL REFERENCES orders, sku INTEGER NOT NULL REFERENCES products,
                        quantity INTEGER NOT NULL CHECK (quantity > 0), cents INTEGER NOT NULL);
    CREATE INDEX items_by_number ON items (number);
    INSERT INTO products (sku, name, cents) VALUES
        (1, 'anvil', 4900), (2, 'bell', 1250), (3, 'candle', 390), (4, 'drum', 8800),
        (5, 'easel', 6400), (6, 'flute', 3100), (7, 'globe', 2700), (8, 'hammer', 1999);";

/// Two connections to one file: SQLite lets one write while another reads.
pub(crate) struct Db {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl Db {
    /// Makes a new database in `file`.
    pub(crate) fn open(file: &Path) -> Result<Db> {
        let writer = connect(file)?;
        writer.execute_batch(SCHEMA)?;
        Ok(Db { writer: Mutex::new(writer), reader: Mutex::new(connect(file)?) })
    }

    /// Writes an order down. Every statement names the order, as a comment, a bound value or the savepoint's name.
    pub(crate) fn insert(&self, order: u64, sku: u32, quantity: u32) -> Result<()> {
        let mut writer = lock(&self.writer);
        let all_or_nothing = writer.savepoint_with_name(format!("order_{order}"))?;
        all_or_nothing
            .prepare_cached("INSERT INTO orders (number) VALUES (/* order */ ?1)")?
            .execute([order.cast_signed()])?;
        all_or_nothing
            .prepare_cached(
                "INSERT INTO items (number, sku, quantity, cents)
                 VALUES (/* order */ ?1, ?2, ?3, ?3 * (SELECT cents FROM products WHERE sku = ?2))",
            )?
            .execute((order.cast_signed(), sku, quantity))?;
        all_or_nothing
            .prepare_cached(
                "UPDATE orders SET cents = (SELECT sum(cents) FROM items WHERE items.number = orders.number)
                 WHERE number = /* order */ ?1",
            )?
            .execute([order.cast_signed()])?;
        all_or_nothing.commit()
    }

    /// What an order costs.
    pub(crate) fn total(&self, order: u64) -> Result<u64> {
        lock(&self.reader)
            .prepare_cached("SELECT cents FROM orders WHERE number = /* order */ ?1")?
            .query_row([order.cast_signed()], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
    }
}

fn connect(file: &Path) -> Result<Connection> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The file does not outlive the process, so a crash of the machine has nothing to corrupt.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(log_statement))?;
    Ok(connection)
}

/// What SQLite calls as each statement begins.
fn log_statement(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(statement, _) = event {
        let sql = statement.expanded_sql().unwrap_or_default();
        info!(sql = sql.split_whitespace().collect::<Vec<_>>().join(" "), "statement");
    }
}

/// A panic in a statement rolls its savepoint back, so the connection is good for the next.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
