//! Values that middleware and handlers attach to a request.

use std::any::{Any, TypeId};
use std::fmt;

/// One value for each type. Allocates nothing until the first is put in.
///
/// A list rather than a hash map: a request carries a handful.
///
/// ```
/// use corelane_http::request::Request;
///
/// #[derive(Debug, PartialEq)]
/// struct UserId(u64);
///
/// let mut request = Request::builder("GET", "/").build();
/// request.extensions_mut().insert(UserId(7));
/// assert_eq!(request.extensions().get::<UserId>(), Some(&UserId(7)));
/// ```
#[derive(Default)]
pub struct Extensions {
    values: Vec<(TypeId, Box<dyn Any>)>,
}

impl Extensions {
    /// Puts a value in; returns the one of this type that was there before.
    pub fn insert<T: 'static>(&mut self, value: T) -> Option<T> {
        let before = self.remove::<T>();
        self.values.push((TypeId::of::<T>(), Box::new(value)));
        before
    }

    /// The value of this type.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        let (_, value) = self.values.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    /// The value of this type, to be changed.
    pub fn get_mut<T: 'static>(&mut self) -> Option<&mut T> {
        let (_, value) = self.values.iter_mut().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_mut()
    }

    /// Takes the value of this type out.
    pub fn remove<T: 'static>(&mut self) -> Option<T> {
        let at = self.values.iter().position(|(id, _)| *id == TypeId::of::<T>())?;
        self.values.swap_remove(at).1.downcast().ok().map(|value| *value)
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        if !self.values.is_empty() {
            self.values.clear();
        }
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({} values)", self.values.len())
    }
}
