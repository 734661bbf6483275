//! Readers of a user's own data: from a path to [`Parts`](super::raw::Parts).

mod file;
mod table;

pub use table::{Kind, Rows};
#[doc(hidden)]
pub use table::parse as parse_table;
#[doc(hidden)]
pub use table::read as read_table;
