//! Files that change, and clients that go or stall, while a file is sent.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::files::Files;
use corelane_http::server::Limits;

use super::{Client, Folder, pattern, request, start};

/// More than socket buffers hold, so that a client that does not read stops the server in the middle.
const LARGE: usize = 24 * 1024 * 1024;

/// Sends a request for a large file and reads the head; the rest is under way.
fn begin(client: &mut Client) -> usize {
    client.send(request("GET", "/f/large", &[]));
    let head = client.interim();
    assert_eq!(head.status, 200);
    head.header("content-length").unwrap().parse().unwrap()
}

/// What comes until the peer closes.
fn rest(client: &mut Client) -> Vec<u8> {
    while client.fill() {}
    std::mem::take(&mut client.unread)
}

#[test]
fn a_file_that_is_replaced_goes_on_as_it_was() {
    let folder = Folder::new();
    let data = pattern(LARGE);
    folder.write("large", &data).write("next", "new");
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let len = begin(&mut client);
    fs::rename(folder.path("next"), folder.path("large")).unwrap();
    assert!(client.take(len) == data);
    assert_eq!(client.get("/f/large").text(), "new", "and the next request gets the new one");
    server.shutdown().unwrap();
}

#[test]
fn a_file_that_is_cut_short_ends_the_connection_and_one_that_grows_does_not() {
    let folder = Folder::new();
    folder.write("large", pattern(LARGE));
    let server = folder.serve(|files| files);
    let mut short = Client::connect(server.address());
    let len = begin(&mut short);
    let file = fs::File::options().write(true).open(folder.path("large")).unwrap();
    file.set_len(1024).unwrap();
    let got = rest(&mut short);
    assert!(got.len() < len, "{} bytes of {len}: the client sees that some are missing", got.len());

    folder.write("large", pattern(LARGE));
    let mut grown = Client::connect(server.address());
    let len = begin(&mut grown);
    let file = fs::File::options().write(true).open(folder.path("large")).unwrap();
    file.set_len(2 * LARGE as u64).unwrap();
    assert!(grown.take(len) == pattern(LARGE));
    assert_eq!(grown.get("/alive").text(), "yes", "what it grew by is not sent");
    server.shutdown().unwrap();
}

#[test]
fn a_client_that_takes_nothing_is_let_go_and_one_that_leaves_costs_nothing() {
    let folder = Folder::new();
    folder.write("large", pattern(LARGE));
    let root = folder.root();
    let limits = Limits { write_stall: Duration::from_millis(300), ..Limits::default() };
    let server = start(limits, move || {
        App::new().group("/f", Files::new(&root).routes()).get("/alive", async || "yes")
    });
    let mut stalled = Client::connect(server.address());
    let len = begin(&mut stalled);
    let left: Vec<Client> = (0..8)
        .map(|_| {
            let mut client = Client::connect(server.address());
            client.send(request("GET", "/f/large", &[]));
            client
        })
        .collect();
    drop(left);
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(1500));
    let got = rest(&mut stalled);
    assert!(got.len() < len, "it was closed: {} bytes of {len}", got.len());
    assert!(began.elapsed() < Duration::from_secs(15));
    assert_eq!(Client::connect(server.address()).get("/alive").text(), "yes");
    server.shutdown().unwrap();
}

#[test]
fn drain_lets_a_file_finish_and_closes_behind_it() {
    let folder = Folder::new();
    let data = pattern(LARGE);
    folder.write("large", &data);
    let server = folder.serve(|files| files);
    let mut client = Client::connect(server.address());
    let len = begin(&mut client);
    let stopping = std::thread::spawn(move || server.shutdown());
    std::thread::sleep(Duration::from_millis(100));
    assert!(client.take(len) == data, "the file comes whole");
    assert!(client.is_closed(), "and then the connection ends");
    stopping.join().unwrap().unwrap();
}

#[test]
fn drain_does_not_wait_for_ever() {
    let folder = Folder::new();
    folder.write("large", pattern(LARGE));
    let root = folder.root();
    let limits = Limits { drain_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = start(limits, move || App::new().group("/f", Files::new(&root).routes()));
    let mut client = Client::connect(server.address());
    begin(&mut client);
    let began = Instant::now();
    server.shutdown().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut got = Vec::new();
    let _ = client.stream.read_to_end(&mut got);
    assert!(got.len() < LARGE);
}

/// Sixteen clients at once, each of another part of the file.
#[test]
fn many_at_once_get_each_its_own() {
    let folder = Folder::new();
    let data = pattern(4 * 1024 * 1024);
    folder.write("large", &data);
    let server = folder.serve(|files| files);
    let mut clients: Vec<Client> = (0..16).map(|_| Client::connect(server.address())).collect();
    let first = |at: usize| at * 200_000;
    for (at, client) in clients.iter_mut().enumerate() {
        let range = format!("bytes={}-{}", first(at), first(at) + 999_999);
        client.send(request("GET", "/f/large", &[("range", &range)]));
    }
    for (at, client) in clients.iter_mut().enumerate() {
        let answer = client.answer();
        let end = (first(at) + 1_000_000).min(data.len());
        assert!(answer.status == 206 && answer.body == data[first(at)..end], "client {at}");
    }
    server.shutdown().unwrap();
}
