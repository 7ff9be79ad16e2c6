//! FTPS on either side, between real programs and against bad input.

mod matrix;
mod servers;

