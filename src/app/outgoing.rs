//! How our own connections leave: tried before the first session needs it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::BuildError;
use crate::config::ListenerConfig;
use crate::data::options::PortOptions;
use crate::net::socket::{self, Origin, is_missing_ipv6};

/// A place to leave from, or a way.
pub(crate) struct Trial {
    /// Key and value.
    pub(crate) what: String,
    from: Origin,
}

/// Every one of a listener. `reached`: the addresses that clients reach it on, for active data
/// connections leave from there.
pub(crate) fn trials(listener: &ListenerConfig, reached: &[SocketAddr]) -> Vec<Trial> {
    let (data, upstream) = (&listener.data, &listener.upstream);
    let (name, source) = (&upstream.name, upstream.source.address());
    let mut trials = Vec::new();
    if data.source_port != 0 {
        for address in reached {
            let from = SocketAddr::new(address.ip(), data.source_port);
            let what = format!("data.source_port: data connections to clients leave from {from}");
            trials.push(Trial { what, from: Origin::own(Some(from)) });
        }
    }
    if let Some(device) = upstream.device {
        let what = format!("upstream.{name}.device: connections leave through {device}");
        trials.push(Trial { what, from: Origin { device: Some(device), ..Origin::default() } });
    }
    if let Some(ip) = source {
        let what = format!("upstream.{name}.source: connections leave from {ip}");
        trials.push(Trial { what, from: Origin::own(Some(SocketAddr::new(ip, 0))) });
    }
    if data.upstream_source_port != 0 {
        let any = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        for ip in source.map_or(any.to_vec(), |ip| vec![ip]) {
            let from = SocketAddr::new(ip, data.upstream_source_port);
            let what =
                format!("data.upstream_source_port: data connections to {name} leave from {from}");
            trials.push(Trial { what, from: Origin::own(Some(from)) });
        }
    }
    let sides = [
        ("congestion", "clients", &data.downstream),
        ("upstream_congestion", name.as_str(), &data.upstream),
    ];
    for (key, with, PortOptions { tuning, .. }) in sides {
        if let Some(congestion) = tuning.congestion {
            let what = format!("data.{key}: data connections with {with} use {congestion}");
            trials.push(Trial { what, from: Origin { tuning: *tuning, ..Origin::default() } });
        }
    }
    trials
}

impl Trial {
    /// Tries it.
    ///
    /// # Errors
    /// What the kernel says, and what to do about it.
    pub(crate) fn run(&self) -> Result<(), (io::Error, &'static str)> {
        match socket::try_origin(self.from) {
            Err(error) if !self.is_missing_ipv6(&error) => {
                let remedy = self.remedy(&error);
                Err((error, remedy))
            }
            _ => Ok(()),
        }
    }

    fn is_missing_ipv6(&self, error: &io::Error) -> bool {
        self.from.from.is_some_and(|address| is_missing_ipv6(&address, error))
    }

    fn remedy(&self, error: &io::Error) -> &'static str {
        let errno = |errno: rustix::io::Errno| error.raw_os_error() == Some(errno.raw_os_error());
        let of_congestion = self.from.tuning.congestion.is_some();
        match error.kind() {
            io::ErrorKind::NotFound if of_congestion => {
                "; this kernel has none of that name (sysctl \
                 net.ipv4.tcp_available_congestion_control lists them; modprobe loads more)"
            }
            io::ErrorKind::PermissionDenied if of_congestion => {
                "; it takes CAP_NET_ADMIN, or a place in net.ipv4.tcp_allowed_congestion_control"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; the address is not one of this machine's (ip addr shows them)"
            }
            io::ErrorKind::AddrInUse => {
                "; another program listens there (ss -ltnp shows which): stop it"
            }
            io::ErrorKind::PermissionDenied if self.from.device.is_some() => {
                "; kernels before 5.7 want CAP_NET_RAW for it"
            }
            io::ErrorKind::PermissionDenied => "; ports below 1024 take CAP_NET_BIND_SERVICE",
            _ if errno(rustix::io::Errno::NODEV) => "; there is no such link (ip link shows them)",
            _ => "",
        }
    }
}

/// Fails with the first place that cannot be left from.
pub(super) fn check(listener: &ListenerConfig, reached: &[SocketAddr]) -> Result<(), BuildError> {
    trials(listener, reached).into_iter().try_for_each(|trial| {
        trial.run().map_err(|(error, remedy)| BuildError::Origin {
            what: trial.what,
            error,
            remedy,
        })
    })
}
