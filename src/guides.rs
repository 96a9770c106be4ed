//! The guides under `docs/guide`, so that their examples are compiled and run as tests.

macro_rules! guides {
    ($($name:ident $file:literal)*) => {$(
        #[doc = include_str!(concat!("../docs/guide/", $file))]
        mod $name {}
    )*};
}

guides! {
    middleware "middleware.md"
    redis "redis.md"
    sessions "sessions.md"
}
