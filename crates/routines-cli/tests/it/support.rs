//! Owns what the tests share: pages by hand, a server that answers them, and a screen as text.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use routines_cli::client::Fault;
use routines_cli::fetch::{Answer, fetch};
use routines_cli::model::{Model, Step};
use routines_cli::query::Query;
use routines_cli::wire::{Page, Row, read};
use routines_cli::{address::Address, client::Client, view};
use serde_json::{Value, json};

// ===== pages =====

/// A routine as the page writes it.
pub(crate) fn routine(id: u64, parent: Option<u64>, kind: &str, name: Option<&str>, values: Value) -> Value {
    json!({
        "id": id, "id_text": id.to_string(), "parent": parent, "kind": kind, "name": name, "spawned_at": "src/shop.rs:42",
        "state": "idle", "idle_ms": 3_000, "age_ms": 65_000, "polls": 12, "busy_us": 1_234, "values": values, "children": 0,
    })
}

/// A page of a service with as many routines as it has, and no more.
pub(crate) fn page(routines: Vec<Value>) -> Value {
    let total = routines.len();
    json!({"version": 1, "now_unix_ms": 0, "total": total, "matching": total, "page": 0, "per_page": 100, "timing": true,
        "routines": routines, "groups": [], "chain": []})
}

pub(crate) fn parsed(page: &Value) -> Page<Row> {
    read(page.to_string().as_bytes(), 1_000).expect("a page by hand")
}

// ===== models =====

/// A model that has asked `service` what it wants.
pub(crate) fn model(mut service: impl FnMut(&Query) -> Value) -> Model {
    let mut model = Model::new("127.0.0.1:9000".to_owned());
    ask(&mut model, &mut service);
    model
}

/// One question, and its answer.
pub(crate) fn ask(model: &mut Model, service: &mut dyn FnMut(&Query) -> Value) {
    for _ in 0..10 {
        let ask = model.ask();
        let answer: Result<Answer, Fault> = fetch(&ask, &mut |query| Ok(parsed(&service(query))));
        if model.answered(&ask, answer) != Step::Ask {
            return;
        }
    }
    panic!("it never stops asking");
}

/// Presses keys, and answers what they ask: letters, `⏎`, `⎋`, `←`, `→`, `↑`, `↓`, `⌫`.
pub(crate) fn press(model: &mut Model, keys: &str, service: &mut dyn FnMut(&Query) -> Value) -> Step {
    let mut last = Step::Draw;
    for key in keys.chars() {
        last = model.key(KeyEvent::new(code(key), KeyModifiers::NONE), 20);
        if last == Step::Ask {
            ask(model, service);
        }
    }
    last
}

fn code(key: char) -> KeyCode {
    match key {
        '⏎' => KeyCode::Enter,
        '⎋' => KeyCode::Esc,
        '←' => KeyCode::Left,
        '→' => KeyCode::Right,
        '↑' => KeyCode::Up,
        '↓' => KeyCode::Down,
        '⌫' => KeyCode::Backspace,
        '⇱' => KeyCode::Home,
        '⇲' => KeyCode::End,
        letter => KeyCode::Char(letter),
    }
}

/// What a terminal of this size shows.
pub(crate) fn screen(model: &mut Model, width: u16, height: u16) -> String {
    model.scroll(view::window(model, height));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| view::draw(model, frame)).expect("a terminal in memory");
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
    let lines = cells.chunks(usize::from(width)).map(|line| line.concat().trim_end().to_owned() + "\n");
    lines.collect()
}

// ===== a service =====

/// A server on loopback that answers each path with a status and a body, until it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new(answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("it is bound");
        let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
        let thread = std::thread::spawn({
            let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
            move || {
                for stream in listener.incoming().flatten() {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    // A client that hangs up has seen enough.
                    let _ = serve(stream, &answer, &asked);
                }
            }
        });
        Server { address, over, asked, thread: Some(thread) }
    }

    /// One that answers everything with this page.
    pub(crate) fn of(page: Value) -> Server {
        Server::new(move |_| (200, page.to_string().into_bytes()))
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.address())
    }

    /// The paths that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics there").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

pub(crate) fn client(address: &str) -> Client {
    Client::new(address.parse::<Address>().expect("an address"))
}

fn serve(
    stream: TcpStream,
    answer: &dyn Fn(&str) -> (u16, Vec<u8>),
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or_default();
    asked.lock().expect("no test panics there").push(path.to_owned());
    let (status, body) = answer(path);
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(&body)
}
