//! "Did you mean": the nearest of the words that would have been right.

/// Names of other programs' settings, and the key that does the same here.
const CLASSIC: &[(&str, &str)] = &[
    ("accept_timeout", "data_accept in [timeouts]"),
    ("connect_timeout", "data_connect in [timeouts]"),
    ("connections_per_host", "sessions_per_client in [limits]"),
    ("data_connection_timeout", "data_stall in [timeouts]"),
    ("force_local_data_ssl", "data = \"required\" in [listener.tls]"),
    ("force_local_logins_ssl", "mode = \"required\" in [listener.tls]"),
    ("idle_session_timeout", "idle in [timeouts]"),
    ("implicit_ssl", "mode = \"implicit\" in [listener.tls]"),
    ("listen", "bind in [[listener]]"),
    ("listen_address", "bind in [[listener]]"),
    ("listen_port", "bind in [[listener]]"),
    ("masqueradeaddress", "address in [advertise]"),
    ("max_clients", "sessions in [limits]"),
    ("max_per_ip", "sessions_per_client in [limits]"),
    ("maxclients", "sessions in [limits]"),
    ("maxclientsperhost", "sessions_per_client in [limits]"),
    ("passiveports", "ports in [data]"),
    ("pasv_address", "address in [advertise]"),
    ("pasv_max_port", "ports in [data]"),
    ("pasv_min_port", "ports in [data]"),
    ("per_client", "sessions_per_client in [limits]"),
    ("require_ssl_reuse", "reuse in [listener.tls]"),
    ("rsa_cert_file", "cert in [listener.tls]"),
    ("rsa_private_key_file", "key in [listener.tls]"),
    ("ssl_enable", "mode in [listener.tls]"),
    ("timeoutidle", "idle in [timeouts]"),
    ("timeoutlogin", "login in [timeouts]"),
    ("timeoutstalled", "data_stall in [timeouts]"),
    ("tlsengine", "mode in [listener.tls]"),
    ("tlsrequired", "mode = \"required\" in [listener.tls]"),
    ("tlsrsacertificatefile", "cert in [listener.tls]"),
    ("tlsrsacertificatekeyfile", "key in [listener.tls]"),
];

/// Longest word worth comparing: beyond it nobody mistyped one of ours.
const LONGEST: usize = 80;

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let far = word.chars().count().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&word, &c.to_ascii_lowercase()), c))
        .filter(|&(distance, _)| distance <= far)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The key that another program's setting is called here.
pub(super) fn classic(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    CLASSIC.iter().find(|(name, _)| *name == word).map(|&(_, key)| key)
}
