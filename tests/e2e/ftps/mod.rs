//! FTPS on either side, between real programs and against bad input.

mod acme;
mod certificates;
mod clients;
mod doorstep;
mod filezilla;
mod flood;
mod legs;
mod matrix;
mod passthrough;
mod servers;
mod sharing;
mod strangers;
mod transfers;
mod upstream;
