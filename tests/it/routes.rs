//! Every route of the showcase, over a socket, on every driver.

use super::process::Showcase;

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

fn check_routes(driver: &str) {
    let showcase = Showcase::start(&["--driver", driver, "--cores", "1"]);
    for (target, status, content_type, want) in [
        ("/plaintext", 200, "text/plain; charset=utf-8", "Hello, World!"),
        ("/json", 200, "application/json", r#"{"message":"Hello, World!"}"#),
        ("/users/42", 200, "application/json", r#"{"id":42}"#),
        ("/users/18446744073709551615", 200, "application/json", r#"{"id":18446744073709551615}"#),
        ("/core", 200, "application/json", r#"{"core":0,"cores":1,"requests":5}"#),
        ("/sleep/1", 200, "text/plain; charset=utf-8", "slept 1 ms\n"),
    ] {
        let answer = showcase.get(target);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert!(answer.contains(&format!("content-type: {content_type}\r\n")), "{target}: {answer}");
        assert_eq!(body(&answer), want, "{target}");
    }
    for (target, status) in [
        ("/users/x", 400),
        ("/users/-1", 400),
        ("/users/18446744073709551616", 400),
        ("/users/", 404),
        ("/nowhere", 404),
        ("/panic", 500),
        ("/sleep/60001", 400),
        ("/stream?chunks=x", 400),
        ("/stream?size=0", 400),
    ] {
        let answer = showcase.get(target);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{target}: {answer}");
        let problem: serde_json::Value = serde_json::from_str(body(&answer)).unwrap();
        assert_eq!(problem["status"], status, "{target}: {answer}");
    }
    let page = showcase.get("/");
    assert!(page.contains("content-type: text/html; charset=utf-8\r\n"), "{page}");
    for route in [
        "/plaintext",
        "/json",
        "/users/{id}",
        "/echo",
        "/stream",
        "/sleep/{ms}",
        "/panic",
        "/core",
        "/cache/{key}",
        "/redis/ping",
    ] {
        assert!(page.contains(route), "the page does not explain {route}");
    }
    let stream = showcase.get("/stream?chunks=3&size=4");
    assert_eq!(body(&stream), "4\r\nxxxx\r\n4\r\nxxxx\r\n4\r\nxxxx\r\n0\r\n\r\n");
    let echo = showcase.ask(
        "POST /echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: a/b\r\ncontent-length: 5\r\n\r\nhello",
    );
    assert!(echo.contains("content-type: a/b\r\n") && body(&echo).contains("hello"), "{echo}");
    let wrong =
        showcase.ask("PUT /json HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    assert!(wrong.starts_with("HTTP/1.1 405 ") && wrong.contains("allow: GET, HEAD, OPTIONS\r\n"), "{wrong}");
}

#[test]
fn every_route_answers_on_io_uring() {
    check_routes("uring");
}

#[test]
fn every_route_answers_on_epoll() {
    check_routes("epoll");
}

#[test]
fn the_log_says_what_the_server_runs_on() {
    let showcase = Showcase::start(&["--driver", "epoll"]);
    assert!(showcase.log.contains("epoll"), "{}", showcase.log);
}

#[test]
fn its_routes_are_listed_as_a_table_and_as_json() {
    let table = Showcase::printed(&["--routes"]);
    let mut lines = table.lines();
    assert!(lines.next().is_some_and(|titles| titles.starts_with("METHOD")), "{table}");
    assert!(table.lines().any(|line| line.starts_with("GET ") && line.contains(" /users/{id} ")), "{table}");
    let routes: serde_json::Value =
        serde_json::from_str(&Showcase::printed(&["--routes", "--json"])).unwrap();
    let routes = routes.as_array().unwrap();
    assert_eq!(routes.len(), lines.count());
    let user = routes.iter().find(|route| route["path"] == "/users/{id}").unwrap();
    assert_eq!(user["methods"], serde_json::json!(["GET"]));
}
