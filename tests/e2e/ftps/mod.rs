//! FTPS on either side, between real programs and against bad input.

mod clients;
mod doorstep;
mod matrix;
mod servers;
mod strangers;
