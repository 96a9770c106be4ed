//! Where a server listens, how its connections spread over cores, and what a drain says it waits for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use corelane_http::app::App;
use corelane_http::response::{IntoResponse, Response, StatusCode, Upgraded};
use corelane_http::server::{Limits, Listen, ListenAddr, Phase, Server};
use corelane_runtime::time;

use super::{Client, PATIENCE, start};

fn app() -> App {
    App::new().get("/", async || corelane_runtime::core_id().index().to_string()).get("/slow", async || {
        time::sleep(Duration::from_millis(1500)).await;
        "slow"
    })
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("corelane-{name}-{}.sock", std::process::id()))
}

fn ask_unix(path: &PathBuf) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn several_places_of_several_kinds() {
    let path = path("places");
    // Left behind by a process that was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = Server::bind("127.0.0.1:0")
        .listen(Listen::unix(&path).mode(0o600))
        .listen("[::1]:0".parse::<Listen>().unwrap())
        .cores(2)
        .driver(crate::driver())
        .start(app)
        .unwrap();
    let addresses = server.addresses();
    let [ListenAddr::Tcp(first), ListenAddr::Unix(unix), ListenAddr::Tcp(second)] = &addresses[..] else {
        panic!("{addresses:?}")
    };
    assert_eq!((unix, *first), (&path, server.address()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for address in [first, second] {
        assert_eq!(Client::connect(*address).get("/").status, 200, "{address}");
    }
    for _ in 0..10 {
        assert!(ask_unix(&path).starts_with("HTTP/1.1 200"));
    }

    let taken = Server::new(Listen::unix(&path)).cores(1).start(app).err().expect("somebody listens there");
    assert!(taken.is_address_in_use() && taken.to_string().contains("is in use"), "{taken}");
    assert!(path.metadata().unwrap().file_type().is_socket(), "and has been left alone");

    server.shutdown().unwrap();
    assert!(!path.exists(), "the path is free again");
}

#[test]
fn a_path_that_cannot_be_had_is_an_error_that_says_so() {
    let file = path("file");
    std::fs::write(&file, "").unwrap();
    let start = |place: Listen| Server::new(place).cores(1).start(app).err().expect("no place to listen at");
    let error = start(Listen::unix(&file)).to_string();
    assert!(error.contains("is no socket"), "{error}");
    std::fs::remove_file(&file).unwrap();
    let error = start(Listen::unix("/no/such/folder/app.sock")).to_string();
    assert!(error.contains("unix:/no/such/folder/app.sock"), "{error}");
    let error = start(Listen::passed(Some("web"))).to_string();
    assert!(error.contains("`systemd:web`"), "{error}");
}

/// Opens so many connections and keeps them.
fn open(count: usize, connect: impl Fn() -> TcpStream) -> Vec<TcpStream> {
    (0..count).map(|_| connect()).collect()
}

/// 1,000 long-lived connections on two cores, by two ways to spread them: a socket for each core, and one that
/// they share, whose connections the kernel gives to whichever core it wakes.
#[test]
fn long_lived_connections_spread_over_the_cores() {
    let unix = path("spread");
    let server = Server::bind("127.0.0.1:0")
        .listen(Listen::unix(&unix))
        .cores(2)
        .driver(crate::driver())
        .start(app)
        .unwrap();
    let status = server.status();
    let spread = |count: usize| {
        let began = Instant::now();
        while status.connections().iter().sum::<usize>() != count {
            assert!(
                began.elapsed() < PATIENCE,
                "{count} connections are not there: {:?}",
                status.connections()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let loads = status.connections();
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        let mean = count / loads.len();
        assert!((most - least) * 10 <= mean, "the difference is more than a tenth: {loads:?}");
    };
    let tcp = open(1000, || TcpStream::connect(server.address()).unwrap());
    spread(1000);
    drop(tcp);
    spread(0);
    let local: Vec<_> = (0..1000).map(|_| UnixStream::connect(&unix).unwrap()).collect();
    spread(1000);

    // Those that were handed on are served like the others.
    for mut stream in local {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
    server.shutdown().unwrap();
}

#[test]
fn a_drain_counts_what_it_waits_for() {
    let limits = Limits { drain_idle_timeout: Duration::from_secs(3), ..Limits::default() };
    let server = start(limits, || {
        let wait = async |Upgraded { mut stream, .. }: Upgraded| {
            while stream.recv().await.is_ok_and(|lease| !lease.is_empty()) {}
        };
        app()
            .get("/upgrade", async move || Response::upgrade("echo", wait).unwrap())
            .get("/status", async || StatusCode::NO_CONTENT.into_response())
    });
    let status = server.status();
    assert_eq!((status.phase(), status.draining()), (Phase::Serving, None));
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.get("/status").status, 204);
    let mut slow = Client::connect(server.address());
    slow.send("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n");
    let mut upgraded = Client::connect(server.address());
    upgraded.send("GET /upgrade HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(upgraded.interim().status, 101);

    let stopping = std::thread::spawn(move || server.shutdown());
    let began = Instant::now();
    let counted = loop {
        match status.draining().filter(|counted| counted.requests == 1) {
            Some(counted) => break counted,
            None => assert!(began.elapsed() < PATIENCE, "{status:?}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!((counted.idle, counted.upgrades, counted.total()), (1, 1, 3), "{counted:?}");

    let answer = idle.get("/status");
    assert_eq!((answer.status, answer.closes()), (204, true), "one more request, and the client is told");
    assert!(idle.is_closed());
    assert_eq!(slow.answer().text(), "slow");
    drop(upgraded);
    stopping.join().unwrap().unwrap();
    assert_eq!((status.phase(), status.draining()), (Phase::Ended, None));
    assert_eq!(status.connections(), [0]);
}
