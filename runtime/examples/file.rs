//! Answers every request head with one file, on one core: what [`Stream::send_file`] alone costs.
//!
//! `cargo run --release -p corelane-runtime --example file -- 127.0.0.1:8099 ring /path/to/file`
//!
//! It does not parse: a head is what ends in an empty line. `benches/record/2026-11-25-files.md` says
//! how it is measured against nginx.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use corelane_runtime::fs::File;
use corelane_runtime::net::{ListenOptions, Stream, TcpListener};
use corelane_runtime::{DriverChoice, Runtime, spawn};

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8099".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let driver = args.next().unwrap_or_else(|| "auto".into());
    let driver: DriverChoice = driver.parse().map_err(io::Error::other)?;
    let path = args.next().ok_or_else(|| io::Error::other("the third argument is the file to send"))?;
    let runtime = Runtime::builder().cores(Some(1)).pin(false).driver(driver).start(move |_| {
        let path = path.clone();
        async move {
            if let Err(error) = serve(address, &path).await {
                eprintln!("cannot serve {path} on {address}: {error}");
            }
        }
    })?;
    println!("{} at {address}", runtime.info());
    runtime.join()
}

async fn serve(address: SocketAddr, path: &str) -> io::Result<()> {
    let file = Rc::new(File::open(path).await?);
    let listener = TcpListener::bind(address, &ListenOptions::default())?;
    loop {
        let (stream, _peer) = listener.accept().await?;
        let file = Rc::clone(&file);
        drop(spawn(async move {
            // The peer's going away is no news here.
            let _ended = answer(stream, &file).await;
        }));
    }
}

async fn answer(mut stream: Stream, file: &File) -> io::Result<()> {
    let len = file.metadata().await?.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n");
    loop {
        let request = stream.recv().await?;
        if request.is_empty() {
            return Ok(());
        }
        let heads = request.windows(4).filter(|window| window == b"\r\n\r\n").count();
        drop(request);
        for _ in 0..heads {
            stream.send(head.clone()).await?;
            stream.send_file(file, 0, len).await?;
        }
    }
}
