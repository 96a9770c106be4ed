//! Answers every request head with the same bytes, on one core: what the runtime alone costs.
//!
//! `cargo run --release -p corelane-runtime --example respond -- 127.0.0.1:8099 ring busy-poll`
//!
//! It does not parse: a head is what ends in an empty line. Put `wrk` against it and read the CPU
//! time of this process from `/proc/PID/stat`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use corelane_runtime::buf::Lease;
use corelane_runtime::net::{ListenOptions, Stream, TcpListener};
use corelane_runtime::{DriverChoice, RingOptions, Runtime, spawn, time};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\
    date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nHello, World!";

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(75);

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8099".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let driver = args.next().unwrap_or_else(|| "auto".into());
    let driver: DriverChoice = driver.parse().map_err(io::Error::other)?;
    let mut options = RingOptions::default();
    match args.next().as_deref() {
        None | Some("none") => {}
        Some("busy-poll") => options.busy_poll = Some(Duration::from_micros(50)),
        Some("submission-poll") => options.submission_poll = Some(Duration::from_millis(10)),
        Some(other) => return Err(io::Error::other(format!("{other} is no option"))),
    }
    let builder = Runtime::builder().cores(Some(1)).pin(false).driver(driver).ring_options(options);
    let runtime = builder.start(move |_| async move {
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
            let _ended = answer(stream).await;
        }));
    }
}

async fn answer(mut stream: Stream) -> io::Result<()> {
    stream.set_send_stall(Some(IDLE));
    loop {
        stream.set_recv_deadline(Some(time::now() + IDLE));
        let request = stream.recv().await?;
        if request.is_empty() {
            return Ok(());
        }
        let heads = request.windows(4).filter(|window| window == b"\r\n\r\n").count();
        let mut answers = Lease::take(heads * ANSWER.len())?;
        for _ in 0..heads {
            answers.extend_from_slice(ANSWER)?;
        }
        drop(request);
        stream.send(answers).await?;
    }
}
