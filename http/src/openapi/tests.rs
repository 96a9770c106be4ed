//! The document, what does not fit, and the page.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::*;
use crate::app::App;
use crate::extract::Json;
use crate::router::{any, get, post};
use crate::testing::{self, TestClient};

#[derive(Serialize, Deserialize, ToSchema)]
struct Note {
    id: u32,
    #[schema(min_length = 1)]
    text: String,
    tags: Vec<Tag>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Tag {
    Red,
    Green,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Counted from 0.
    #[allow(dead_code, reason = "only described here")]
    page: Option<u32>,
}

fn app() -> App {
    App::new()
        .route(
            "/notes",
            get(async || Json(Vec::<Note>::new())).post(async |Json(note): Json<Note>| Json(note)).describe(
                docs()
                    .get(
                        op("listNotes")
                            .summary("All notes")
                            .tag("notes")
                            .query::<Page>()
                            .list::<Note>(200, "Notes"),
                    )
                    .post(
                        op("createNote")
                            .body::<Note>()
                            .json::<Note>(201, "The new note")
                            .problem(409, "Is there"),
                    ),
            ),
        )
        .route(
            "/files/{id}/{*path}",
            get(async || "x").describe(
                op("file")
                    .path::<u32>("id", "Number")
                    .response_as::<String>(200, "text/plain", "Text")
                    .empty(404, "None"),
            ),
        )
        .route("/internal", get(async || "x").describe(hidden()))
}

fn document(app: App) -> Value {
    testing::run(async {
        let client = TestClient::new(app.openapi(Spec::new("T", "1").description("About")));
        let response = client.get("/openapi.json").send().await;
        response.assert_status(200).assert_header("content-type", "application/json");
        response.json()
    })
}

#[test]
fn the_document_follows_from_routes_and_types() {
    let document = document(app());
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["description"], "About");
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/files/{id}/{path}", "/notes"], "hidden ones are not there");
    let list = &document["paths"]["/notes"]["get"];
    assert_eq!((&list["summary"], &list["tags"]), (&json!("All notes"), &json!(["notes"])));
    assert_eq!(list["parameters"][0]["name"], "page");
    assert_eq!(list["parameters"][0]["in"], "query");
    let schema = &list["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(
        (&schema["type"], &schema["items"]["$ref"]),
        (&json!("array"), &json!("#/components/schemas/Note"))
    );
    let create = &document["paths"]["/notes"]["post"];
    let body = &create["requestBody"];
    assert_eq!(body["required"], true);
    assert_eq!(body["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Note");
    let statuses: Vec<&String> = create["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["201", "400", "409", "413", "415", "422"]);
    let file = &document["paths"]["/files/{id}/{path}"]["get"]["parameters"];
    assert_eq!((&file[0]["name"], &file[0]["schema"]["type"]), (&json!("id"), &json!("integer")));
    let schema = &file[0]["schema"];
    assert_eq!(
        (&schema["minimum"], &schema["maximum"]),
        (&json!(0), &json!(u32::MAX)),
        "bounds are written out"
    );
    assert_eq!((&file[1]["name"], &file[1]["schema"]["type"]), (&json!("path"), &json!("string")));
    let schemas: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    assert_eq!(schemas, ["Note", "Problem", "Tag"]);
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, root: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(root.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                object.values().for_each(|value| check(value, root));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, root)),
            _ => {}
        }
    }
    let document = document(app());
    check(&document, &document);
}

#[test]
fn what_is_not_described_is_listed() {
    assert_eq!(Spec::undescribed(&app().routes()), [""; 0]);
    let one_of_two = get(async || "x").put(async || "y").describe(docs().get(op("x")));
    let app = app().get("/a", async || "x").route("/b", any(async || "x")).route("/c", one_of_two);
    assert_eq!(Spec::undescribed(&app.routes()), ["GET /a", "any method /b", "PUT /c"]);
}

/// The message that the document of these routes panics with.
fn refusal(app: App) -> String {
    let routes = app.routes();
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Spec::new("T", "1").document(&routes)));
    match caught {
        Ok(_) => panic!("the document was made"),
        Err(payload) => payload.downcast_ref::<String>().unwrap().clone(),
    }
}

#[utoipa::path(get, path = "/macro/{id}", params(("id" = u32, Path)), responses((status = 200, body = Note)))]
async fn by_macro() -> &'static str {
    "x"
}

#[test]
fn descriptions_that_do_not_fit_are_refused() {
    let route =
        |template: &str, described: Docs| App::new().route(template, post(async || "x").describe(described));
    for (app, want) in [
        (route("/a", docs().get(op("x"))), "GET /a (registered at http/src/openapi/tests.rs:"),
        (route("/a", docs().get(op("x"))), "there is no handler"),
        (
            App::new().route("/a", get(async || "x").post(async || "y").describe(op("x"))),
            "has not exactly one method",
        ),
        (route("/a/{b}", docs().post(op("x").path::<u32>("c", ""))), "the template has no parameter `c`"),
        (
            route("/a", docs().post(op("x"))).route("/b", post(async || "x").describe(docs().post(op("x")))),
            "two operations have the id `x`: POST /a",
        ),
        (
            App::new().route("/other", get(by_macro).describe(docs().utoipa::<__path_by_macro>())),
            "`#[utoipa::path]` says `/macro/{id}`",
        ),
    ] {
        let message = refusal(app);
        assert!(message.contains(want), "`{message}` does not say `{want}`");
    }
    let described = docs().utoipa::<__path_by_macro>().schema::<Note>();
    let document = document(App::new().route("/macro/{id}", get(by_macro).describe(described)));
    assert_eq!(document["paths"]["/macro/{id}"]["get"]["parameters"][0]["name"], "id");
    assert!(document["components"]["schemas"]["Tag"].is_object());
}

#[test]
fn the_page_comes_with_its_files_from_the_binary() {
    testing::run(async {
        let client = TestClient::new(app().openapi(Spec::new("A <b>", "1").docs_at(Some("/api/docs"))));
        let page = client.get("/api/docs").send().await;
        let policy = page.assert_status(200).header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self';"), "{policy}");
        assert!(page.text().contains("<title>A &lt;b&gt;</title>"));
        assert!(page.text().contains("data-document=\"../openapi.json\""), "{}", page.text());
        for file in page.text().split('"').filter(|text| text.starts_with("docs/")) {
            let target = format!("/api/{file}");
            let response = client.get(&target).header("accept-encoding", "gzip, br").send().await;
            response.assert_status(200);
            assert!(response.bytes().len() < 600 * 1024, "{file}");
            if !file.ends_with("start.js") {
                response.assert_header("content-encoding", "gzip");
                for accepts in ["br", "gzip;q=0", "gzip; q=0.00", ""] {
                    client.get(&target).header("accept-encoding", accepts).send().await.assert_status(406);
                }
            }
        }
        let bare = TestClient::new(app().openapi(Spec::new("A", "1").docs_at(None).json_at("/spec")));
        bare.get("/docs").send().await.assert_status(404);
        bare.get("/spec").send().await.assert_status(200);
    });
}
