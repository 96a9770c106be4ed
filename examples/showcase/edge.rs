//! What passes through a proxy: who the client is, events, another protocol. `nginx/check.sh` asks for these.

use std::net::IpAddr;
use std::time::Duration;

use corelane::extract::{ClientAddr, Host, Scheme};
use corelane::openapi::op;
use corelane::prelude::*;
use corelane::response::Upgraded;
use corelane::runtime;
use corelane::sse::{Event, Receiver, Sse};
use serde::Serialize;
use utoipa::ToSchema;

/// The protocol of `GET /upgrade`: what comes is sent back.
const PROTOCOL: &str = "echo";

pub(crate) fn with_edge(app: App) -> App {
    app.route(
        "/client",
        get(client)
            .describe(op("client").summary("Who asks, as far as is known").json::<Client>(200, "That")),
    )
    .get("/events", events)
    .get("/upgrade", upgrade)
}

#[derive(Serialize, ToSchema)]
struct Client {
    /// Absent for a client on a Unix socket that no trusted proxy speaks for.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    scheme: &'static str,
    host: Box<str>,
}

async fn client(address: Option<ClientAddr>, scheme: Scheme, Host(host): Host) -> Json<Client> {
    let address = address.map(|ClientAddr(address)| address);
    Json(Client { address, scheme: scheme.as_str(), host })
}

/// An event each 100 ms, for as long as the client stays.
async fn events() -> Sse<Receiver> {
    let (events, sse) = Sse::channel(8);
    drop(runtime::spawn(async move {
        let mut interval = runtime::time::interval(Duration::from_millis(100));
        for number in 0_u64.. {
            interval.tick().await;
            if events.send(Event::data(number.to_string())).await.is_err() {
                break;
            }
        }
    }));
    sse
}

/// 101, then an echo of whatever comes.
async fn upgrade(request: Request) -> Result<Response, Problem> {
    if request.header("upgrade") != Some(PROTOCOL) {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED).detail("ask with `upgrade: echo`"));
    }
    let response = Response::upgrade(PROTOCOL, echo);
    response.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR))
}

async fn echo(Upgraded { mut stream, unread }: Upgraded) {
    let mut next = unread;
    loop {
        let lease = match next.take() {
            Some(lease) => lease,
            None => match stream.recv().await {
                Ok(lease) if !lease.is_empty() => lease,
                _ => return,
            },
        };
        if stream.send(lease).await.is_err() {
            return;
        }
    }
}
