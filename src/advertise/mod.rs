//! The advertised address: which one is told to whom, and by which rule.

pub(crate) mod options;
