//! Sends back what it receives, on one core: what the runtime alone costs to move bytes.
//!
//! `cargo run --release -p corelane-runtime --example echo -- --listen 127.0.0.1:8099 --driver ring`
//!
//! The benchmarks compare it with a bare epoll program: `compare --scenario echo-raw`.

use std::io;
use std::net::SocketAddr;

use corelane_runtime::net::{ListenOptions, Stream, TcpListener};
use corelane_runtime::{DriverChoice, Runtime, spawn};

fn main() -> io::Result<()> {
    let mut address: SocketAddr = ([127, 0, 0, 1], 8099).into();
    let mut driver = DriverChoice::Auto;
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_default();
        match name.as_str() {
            "--listen" => address = value.parse().map_err(io::Error::other)?,
            "--driver" => driver = value.parse().map_err(io::Error::other)?,
            _ => return Err(io::Error::other("usage: echo [--listen ADDRESS] [--driver DRIVER]")),
        }
    }
    let runtime = Runtime::builder().cores(Some(1)).pin(false).driver(driver).start(move |_| async move {
        if let Err(error) = serve(address).await {
            eprintln!("cannot serve on {address}: {error}");
        }
    })?;
    println!("{} at {address}", runtime.info());
    runtime.join()
}

async fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address, &ListenOptions::default())?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(spawn(async move {
            // The peer's going away is no news here.
            let _ended = echo(stream).await;
        }));
    }
}

async fn echo(mut stream: Stream) -> io::Result<()> {
    loop {
        let bytes = stream.recv().await?;
        if bytes.is_empty() {
            return Ok(());
        }
        stream.send(bytes).await?;
    }
}
