//! What holds for any request.

use corelane_http::app::App;
use corelane_http::extract::{Path, Query};
use corelane_http::request::Request;
use corelane_runtime::net::PeerAddr;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use crate::support::call;

proptest! {
    /// Text survives the way into a path and out of it.
    #[test]
    fn path_parameters_give_back_what_was_encoded(text in "\\PC{1,20}", rest in "\\PC{1,20}") {
        let service = App::new()
            .get("/{text}/{*rest}", async |Path((text, rest)): Path<(String, String)>| format!("{text}\n{rest}"))
            .into_service();
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let target = format!("/{}/{}", encode(&text), encode(&rest));
        prop_assert_eq!(call(&service, Request::builder("GET", &target)).body, format!("{text}\n{rest}"));
    }

    /// A number is taken exactly if it is written as the standard library writes it, leading zeros aside.
    #[test]
    fn numbers_in_paths_are_digits(text in "[-+ 0-9a-fx._]{1,6}") {
        let service = App::new().get("/{n}", async |Path(n): Path<i16>| n.to_string()).into_service();
        let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
        let answer = call(&service, Request::builder("GET", &format!("/{encoded}")));
        let digits = text.strip_prefix('-').unwrap_or(&text);
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<i16>() {
            Ok(number) if plain => prop_assert_eq!(answer.body, number.to_string()),
            _ => prop_assert_eq!(answer.status, 400),
        }
    }

    /// Whatever the target is, it is answered, and never with an error of ours.
    #[test]
    fn no_target_is_a_fault_of_the_server(target in "/[!-~]{0,40}") {
        type Fields = Query<std::collections::BTreeMap<String, String>>;
        async fn all(_: Path<Vec<String>>, _: Fields) {}
        let service = App::new()
            .get("/", all)
            .get("/{a}", all)
            .get("/{a}/b", all)
            .get("/{a}/{b}/{*rest}", all)
            .into_service();
        // `#` is refused with the head: it cannot stand in a target.
        let target = target.replace('#', "%23");
        let answer = call(&service, Request::builder("GET", &target).peer(PeerAddr::Unix));
        prop_assert!([204, 400, 404].contains(&answer.status), "{} for {}", answer.status, target);
    }
}
