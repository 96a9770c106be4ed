//! What the compiler says about the usual mistakes. `TRYBUILD=overwrite` writes the files anew.
//!
//! The compiler adds lists of what does implement a trait, which depend on the features: the files hold what it says with all of
//! them, as `tests/all.sh` runs it. Without all of them this is not compiled.

#[cfg(all(
    feature = "askama",
    feature = "config",
    feature = "minijinja",
    feature = "openapi",
    feature = "validate"
))]
#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
