//! What one core could not share with another.

use std::cell::Cell;
use std::sync::Arc;

use corelane_http::app::App;

fn main() {
    let _ = App::new().shared(Arc::new(Cell::new(1)));
}
