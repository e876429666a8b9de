//! Making pictures of the world.
/// Keeps decoded log records from one picture to the next.
#[derive(Debug, Default)]
pub struct Viewer {}
