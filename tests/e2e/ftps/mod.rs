//! FTPS on either side, between real programs and against bad input.

mod clients;
mod matrix;
mod servers;

