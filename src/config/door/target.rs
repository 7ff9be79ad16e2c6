//! `mode`, and where clients may go who choose the server themselves (S38).

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::item::Item;
use super::super::problem::Problem;
use super::super::section::Section;
use super::super::settings::Settings;
use super::super::value;
use crate::advertise::options::Mapping;
use crate::data::options::PortRange;
use crate::ftp::login::Destination;
use crate::upstream::destinations::{self, Destinations, Mode};

const MODES: &[(&str, Mode)] = &[
    ("gateway", Mode::Gateway),
    ("redirect", Mode::Redirect),
    ("tproxy", Mode::Tproxy),
    ("forward", Mode::Forward),
];

/// The port of FTP (RFC 959).
const FTP: PortRange = PortRange { first: 21, last: 21 };

/// What clients are greeted with who have to name their server.
const GREETING: &str = "FTP gateway: log in as NAME@HOST";

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
    let listed = s.list("destinations", |item| element(item, mode));
    let ports = match s.written("destination_ports") {
        Some(_) => s.list("destination_ports", value::port_range),
        None => Some(vec![FTP]),
    };
    if mode == Mode::Gateway {
        if let Some(place) = given {
            let problem = Problem::error("clients of this listener do not choose the server");
            let remedy = "add mode = \"redirect\", \"tproxy\" or \"forward\", or leave it out";
            s.report("destinations", problem.at(&place).remedy(remedy));
        }
        return Some(Destinations::default());
    }
    let remedy = "name the networks of the servers, as in destinations = [\"0.0.0.0/0\", \"::/0\"] \
                  for every public one; private networks only count when they are named themselves";
    match &listed {
        Some(listed) if listed.is_empty() => {
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
    let (mut networks, mut names) = (Vec::new(), Vec::new());
    for element in listed? {
        match element {
            Element::Network(network) => networks.push(network),
            Element::Name(name) => names.push(name),
        }
    }
    Some(Destinations { networks, names, ports: ports? })
}

/// One of `destinations`.
enum Element {
    Network(IpNet),
    Name(String),
}

/// A network, or where clients name their server, its name, or `*.` and the end of one.
fn element(item: &Item, mode: Mode) -> Result<Element, Problem> {
    let text = item.text()?.to_ascii_lowercase();
    let host = text.strip_prefix("*.").unwrap_or(&text);
    let is_name = host.contains(|c: char| c.is_ascii_alphabetic())
        && Destination::parse(host.as_bytes()).is_some_and(|d| d.host == host)
        && !host.contains(':');
    match mode {
        Mode::Forward if is_name => Ok(Element::Name(text)),
        Mode::Forward if value::network(item).is_err() => {
            let remedy = "write \"ftp.example.org\", \"*.example.org\", or \"198.51.100.0/24\"";
            Err(item.problem("neither a host name nor a network").remedy(remedy))
        }
        _ if !is_name => network(item).map(Element::Network),
        _ => Err(item
            .problem(format!("clients of mode \"{mode}\" aim at addresses, not at names"))
            .remedy("name networks, or use mode = \"forward\"")),
    }
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
        Mode::Redirect | Mode::Tproxy | Mode::Forward => {
            INSIDE.iter().filter_map(|net| net.parse().ok()).collect()
        }
    }
}

/// What a mode asks of the settings. Who names a server in the login has to be greeted first, by us.
pub(super) fn instruct(mode: Mode, settings: &mut Settings) {
    // A way to other servers is not opened to the Internet.
    if mode != Mode::Gateway {
        settings.advertise.mapping = Mapping::Off;
    }
    if mode == Mode::Forward {
        settings.policy.forward = true;
        settings.policy.greeting.get_or_insert_with(|| GREETING.into());
    }
}
