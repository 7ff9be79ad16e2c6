//! Where clients choose the server: what this takes of the process and of the firewall.

use std::fmt;

use super::BuildError;
use crate::config::ListenerConfig;
use crate::data::options::{PortOptions, PortRange};
use crate::net::transparent::{Abilities, MARK};
use crate::upstream::destinations::{Destinations, Mode};
use crate::upstream::options::Source;

/// Something that the configuration asks for and the process may not do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lack {
    /// The key with its value, and where it stands.
    key: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} takes CAP_NET_RAW (or CAP_NET_ADMIN), which this process does not have: as a \
             service, add it to AmbientCapabilities= and CapabilityBoundingSet=; else setcap \
             cap_net_bind_service,cap_net_raw+ep PATH-OF-FTPGATE",
            self.key
        )
    }
}

/// What the process may do, and what its connections are marked with for upstreams that name no
/// mark.
///
/// # Errors
/// Something that a listener asks for it may not do.
pub(super) fn abilities(listeners: &[ListenerConfig]) -> Result<(Abilities, u32), BuildError> {
    let may = Abilities::probe();
    if let Some(lack) = listeners.iter().flat_map(|l| lacking(l, may)).next() {
        return Err(BuildError::Capability(lack.to_string()));
    }
    let chosen = listeners.iter().any(|listener| listener.mode.is_transparent());
    Ok((may, if chosen && may.mark { MARK } else { 0 }))
}

/// What a listener asks for and may not have (P176).
pub(crate) fn lacking(listener: &ListenerConfig, may: Abilities) -> Vec<Lack> {
    let (name, upstream) = (&listener.name, &listener.upstream);
    let mut lacking = Vec::new();
    if listener.mode == Mode::Tproxy && !may.borrow {
        lacking.push(Lack { key: format!("mode = \"tproxy\" of listener \"{name}\"") });
    }
    if upstream.source == Source::Client && !may.borrow {
        lacking
            .push(Lack { key: format!("source = \"client\" of upstream \"{}\"", upstream.name) });
    }
    if let (Some(mark @ 1..), false) = (upstream.mark, may.mark) {
        lacking.push(Lack { key: format!("mark = {mark} of upstream \"{}\"", upstream.name) });
    }
    lacking
}

/// What it means that clients of a listener choose the server, and what the firewall has to do;
/// nothing where they do not. `ports` are those it listens on; `borrow`: active clients are dialled from
/// the server's address.
pub(crate) fn describe(
    (mode, destinations): (Mode, &Destinations),
    ports: &str,
    data: &PortOptions,
    borrow: bool,
) -> Vec<String> {
    let to = destinations;
    let chosen = format!("clients choose the server, within {to}");
    let caught = ports_of(to);
    match mode {
        Mode::Gateway => Vec::new(),
        Mode::Forward => vec![chosen],
        Mode::Redirect => vec![
            chosen,
            format!(
                "redirect in the firewall (nft redirect, TCP, whatever the address): port {caught} \
                 to port {ports}, data ports {data} to the same ports"
            ),
            if borrow {
                "active clients are dialled from the server's address: keep the answers here (nft \
                 `socket transparent 1`, and an `ip rule` for the mark)"
            } else {
                "active clients are dialled from this machine's own address: the server's takes \
                 CAP_NET_RAW"
            }
            .into(),
        ],
        Mode::Tproxy => vec![
            chosen,
            format!(
                "deliver in the firewall (nft tproxy, TCP, whatever the address): port {caught} to \
                 port {ports}; and what belongs to our sockets (nft `socket transparent \
                 1`), data ports {data} among it; with an `ip rule` for the mark"
            ),
        ],
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks = self.networks.iter().map(ToString::to_string);
        let within: Vec<String> = networks.chain(self.names.iter().cloned()).collect();
        write!(f, "{}, port {}", joined(&within), ports_of(self))
    }
}

fn ports_of(destinations: &Destinations) -> String {
    let port = |range: &PortRange| match range.first == range.last {
        true => range.first.to_string(),
        false => range.to_string(),
    };
    joined(&destinations.ports.iter().map(port).collect::<Vec<_>>())
}

fn joined(list: &[impl fmt::Display]) -> String {
    let list: Vec<String> = list.iter().map(ToString::to_string).collect();
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const TEXT: &str = r#"
[[listener]]
name = "out"
bind = "127.0.0.1:2121"
mode = "tproxy"
destinations = ["0.0.0.0/0", "10.0.0.0/8"]
destination_ports = [21, "2100-2110"]
[[upstream]]
name = "any"
source = "client"
mark = 7
"#;

    fn listener(text: &str) -> ListenerConfig {
        let (config, _) = config::parse(text, "test.toml", []).unwrap();
        config.listeners.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_missing_is_named() {
        let (none, all) =
            (Abilities { borrow: false, mark: false }, Abilities { borrow: true, mark: true });
        let said: Vec<_> = lacking(&listener(TEXT), none).iter().map(ToString::to_string).collect();
        let keys = ["mode = \"tproxy\" of listener \"out\"", "source = \"client\"", "mark = 7"];
        assert_eq!(said.len(), keys.len());
        for (said, key) in said.iter().zip(keys) {
            assert!(said.starts_with(key) && said.contains("CAP_NET_RAW"), "{said}");
            assert!(said.contains("setcap") && said.contains("AmbientCapabilities"), "{said}");
        }
        assert_eq!(lacking(&listener(TEXT), all), []);
        // Redirection itself takes nothing.
        let redirect = TEXT.replace("tproxy", "redirect").replace("\"client\"", "\"auto\"");
        assert_eq!(lacking(&listener(&redirect.replace("7", "0")), none), []);
    }

    #[test]
    fn the_firewalls_part_is_told() {
        let told = |text: &str, borrow| {
            let l = listener(text);
            describe((l.mode, &l.destinations), "2121", &l.data.downstream, borrow).join("\n")
        };
        let tproxy = told(TEXT, true);
        assert!(tproxy.contains("within 0.0.0.0/0, 10.0.0.0/8, port 21, 2100-2110"), "{tproxy}");
        assert!(tproxy.contains("nft tproxy") && tproxy.contains("to port 2121"), "{tproxy}");
        let redirect = TEXT.replace("tproxy", "redirect");
        assert!(told(&redirect, true).contains("from the server's address"));
        assert!(told(&redirect, false).contains("from this machine's own address"));
        assert!(told(&redirect, false).contains("data ports 10100-10199 to the same"));
    }
    #[test]
    fn where_named_servers_may_be_is_told() {
        let text = TEXT.replace("tproxy", "forward").replace("\"client\"", "\"auto\"");
        let l = listener(&text.replace("\"10.0.0.0/8\"", "\"*.example.org\""));
        let told = describe((l.mode, &l.destinations), "2121", &l.data.downstream, false);
        let within = "within 0.0.0.0/0, *.example.org, port 21, 2100-2110";
        assert!(told.len() == 1 && told[0].ends_with(within), "{told:?}");
    }
}
