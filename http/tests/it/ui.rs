//! What the compiler says about the usual mistakes. `TRYBUILD=overwrite` writes the files anew.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
