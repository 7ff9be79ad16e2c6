//! Without the feature `acme` no certificate is fetched: the configuration refuses to ask for one.

use std::convert::Infallible;
use std::sync::Arc;

use super::Stop;
use super::certificates::Wake;
use crate::tls::AcmeOptions;

/// There are none.
#[derive(Debug, Default)]
pub(super) struct Clients;

impl Clients {
    /// Never called.
    pub(super) fn prepare(&mut self, _: &str, _: &AcmeOptions) -> Result<(), Infallible> {
        Ok(())
    }

    /// Nothing to keep.
    pub(super) async fn keep(self, _: Arc<Wake>, _: Stop) {}
}
