//! HAProxy on either side of the gateway: before it with PROXY headers to send, or before the server
//! with headers to take.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::lab::Lab;
use super::net::{Ns, PUBLIC, SERVER};
use super::process::Process;

/// Where clients reach the balancer's control port, and where the gateway sees it come from.
pub(crate) const BALANCER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
/// The same for IPv6 clients; the way on to the gateway is IPv4.
pub(crate) const BALANCER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 5);
/// Where clients are told to reach its data ports; those whom 229 tells no address, at the other.
pub(crate) const BALANCER_DATA: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 6);
/// Where the one before the server takes control connections.
pub(crate) const RECEIVER: SocketAddr = SocketAddr::new(IpAddr::V4(SERVER), 2021);

const DEFAULTS: &str = "global\n    log stdout format raw local0\n\
    defaults\n    mode tcp\n    log global\n    timeout connect 5s\n    timeout client 60s\n\
    \x20   timeout server 60s\n";

/// A running HAProxy.
pub(crate) struct Haproxy(Process);

impl Haproxy {
    /// Before the gateway's port 21 and data ports 60000 to 60010, on the same machine, with these
    /// options of `server` on control and on data connections.
    pub(crate) fn before_gateway(lab: &Lab, control: &str, data: &str) -> Self {
        Self::before_gateway_at(lab, control, PUBLIC.to_string(), data)
    }

    /// The same with all data ports brought to this one.
    pub(crate) fn before_one_port(lab: &Lab, port: u16, options: &str) -> Self {
        Self::before_gateway_at(lab, options, format!("{PUBLIC}:{port}"), options)
    }

    fn before_gateway_at(lab: &Lab, control: &str, at: String, data: &str) -> Self {
        for address in [BALANCER.into(), BALANCER_DATA.into(), BALANCER6.into()] {
            lab.net.public_address(address);
        }
        let text = format!(
            "{DEFAULTS}frontend control\n    bind {BALANCER}:21\n    bind [{BALANCER6}]:21\n    \
             default_backend control\n\
             backend control\n    server gateway {PUBLIC}:21 source {BALANCER} {control}\n\
             frontend data\n    bind {BALANCER_DATA}:60000-60010\n    \
             bind {BALANCER}:60000-60010\n    \
             bind [{BALANCER6}]:60000-60010\n    default_backend data\n\
             backend data\n    server gateway {at} source {BALANCER} {data}\n"
        );
        Self::start(lab, &lab.net.gateway, &text, 60000)
    }

    /// Before a server on the loopback address of its machine, with data ports 50000 to 50010. What
    /// its headers say is in the log.
    pub(crate) fn before_server(lab: &Lab) -> Self {
        let format = "log-format \"%ft client=%ci:%cp reached=%fi:%fp id=%[fc_pp_unique_id] \
                      name=%[fc_pp_authority]\"";
        let text = format!(
            "{DEFAULTS}frontend control\n    bind {RECEIVER} accept-proxy\n    {format}\n    \
             default_backend control\nbackend control\n    server ftp 127.0.0.1:21\n\
             frontend data\n    bind {SERVER}:50000-50010 accept-proxy\n    {format}\n    \
             default_backend data\nbackend data\n    server ftp 127.0.0.1\n"
        );
        Self::start(lab, &lab.net.server, &text, RECEIVER.port())
    }

    fn start(lab: &Lab, ns: &Ns, text: &str, port: u16) -> Self {
        let config = lab.path(&format!("haproxy-{port}.cfg"));
        fs::write(&config, text).expect("own file");
        let mut command = ns.command("haproxy");
        command.args(["-db", "-f"]).arg(&config);
        let mut process =
            Process::start("haproxy", command, lab.path(&format!("haproxy-{port}.log")));
        process.wait_for("it listens", |_| ns.listens(port).then_some(()));
        Self(process)
    }

    /// Waits until this many lines of its log are of connections to this frontend; returns them.
    pub(crate) fn connections(&mut self, frontend: &str, count: usize) -> Vec<String> {
        let start = format!("{frontend} ");
        self.0.wait_for("connections are logged", |process| {
            let log = process.log();
            let lines = log.lines().filter(|line| line.starts_with(&start));
            let lines: Vec<_> = lines.map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}
