//! A certificate to begin with, before there is one from an issuer.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// A month more than a year: what public issuers used to give at most.
const LIFE: Duration = Duration::from_secs(397 * 24 * 60 * 60);
/// Clients whose clocks are behind ours accept it all the same.
const CLOCKS_APART: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate good for these names and addresses, ECDSA P-256, 397 days; then its key. Both PEM.
///
/// # Errors
/// When a name cannot stand in a certificate, or there is no randomness.
pub(crate) fn self_signed(
    names: &[String],
    now: SystemTime,
) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.not_before = (now - CLOCKS_APART).into();
    params.not_after = (now + LIFE - CLOCKS_APART).into();
    params.distinguished_name = DistinguishedName::new();
    if let Some(first) = names.first() {
        params.distinguished_name.push(DnType::CommonName, first);
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests;
