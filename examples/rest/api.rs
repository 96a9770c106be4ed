//! The routes: each says what it takes and gives next to its handler.

use std::sync::Arc;

use corelane::config::Live;
use corelane::extract::Valid;
use corelane::openapi::{Spec, docs, op};
use corelane::prelude::*;

use crate::model::{Content, Note, Page, Settings};
use crate::store::Store;

/// Most of a note's JSON, in bytes.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn app(store: Arc<Store>, settings: Live<Settings>) -> App {
    let notes = get(list).post(create).body_limit(NOTE_BYTES_MAX).describe(
        docs()
            .get(
                op("listNotes")
                    .summary("Notes, page by page")
                    .tag("notes")
                    .query::<Page>()
                    .list::<Note>(200, "A page"),
            )
            .post(
                op("createNote")
                    .summary("A new note")
                    .tag("notes")
                    .body::<Content>()
                    .json::<Note>(201, "The note with its number")
                    .problem(507, "There are as many notes as are kept"),
            ),
    );
    let note = get(read).put(replace).delete(remove).body_limit(NOTE_BYTES_MAX).describe(
        docs()
            .get(
                op("readNote")
                    .summary("One note")
                    .tag("notes")
                    .path::<u64>("id", "Its number")
                    .json::<Note>(200, "The note")
                    .problem(404, "There is no such note"),
            )
            .put(
                op("replaceNote")
                    .summary("Writes a note anew")
                    .tag("notes")
                    .path::<u64>("id", "Its number")
                    .body::<Content>()
                    .json::<Note>(200, "The note as it is now")
                    .problem(404, "There is no such note"),
            )
            .delete(
                op("deleteNote")
                    .summary("Deletes a note")
                    .tag("notes")
                    .path::<u64>("id", "Its number")
                    .empty(204, "It is gone")
                    .problem(404, "There is no such note"),
            ),
    );
    App::new()
        .state(store)
        .state(settings)
        .route("/notes", notes)
        .route("/notes/{id}", note)
        .openapi(Spec::new("Notes", "1.0.0").description("An example of Corelane: notes in memory."))
}

async fn list(
    State(store): State<Arc<Store>>,
    State(settings): State<Live<Settings>>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Note>>, Problem> {
    let most = settings.get().page_max;
    let wanted = page.limit.map_or(most, |limit| usize::try_from(limit).unwrap_or(most));
    if wanted == 0 {
        return Err(Problem::new(StatusCode::BAD_REQUEST).detail("limit has to be at least 1"));
    }
    Ok(Json(store.list(&page, wanted.min(most))))
}

async fn create(
    State(store): State<Arc<Store>>,
    State(settings): State<Live<Settings>>,
    Valid(Json(content)): Valid<Json<Content>>,
) -> Result<Response, Problem> {
    let most = settings.get().notes_max;
    let Some(note) = store.add(content, most) else {
        let full = Problem::new(StatusCode::INSUFFICIENT_STORAGE);
        return Err(full.detail(format!("there are {most} notes, and no more are kept")));
    };
    let location = format!("/notes/{}", note.id);
    Ok((StatusCode::CREATED, Json(note)).into_response().with_header("location", location)?)
}

async fn read(State(store): State<Arc<Store>>, Path(id): Path<u64>) -> Result<Json<Note>, Problem> {
    store.find(id).map(Json).ok_or_else(|| not_found(id))
}

async fn replace(
    State(store): State<Arc<Store>>,
    Path(id): Path<u64>,
    Valid(Json(content)): Valid<Json<Content>>,
) -> Result<Json<Note>, Problem> {
    store.replace(id, content).map(Json).ok_or_else(|| not_found(id))
}

async fn remove(State(store): State<Arc<Store>>, Path(id): Path<u64>) -> Result<StatusCode, Problem> {
    if store.remove(id) { Ok(StatusCode::NO_CONTENT) } else { Err(not_found(id)) }
}

fn not_found(id: u64) -> Problem {
    Problem::new(StatusCode::NOT_FOUND).detail(format!("there is no note {id}"))
}

#[cfg(test)]
mod tests {
    use corelane::openapi::Spec;
    use corelane::testing::{self, TestClient};
    use serde_json::{Value, json};

    use super::*;

    fn client(settings: Settings) -> TestClient {
        TestClient::new(app(Arc::default(), Live::new(settings)))
    }

    #[test]
    fn a_note_lives_and_dies() {
        testing::run(async {
            let client = client(Settings::default());
            let made = client.post("/notes").json(&json!({ "title": "a", "tags": ["x"] })).send().await;
            made.assert_status(201).assert_header("location", "/notes/1");
            let want = json!({ "id": 1, "title": "a", "text": "", "tags": ["x"] });
            assert_eq!(made.json::<Value>(), want);
            assert_eq!(client.get("/notes/1").send().await.json::<Value>(), want);
            let changed = client.put("/notes/1").json(&json!({ "title": "b" })).send().await;
            assert_eq!(changed.assert_status(200).json::<Value>()["title"], "b");
            client.delete("/notes/1").send().await.assert_status(204);
            for request in [
                client.get("/notes/1"),
                client.delete("/notes/1"),
                client.put("/notes/1").json(&json!({ "title": "b" })),
            ] {
                let gone = request.send().await;
                gone.assert_status(404).assert_header("content-type", "application/problem+json");
            }
        });
    }

    #[test]
    fn notes_are_listed_in_pages_and_by_tag() {
        testing::run(async {
            let client = client(Settings { page_max: 3, ..Settings::default() });
            for n in 0..5 {
                let tags = if n % 2 == 0 { json!(["even"]) } else { json!([]) };
                client.post("/notes").json(&json!({ "title": n.to_string(), "tags": tags })).send().await;
            }
            for (query, want) in [
                ("", &[1, 2, 3][..]),
                ("?after=3", &[4, 5]),
                ("?limit=1", &[1]),
                ("?limit=100", &[1, 2, 3]),
                ("?tag=even&after=1", &[3, 5]),
                ("?tag=none", &[]),
            ] {
                let page: Vec<Value> = client.get(&format!("/notes{query}")).send().await.json();
                let ids: Vec<u64> = page.iter().map(|note| note["id"].as_u64().unwrap_or(0)).collect();
                assert_eq!(ids, want, "{query}");
            }
            client.get("/notes?limit=0").send().await.assert_status(400);
            client.get("/notes?page=1").send().await.assert_status(400);
        });
    }

    #[test]
    fn everything_that_is_wrong_with_a_note_is_told_at_once() {
        testing::run(async {
            let client = client(Settings { notes_max: 1, ..Settings::default() });
            let wrong =
                json!({ "title": "", "text": "x".repeat(10_001), "tags": ["ok", "", "y".repeat(25)] });
            let refused = client.post("/notes").json(&wrong).send().await;
            let problem: Value = refused.assert_status(422).json();
            let mut pointers: Vec<&str> = problem["errors"]
                .as_array()
                .expect("a list of errors")
                .iter()
                .filter_map(|error| error["pointer"].as_str())
                .collect();
            pointers.sort_unstable();
            assert_eq!(pointers, ["/tags/1", "/tags/2", "/text", "/title"]);
            client.post("/notes").json(&json!({ "title": "a" })).send().await.assert_status(201);
            client.post("/notes").json(&json!({ "title": "b" })).send().await.assert_status(507);
        });
    }

    #[test]
    fn every_route_is_described() {
        assert!(Spec::undescribed(&app(Arc::default(), Live::new(Settings::default())).routes()).is_empty());
    }
}
