//! Limits of groups and routes.

use corelane_http::app::App;
use corelane_http::router::post;
use corelane_middlewares::body_limit::BodyLimit;

use crate::support::Site;

#[test]
fn the_innermost_limit_counts_whether_it_is_lower_or_higher() {
    let site = Site::start(|| {
        let handler = async |body: String| body.len().to_string();
        App::new()
            .with(BodyLimit::bytes(100))
            .post("/outer", handler)
            .route("/lower", post(handler).with(BodyLimit::bytes(10)))
            .group("/g", |g| g.with(BodyLimit::bytes(5 << 20)).post("/higher", handler))
    });
    for (why, target, length, want) in [
        ("at the limit", "/outer", 100, 200),
        ("one more", "/outer", 101, 413),
        ("lower inside", "/lower", 10, 200),
        ("lower inside, one more", "/lower", 11, 413),
        ("higher than the server's 2 MiB", "/g/higher", 3 << 20, 200),
    ] {
        let answer = site.send("POST", target, &[], &"x".repeat(length));
        assert_eq!(answer.status, want, "{why}: {}", answer.body);
    }
}
