//! Problem details on the wire.

use corelane_http::app::App;
use corelane_http::problem::Problem;
use corelane_http::response::StatusCode;
use serde_json::json;

use crate::support::get;

fn sent(problem: Problem) -> crate::support::Answer {
    get(App::new().get("/", async move || Err::<(), _>(problem.clone())), "/")
}

#[test]
fn a_status_alone_gives_its_reason_as_the_title() {
    let answer = sent(Problem::new(StatusCode::NOT_FOUND));
    assert_eq!(answer.status, 404);
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    assert_eq!(answer.body, r#"{"title":"Not Found","status":404}"#);
    let unknown = sent(Problem::new(StatusCode::from_u16(599).unwrap()));
    assert_eq!(unknown.json(), json!({"title": "Error", "status": 599}));
}

#[test]
fn members_stand_in_the_order_of_the_standard_and_ours_behind_them() {
    let problem = Problem::new(StatusCode::FORBIDDEN)
        .with("balance", 30)
        .instance("/account/12345/msgs/abc")
        .detail("Your current balance is 30, but that costs 50.")
        .title("You do not have enough credit.")
        .kind("https://example.com/probs/out-of-credit")
        .with("accounts", json!(["/account/12345", "/account/67890"]));
    assert_eq!(
        sent(problem).body,
        concat!(
            r#"{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.","#,
            r#""status":403,"detail":"Your current balance is 30, but that costs 50.","#,
            r#""instance":"/account/12345/msgs/abc","balance":30,"accounts":["/account/12345","/account/67890"]}"#
        )
    );
}

#[test]
fn a_member_cannot_take_the_place_of_another() {
    let problem = Problem::new(StatusCode::BAD_REQUEST).with("status", 200).with("a", 1).with("a", 2);
    assert_eq!(sent(problem).body, r#"{"title":"Bad Request","status":400,"a":1}"#);
}

#[test]
fn text_from_a_client_is_escaped() {
    let problem = Problem::new(StatusCode::BAD_REQUEST).detail("\"}\r\n<script>\u{0}");
    assert_eq!(sent(problem).json()["detail"], "\"}\r\n<script>\u{0}");
}

#[test]
fn an_internal_error_says_no_more_than_that() {
    assert_eq!(sent(Problem::internal()).body, r#"{"title":"Internal Server Error","status":500}"#);
}

#[test]
fn the_title_says_what_the_status_line_says() {
    for (status, title) in [(422, "Unprocessable Content"), (413, "Content Too Large"), (599, "Error")] {
        let problem = Problem::new(StatusCode::from_u16(status).unwrap());
        assert_eq!(serde_json::to_value(problem).unwrap()["title"], title);
    }
}
