//! Sends back what it receives, on one core: what the runtime alone costs to move bytes.
//!
//! `cargo run --release -p corelane-runtime --example echo -- --listen 127.0.0.1:8099 --driver ring`
//!
//! The benchmarks compare it with a bare epoll program: `compare --scenario echo-raw`.

use std::io;
use std::net::SocketAddr;

use corelane_runtime::buf::Chunk;
use corelane_runtime::net::{ListenOptions, Stream, TcpListener};
use corelane_runtime::{DriverChoice, RingOptions, Runtime, spawn};

fn main() -> io::Result<()> {
    let mut address: SocketAddr = ([127, 0, 0, 1], 8099).into();
    let mut driver = DriverChoice::Auto;
    let mut options = RingOptions::default();
    // Bytes to receive before they are sent back, in one send.
    let mut gather = 0;
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_default();
        match name.as_str() {
            "--listen" => address = value.parse().map_err(io::Error::other)?,
            "--driver" => driver = value.parse().map_err(io::Error::other)?,
            "--zero-copy-from" => options.zero_copy_from = Some(value.parse().map_err(io::Error::other)?),
            "--gather" => gather = value.parse().map_err(io::Error::other)?,
            _ => return Err(io::Error::other(format!("{name} is no option"))),
        }
    }
    let builder = Runtime::builder().cores(Some(1)).pin(false).driver(driver).ring_options(options);
    let runtime = builder.start(move |_| async move {
        if let Err(error) = serve(address, gather).await {
            eprintln!("cannot serve on {address}: {error}");
        }
    })?;
    println!("{} at {address}", runtime.info());
    runtime.join()
}

async fn serve(address: SocketAddr, gather: usize) -> io::Result<()> {
    let listener = TcpListener::bind(address, &ListenOptions::default())?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(spawn(async move {
            // The peer's going away is no news here.
            let _ended = echo(stream, gather).await;
        }));
    }
}

async fn echo(mut stream: Stream, gather: usize) -> io::Result<()> {
    let (mut gathered, mut bytes) = (Vec::new(), 0);
    loop {
        let received = stream.recv().await?;
        if received.is_empty() {
            return Ok(());
        }
        bytes += received.len();
        if bytes >= gather && gathered.is_empty() {
            stream.send(received).await?;
            bytes = 0;
            continue;
        }
        gathered.push(Chunk::Lease(received));
        if bytes >= gather {
            stream.send_vectored(gathered.drain(..).collect()).await?;
            bytes = 0;
        }
    }
}
