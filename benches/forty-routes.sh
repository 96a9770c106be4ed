#!/usr/bin/env bash
# How long an application of forty routes takes to build in debug on two cores: from clean, and after a change of one line.
#
# The application: ten resources, each with four routes (list with a typed query, read with a typed parameter, create from
# JSON, delete), a state, a layer and an error handler, in eleven files; it depends on the facade with its default features and on
# serde. Sources and target folder are made anew under $TMPDIR. Crates are taken from cargo's cache; what is measured is
# `cargo build --offline -j2` pinned to two cores.
#
# benches/forty-routes.sh [CPUS]   CPUS as for taskset, 0,1 if not given
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cpus=${1:-0,1}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/src"
cat > "$dir/Cargo.toml" <<EOF
[package]
name = "forty"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
corelane = { path = "$root" }
serde = { version = "1", features = ["derive"] }
EOF
cp "$root/Cargo.lock" "$dir/Cargo.lock"
{
    for n in $(seq 10); do echo "mod resource$n;"; done
    cat <<'EOF'

use corelane::prelude::*;

async fn timing(request: Request, next: Next) -> Response {
    next.run(request).await
}

async fn lost(_: Request, _: Response) -> &'static str {
    "nothing here"
}

fn app() -> App {
    App::new()
        .with(timing)
        .on_error(404, lost)
EOF
    for n in $(seq 10); do echo "        .merge(resource$n::app())"; done
    cat <<'EOF'
}

fn main() -> Result<(), corelane::server::ServerError> {
    let routes = app().routes();
    assert_eq!(routes.len(), 40);
    if std::env::args().nth(1).as_deref() == Some("--routes") {
        print!("{routes}");
        return Ok(());
    }
    Server::bind("127.0.0.1:8080").run(app)
}
EOF
} > "$dir/src/main.rs"
for n in $(seq 10); do
    cat > "$dir/src/resource$n.rs" <<EOF
use std::cell::RefCell;
use std::collections::HashMap;

use corelane::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub struct Item$n {
    id: u64,
    name: String,
    tags: Vec<String>,
    price: Option<f64>,
}

#[derive(Deserialize)]
struct Page {
    page: Option<u32>,
    per_page: Option<u32>,
}

#[derive(Default)]
struct Store(RefCell<HashMap<u64, Item$n>>);

async fn list(State(store): State<Store>, Query(at): Query<Page>) -> Json<Vec<Item$n>> {
    let per_page = at.per_page.unwrap_or(20) as usize;
    let first = at.page.unwrap_or(0) as usize * per_page;
    Json(store.0.borrow().values().skip(first).take(per_page).cloned().collect())
}

async fn read(State(store): State<Store>, Path(id): Path<u64>) -> Result<Json<Item$n>, Problem> {
    let found = store.0.borrow().get(&id).cloned();
    found.map(Json).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND).detail(format!("There is no item {id}.")))
}

async fn create(State(store): State<Store>, Json(item): Json<Item$n>) -> (StatusCode, Json<Item$n>) {
    store.0.borrow_mut().insert(item.id, item.clone());
    (StatusCode::CREATED, Json(item))
}

async fn delete(State(store): State<Store>, Path(id): Path<u64>) -> StatusCode {
    match store.0.borrow_mut().remove(&id) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

pub fn app() -> App {
    App::new()
        .state(Store::default())
        .get("/items$n", list)
        .post("/items$n", create)
        .get("/items$n/{id}", read)
        .delete("/items$n/{id}", delete)
}
EOF
done
cd "$dir"
export CARGO_TARGET_DIR="$dir/target"
build() { taskset -c "$cpus" cargo build --offline -q -j2; }
seconds() { local began=$EPOCHREALTIME; "$@" >&2; echo "scale=1; ($EPOCHREALTIME - $began)/1" | bc; }
echo "clean: $(seconds build) s (at most 60)"
"$CARGO_TARGET_DIR/debug/forty" --routes > /dev/null
sed -i 's/nothing here/nothing at this address/' src/main.rs
echo "a line of main.rs changed: $(seconds build) s (at most 5)"
sed -i 's/There is no item/No such item/' src/resource5.rs
echo "a line of a handler changed: $(seconds build) s (at most 5)"
