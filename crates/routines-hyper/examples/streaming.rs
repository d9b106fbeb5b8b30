//! An HTTP/2 server whose bodies are made while they are sent, and a client whose connection serves every request.
//!
//! `cargo run -p routines-hyper --example streaming`

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioIo;
use routines::Local;
use routines_hyper::{BodyExt as _, RoutineExecutor};
use tokio::net::TcpListener;

static REQUEST_ID: Local<String> = Local::new().named("request_id");

/// What a logger ten calls down would write.
fn log(line: &str) -> String {
    format!("[{}] {line}\n", REQUEST_ID.get().unwrap_or_else(|| "-".into()))
}

/// Returns at once; the rows are made later, when hyper asks for them.
async fn rows() -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let rows = stream::iter(["first row", "second row"]).then(|row| async move {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from(log(row))))
    });
    Response::new(StreamBody::new(rows).inherit())
}

async fn handle(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let id = request.uri().path().trim_start_matches('/').to_owned();
    Ok(REQUEST_ID.scope(id, rows()).await)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    routines_tokio::spawn_detached(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A stream's task is started by its connection, whose context is empty here.
            let server = http2::Builder::new(RoutineExecutor::current());
            routines_tokio::spawn_detached(server.serve_connection(TokioIo::new(socket), service_fn(handle)));
        }
    });

    let client = Client::builder(RoutineExecutor::detached()).http2_only(true).build_http::<Empty<Bytes>>();
    for id in ["req-1", "req-2"] {
        // The first of them opens the connection, and leaves nothing in it.
        let response = REQUEST_ID.scope(id.into(), client.get(format!("http://{address}/{id}").parse()?)).await?;
        print!("{}", String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()));
    }
    let connections = routines::all().into_iter().filter(|task| !task.values.is_empty()).count();
    println!("{connections} of the live routines have kept a request's id");
    Ok(())
}
