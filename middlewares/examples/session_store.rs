//! What a look-up in the memory store costs: on the own core, on another, and in a map behind a lock that all share.
//!
//! `cargo run --release -p corelane-middlewares --example session_store`, on a quiet machine with two cores at least.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::request::Request;
use corelane_middlewares::session::{MemoryStore, Session, SessionError, Sessions};
use corelane_runtime::{CoreId, Runtime, mesh, shutdown};

const LOADS: u32 = 20_000;

/// A request that reads one value of its session, through router and layer.
async fn read(session: Session) -> Result<String, SessionError> {
    Ok(session.get::<String>("name")?.unwrap_or_default())
}

async fn write(session: Session) -> Result<(), SessionError> {
    session.insert("name", "ada")
}

async fn measure(store: MemoryStore) {
    let app = App::new().with(Sessions::new(store)).get("/read", read).post("/write", write);
    let service = app.get("/none", async || "ada").into_service();
    let mut cookies = Vec::new();
    for _ in 0..16 {
        let response = service.call(Request::builder("POST", "/write").build()).await;
        let line = response.headers().get("set-cookie").unwrap_or_default().to_owned();
        cookies.push(line.split(';').next().unwrap_or_default().to_owned());
    }
    let mut costs = Vec::new();
    for cookie in cookies.iter().map(Some).chain([None]) {
        let path = if cookie.is_some() { "/read" } else { "/none" };
        let began = Instant::now();
        for _ in 0..LOADS {
            let mut request = Request::builder("GET", path);
            if let Some(cookie) = cookie {
                request = request.header("cookie", cookie);
            }
            black_box(service.call(request.build()).await);
        }
        costs.push(began.elapsed() / LOADS);
    }
    let none = costs.pop().unwrap_or_default();
    costs.sort();
    // Half of the sessions live here, the other half on the other core.
    println!("a request without session  {none:?}");
    println!("with one of this core      {:?}", costs[costs.len() / 4]);
    println!("with one of the other core {:?}", costs[costs.len() * 3 / 4]);
}

/// The alternative: both cores use one map at the same time.
async fn measure_lock(map: Arc<Mutex<HashMap<String, Vec<u8>>>>) -> Duration {
    let key = "A".repeat(43);
    let began = Instant::now();
    for _ in 0..LOADS {
        black_box(map.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned());
    }
    began.elapsed() / LOADS
}

fn main() -> std::io::Result<()> {
    let store = MemoryStore::new();
    let map = Arc::new(Mutex::new(HashMap::from([("A".repeat(43), vec![7_u8; 100])])));
    let runtime = Runtime::builder().cores(Some(2)).start(move |core| {
        let (store, map) = (store.clone(), Arc::clone(&map));
        async move {
            if core.index() == 0 {
                measure(store).await;
                let there = mesh::call_async(CoreId::new(1), {
                    let map = Arc::clone(&map);
                    move || measure_lock(map)
                });
                let there = corelane_runtime::spawn(there);
                corelane_runtime::yield_now().await;
                let here = measure_lock(map).await;
                println!(
                    "a look-up behind a lock that two cores want: {here:?} here, {:?} there",
                    there.await
                );
                mesh::broadcast(shutdown::drain).await;
            } else {
                shutdown::draining().await;
            }
        }
    })?;
    runtime.join()
}
