//! `expose`: the ports that clients are told, when a NAT in front gives them other numbers (P69).

use std::collections::{BTreeMap, BTreeSet};

use super::item::Item;
use super::problem::Problem;
use super::value;
use crate::data::options::{Expose, Peers, PortRange};

/// As written: it is judged when the range it belongs to is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Same,
    Range(PortRange),
    Map(BTreeMap<u16, u16>),
}

/// `40000-40010`, or a table from listened port to told port.
pub(super) fn parse(item: &Item) -> Result<Form, Problem> {
    let Ok(table) = item.table() else { return value::port_range(item).map(Form::Range) };
    let mut map = BTreeMap::new();
    for (key, entry) in &table.entries {
        let listened = key.parse::<u16>().map_err(|_| {
            Problem::error(format!("`{key}` is not a port"))
                .at(&entry.key)
                .remedy("write { 50000 = 40000 }: the port listened on, and the one told")
        })?;
        map.insert(listened, value::port(&entry.item)?);
    }
    Ok(Form::Map(map))
}

impl Form {
    /// Its run form for a range, whose peers come with a PROXY header that names the told port, or
    /// without.
    pub(super) fn resolve(&self, range: PortRange, peers: &Peers) -> Result<Expose, Problem> {
        let one = |range: &PortRange| range.first == range.last;
        let named = matches!(peers, Peers::Announced(_)) && one(&range);
        match self {
            Self::Same => Ok(Expose::Same),
            Self::Range(told) if named && !one(told) => Ok(Expose::Any(*told)),
            Self::Range(told) => shift(range, *told),
            Self::Map(map) => checked(range, map).map(Expose::Map),
        }
    }
}

fn shift(range: PortRange, told: PortRange) -> Result<Expose, Problem> {
    let length = |r: PortRange| u32::from(r.last - r.first) + 1;
    if length(range) != length(told) {
        let problem = Problem::error(format!(
            "{told} has {} ports and `ports` {range} has {}: each needs its counterpart",
            length(told),
            length(range)
        ));
        return Err(match length(range) {
            1 => problem.remedy(
                "only with proxy_protocol = \"data\" or \"both\" can one port stand for several: the \
                 header tells which",
            ),
            _ => problem,
        });
    }
    match i32::from(told.first) - i32::from(range.first) {
        0 => Ok(Expose::Same),
        shift => Ok(Expose::Shift(shift)),
    }
}

fn checked(range: PortRange, map: &BTreeMap<u16, u16>) -> Result<BTreeMap<u16, u16>, Problem> {
    if map.is_empty() {
        return Err(Problem::error("the table is empty: no port could be told"));
    }
    if let Some(outside) = map.keys().find(|&&port| port < range.first || port > range.last) {
        return Err(Problem::error(format!("port {outside} is not one of `ports` {range}")));
    }
    let mut told = BTreeSet::new();
    match map.values().find(|&&port| !told.insert(port)) {
        Some(twice) => Err(Problem::error(format!("port {twice} is told for two ports"))),
        None => Ok(map.clone()),
    }
}
