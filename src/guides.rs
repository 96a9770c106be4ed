//! The guides under `docs/guide`, so that their examples are compiled and run as tests.

macro_rules! guides {
    ($($name:ident $file:literal)*) => {$(
        #[doc = include_str!(concat!("../docs/guide/", $file))]
        mod $name {}
    )*};
}

guides! {
    configuration "configuration.md"
    errors "errors.md"
    extractors "extractors.md"
    files "files.md"
    from_actix "from-actix.md"
    from_axum "from-axum.md"
    from_prologue "from-prologue.md"
    getting_started "getting-started.md"
    middleware "middleware.md"
    openapi "openapi.md"
    postgres "postgres.md"
    redis "redis.md"
    routing "routing.md"
    sessions "sessions.md"
    sse "sse.md"
    state "state.md"
    templates_and_i18n "templates-and-i18n.md"
    testing "testing.md"
    uploads "uploads.md"
}
