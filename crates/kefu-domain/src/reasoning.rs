//! What a model thinks, or asks its tools, and never says to a customer: found by one table of marks and cut out.

mod bare;
mod code;
mod harmony;
mod marks;
mod scan;
mod template;

pub use marks::{InvalidThoughtMarks, ThoughtMarks};
pub(crate) use scan::without_thoughts;

#[cfg(test)]
mod tests;
