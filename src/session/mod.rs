//! The mind of a session, and its conductor.
//!
//! ```text
//!             greeting = "…"
//!   accept ──────────────────► Lazy ──first command──┐
//!     │                                              ▼
//!     └────────────────────────────────────────► Connecting ──Connected──► Open ──┐
//!                                                    │                      │     │ commands,
//!                                                    └─ConnectFailed──┐     │ ◄───┘ replies
//!                                                                     ▼     ▼
//!                              Closed ◄──report of the transfer──── Ending (QUIT, 421, end of
//!                                                                   file, deadline, drain)
//!
//!   data grant, inside Open (requirements D0–D7):
//!
//!   None ──PASV EPSV PORT EPRT──► Asking ──227 229 200──► Ready ──RETR STOR LIST …──► Running
//!    ▲                              │ refused               │ replaced, expired          │
//!    └──────────────────────────────┴───────────────────────┴──── verdict and report ◄───┘
//! ```
//!
//! [`machine`] decides and never waits; `driver` waits and never decides.

mod asking;
mod commands;
mod desk;
pub(crate) mod driver;
pub mod event;
mod forward;
mod grant;
mod input;
pub mod machine;
mod overdue;
mod pending;
pub mod policy;
mod queue;
mod replies;
mod rfc6384;
mod secure;
mod transfer;
mod tunnel;

pub use desk::Desk;
pub use event::{Action, CloseReason, Event, Side};
pub use machine::Machine;
pub use policy::Policy;
