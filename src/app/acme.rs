//! Certificates fetched by ACME: one client for each, whatever the number of listeners that show it.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use tokio::time::Instant;

use super::Stop;
use super::certificates::Wake;
use crate::tls::{Acme, AcmeError, AcmeOptions};

/// How often a certificate is looked at, and how soon after one was fetched at the earliest: a clock
/// that is wrong must not ask for one after the other.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// How long after a failure, doubled with each further one: issuers allow about five an hour.
const RETRY: Duration = Duration::from_secs(10 * 60);
/// How long after failure upon failure.
const LONGEST_RETRY: Duration = Duration::from_secs(12 * 60 * 60);

/// Those of all listeners. They take turns: there is one port for the issuers' requests.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<Client>);

#[derive(Debug)]
struct Client {
    acme: Acme,
    /// Who shows the certificate.
    listeners: Vec<String>,
    /// One after the other.
    failures: u32,
    next: Instant,
}

impl Clients {
    /// Sees to it that there is a certificate to start with.
    pub(super) fn prepare(
        &mut self,
        listener: &str,
        options: &AcmeOptions,
    ) -> Result<(), AcmeError> {
        let listener = listener.to_owned();
        if let Some(known) = self.0.iter_mut().find(|client| client.acme.options() == options) {
            known.listeners.push(listener);
            return Ok(());
        }
        let acme = Acme::new(options.clone());
        if acme.stand_in()? {
            let until = "until the issuer has answered: clients ask whether to trust it";
            tracing::warn!(listener, "a self-signed certificate stands in {until}");
        }
        let (listeners, next) = (vec![listener], Instant::now());
        self.0.push(Client { acme, listeners, failures: 0, next });
        Ok(())
    }

    /// Until the drain.
    pub(super) async fn keep(mut self, wake: Arc<Wake>, stop: Stop) {
        while let Some(next) = self.0.iter().map(|client| client.next).min() {
            tokio::select! {
                () = stop.started() => return,
                () = wake.again.notified() => self.hurry(),
                () = tokio::time::sleep_until(next) => {}
            }
            for client in &mut self.0 {
                tokio::select! {
                    () = stop.started() => return,
                    fetched = client.look() => if fetched { wake.fetched.notify_one() },
                }
            }
        }
    }

    /// Whoever asks for it has put right what was wrong.
    fn hurry(&mut self) {
        for client in &mut self.0 {
            client.next = Instant::now();
        }
    }
}

impl Client {
    /// When it is time, and the certificate due, fetches one. Says whether there is a new one.
    async fn look(&mut self) -> bool {
        if self.next > Instant::now() {
            return false;
        }
        let due = self.acme.due().as_secs().saturating_sub(UnixTime::now().as_secs());
        if due > 0 {
            self.next = Instant::now() + LOOK.min(Duration::from_secs(due));
            return false;
        }
        let (listeners, names) = (self.listeners.join(", "), self.acme.options().names.join(", "));
        tracing::info!(listeners, directory = self.acme.options().directory, "asking for {names}");
        let fetched = self.acme.fetch().await;
        match &fetched {
            Ok(()) => {
                self.failures = 0;
                self.next = Instant::now() + LOOK;
                tracing::info!(listeners, "certificate for {names} fetched");
            }
            Err(error) => {
                let wait = patience(self.failures, error.is_rate_limit());
                self.failures = self.failures.saturating_add(1);
                self.next = Instant::now() + wait;
                let (why, minutes) = (error.label(), wait.as_secs() / 60);
                let then = format!("tried again in {minutes} minutes, or at SIGHUP");
                tracing::error!(listeners, why, "no new certificate: {error}; {then}");
            }
        }
        fetched.is_ok()
    }
}

/// How long until the next try, after so many failures before this one.
fn patience(failures: u32, is_rate_limit: bool) -> Duration {
    let doubled = 2u32.checked_pow(failures).and_then(|times| RETRY.checked_mul(times));
    let wait = doubled.map_or(LONGEST_RETRY, |wait| wait.min(LONGEST_RETRY));
    if is_rate_limit { wait.max(LOOK) } else { wait }
}

#[cfg(test)]
mod tests;
