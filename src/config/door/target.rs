//! `mode`, and where clients may go who choose the server themselves (S38).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::item::Item;
use super::super::problem::Problem;
use super::super::section::Section;
use super::super::value;
use crate::data::options::PortRange;
use crate::upstream::destinations::{self, Destinations, Mode};

const MODES: &[(&str, Mode)] =
    &[("gateway", Mode::Gateway), ("redirect", Mode::Redirect), ("tproxy", Mode::Tproxy)];

/// The port of FTP (RFC 959).
const FTP: PortRange = PortRange { first: 21, last: 21 };

/// The clients of a listener that leads anywhere, when none are named: RFC 1918, RFC 4193, loopback.
pub(super) const INSIDE: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"];

/// Who chooses the server.
pub(super) fn mode(s: &mut Section<'_>) -> Mode {
    s.take("mode", value::choice(MODES)).unwrap_or_default()
}

/// The allow-list; none where the configuration names the server.
pub(super) fn destinations(s: &mut Section<'_>, mode: Mode) -> Option<Destinations> {
    let given = s.place_of("destinations");
    let networks = s.list("destinations", network);
    let ports = match s.written("destination_ports") {
        Some(_) => s.list("destination_ports", value::port_range),
        None => Some(vec![FTP]),
    };
    if mode == Mode::Gateway {
        if let Some(place) = given {
            let problem = Problem::error("clients of this listener do not choose the server");
            let remedy = "add mode = \"redirect\" or \"tproxy\", or leave it out";
            s.report("destinations", problem.at(&place).remedy(remedy));
        }
        return Some(Destinations::default());
    }
    let remedy = "name the networks of the servers, as in destinations = [\"0.0.0.0/0\", \"::/0\"] \
                  for every public one; private networks only count when they are named themselves";
    match &networks {
        Some(networks) if networks.is_empty() => {
            let problem = Problem::error("the list is empty: nobody could go anywhere");
            s.report("destinations", problem.within(given.as_ref()).remedy(remedy));
            return None;
        }
        None if given.is_none() => {
            let reason = format!("`destinations` is missing: mode \"{mode}\" leads anywhere");
            s.missed("destinations", Problem::error(reason).remedy(remedy));
        }
        _ => {}
    }
    Some(Destinations { networks: networks?, ports: ports? })
}

fn network(item: &Item) -> Result<IpNet, Problem> {
    let network = value::network(item)?;
    if destinations::is_never(&network) {
        return Err(item.problem(
            "nobody is led there: loopback, link-local, multicast and metadata addresses are refused \
             whatever is listed",
        ));
    }
    Ok(network)
}

/// Who may connect when nothing is said: everybody, or where clients choose the server, nobody from
/// outside.
pub(super) fn clients(mode: Mode) -> Vec<IpNet> {
    match mode {
        Mode::Gateway => vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())],
        Mode::Redirect | Mode::Tproxy => INSIDE.iter().filter_map(|net| net.parse().ok()).collect(),
    }
}
