//! One conversation with the issuer: account, order, proof, certificate.

use std::net::IpAddr;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::http01::Responder;
use super::{Acme, AcmeError, ORDER, certs};

/// Each look at an order comes so much later than the one before.
const SLOWER: f32 = 1.5;

impl Acme {
    /// A new key and the chain for it, PEM.
    pub(super) async fn order(&self) -> Result<String, AcmeError> {
        let mut order = match self.new_order().await {
            // Issuers for tests forget, others clear up.
            Err(error) if error.is_unknown_account() => {
                let file = self.account_file();
                std::fs::remove_file(&file).map_err(|source| AcmeError::Keep { file, source })?;
                self.new_order().await?
            }
            order => order?,
        };
        let policy = RetryPolicy::new().backoff(SLOWER).timeout(ORDER);
        let ready = match self.answer(&mut order).await? {
            None => order.poll_ready(&policy).await,
            Some(responder) => tokio::select! {
                () = responder.serve() => Err(Error::Str("an answer")),
                ready = order.poll_ready(&policy) => ready,
            },
        };
        match ready {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(self.refusal(&mut order, Error::Str("a ready order")).await),
            Err(error) => return Err(self.refusal(&mut order, error).await),
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(self.options.names.as_slice())?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key)?;
        order.finalize_csr(request.der()).await.map_err(|e| self.issuer(e))?;
        let chain = order.poll_certificate(&policy).await.map_err(|e| self.issuer(e))?;
        Ok(key.serialize_pem() + &chain)
    }

    async fn new_order(&self) -> Result<Order, AcmeError> {
        let name = |name: &String| match name.parse::<IpAddr>() {
            Ok(ip) => Identifier::Ip(ip),
            Err(_) => Identifier::Dns(name.clone()),
        };
        let names: Vec<_> = self.options.names.iter().map(name).collect();
        let account = self.account().await?;
        account.new_order(&NewOrder::new(&names)).await.map_err(|e| self.issuer(e))
    }

    /// Puts the answers in place, then tells the issuer to come and look. `None`: there is nothing
    /// to prove that was not proven lately.
    async fn answer(&self, order: &mut Order) -> Result<Option<Responder>, AcmeError> {
        let mut responder = None;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|e| self.issuer(e))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let mut challenge = authorization
                .challenge(ChallengeType::Http01)
                .ok_or_else(|| self.issuer(Error::Unsupported("HTTP-01")))?;
            let responder = match &mut responder {
                Some(responder) => responder,
                // Connections wait in its queue until all answers are there.
                none => none.insert(Responder::bind(&self.options.http)?),
            };
            responder.put(&challenge.token, challenge.key_authorization().as_str());
            challenge.set_ready().await.map_err(|e| self.issuer(e))?;
        }
        Ok(responder)
    }

    /// Which name was not verified and why, if that was it.
    async fn refusal(&self, order: &mut Order, error: Error) -> AcmeError {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let name = authorization.identifier().to_string();
            let Ok(state) = authorization.refresh().await else { continue };
            let problem = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                return AcmeError::not_verified(name, problem, &self.options.http);
            }
        }
        self.issuer(error)
    }

    /// The account of last time, or a new one.
    async fn account(&self) -> Result<Account, AcmeError> {
        let issuer = |e| self.issuer(e);
        let builder = || match &self.options.ca {
            Some(file) => Account::builder_with_root(file),
            None => Account::builder(),
        };
        let file = self.account_file();
        if let Ok(kept) = certs::read(&file)
            && let Ok(credentials) = serde_json::from_slice(&kept)
        {
            return builder().map_err(issuer)?.from_credentials(credentials).await.map_err(issuer);
        }
        let contact: Vec<&str> = self.options.contact.iter().map(String::as_str).collect();
        let account = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let directory = self.options.directory.clone();
        let created = builder().map_err(issuer)?.create(&account, directory, None).await;
        let (account, credentials) = created.map_err(issuer)?;
        let kept = serde_json::to_string(&credentials).map_err(|e| issuer(e.into()))?;
        self.keep(&file, &kept)?;
        Ok(account)
    }

    fn issuer(&self, error: Error) -> AcmeError {
        AcmeError::issuer(&self.options.directory, error)
    }
}
