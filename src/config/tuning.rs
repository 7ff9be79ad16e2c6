//! Socket options of data connections, of each side: `congestion`, `buffer`, `notsent_lowat`.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use bytesize::ByteSize;

use super::door::Door;
use super::item::Item;
use super::problem::{Place, Problem};
use super::section::Section;
use super::settings::located;
use super::value;
use crate::data::options::DataOptions;
use crate::net::tuning::{Congestion, Congestions};

/// The keys of a side.
struct Keys {
    congestion: &'static str,
    buffer: &'static str,
    notsent_lowat: &'static str,
}

/// Towards clients, towards servers.
const SIDES: [Keys; 2] = [
    Keys { congestion: "congestion", buffer: "buffer", notsent_lowat: "notsent_lowat" },
    Keys {
        congestion: "upstream_congestion",
        buffer: "upstream_buffer",
        notsent_lowat: "upstream_notsent_lowat",
    },
];

/// Least and most that a buffer may be, bytes.
const SIZES: RangeInclusive<u32> = 4096..=1 << 30;

/// What the kernel makes of these keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Kernel {
    pub(super) congestions: Congestions,
    /// This process may use every one of them.
    pub(super) privileged: bool,
    /// The largest `SO_RCVBUF` and `SO_SNDBUF` that it grants; `None` is not known.
    pub(super) largest: [Option<u64>; 2],
}

/// Where those of a side stand that the kernel may not like.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    congestion: Option<Place>,
    buffer: Option<Place>,
}

/// Reads them over what is there.
pub(super) fn read(s: &mut Section<'_>, data: &mut DataOptions, places: &mut [Places; 2]) {
    let sides = [&mut data.downstream.tuning, &mut data.upstream.tuning];
    for ((keys, side), places) in SIDES.iter().zip(sides).zip(places) {
        let (at_congestion, at_buffer) = (&mut places.congestion, &mut places.buffer);
        s.set(keys.congestion, &mut side.congestion, located(at_congestion, congestion));
        s.set(keys.buffer, &mut side.buffer, located(at_buffer, size));
        s.set(keys.notsent_lowat, &mut side.notsent_lowat, size);
    }
}

/// `auto` is what the system has.
fn congestion(item: &Item) -> Result<Option<Congestion>, Problem> {
    let text = item.text()?;
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    Congestion::new(&text).map(Some).ok_or_else(|| {
        item.problem("not the name of a congestion control").remedy(
            "write \"auto\", or one that `sysctl net.ipv4.tcp_available_congestion_control` lists",
        )
    })
}

/// 0 leaves it to the kernel.
fn size(item: &Item) -> Result<Option<NonZeroU32>, Problem> {
    let bytes = value::amount(item)?;
    if bytes == 0 {
        return Ok(None);
    }
    let size = u32::try_from(bytes).ok().filter(|bytes| SIZES.contains(bytes));
    let size = size.and_then(NonZeroU32::new);
    size.map(Some).ok_or_else(|| {
        let (low, high) = [SIZES.start(), SIZES.end()].map(|&bytes| ByteSize(bytes.into())).into();
        item.problem(format!("must be from {low} to {high}, or 0"))
    })
}

/// What of it this kernel does not do, or not for this process.
pub(super) fn problems(door: &Door, kernel: &Kernel) -> Vec<Problem> {
    let data = &door.config.data;
    let sides = [data.downstream.tuning, data.upstream.tuning];
    let mut problems = Vec::new();
    for ((keys, side), places) in SIDES.iter().zip(sides).zip(&door.places.tuning) {
        let refused = side.congestion.and_then(|wanted| refusal(wanted, kernel));
        let capped = side.buffer.and_then(|buffer| capped(buffer, kernel.largest));
        for (key, problem, place) in
            [(keys.congestion, refused, &places.congestion), (keys.buffer, capped, &places.buffer)]
        {
            let placed = |problem: Problem| problem.within(place.as_ref());
            problems.extend(problem.map(placed).map(|p| p.about(format!("data.{key}"))));
        }
    }
    problems
}

fn refusal(wanted: Congestion, kernel: &Kernel) -> Option<Problem> {
    if let Some(there) = kernel.congestions.without(wanted) {
        let list = there.join(", ");
        let reason = format!("this kernel has no congestion control \"{wanted}\": it has {list}");
        let remedy = format!("name one of these, or load it: modprobe tcp_{wanted}");
        return Some(Problem::error(reason).remedy(remedy));
    }
    let allowed = kernel.congestions.guarding(wanted).filter(|_| !kernel.privileged)?;
    let reason = format!(
        "this process may not use the congestion control \"{wanted}\": without CAP_NET_ADMIN there \
         is {}",
        allowed.join(", ")
    );
    let all = allowed.join(" ");
    let remedy = format!(
        "allow it for all: sysctl -w net.ipv4.tcp_allowed_congestion_control=\"{all} {wanted}\""
    );
    Some(Problem::error(reason).remedy(remedy))
}

/// The kernel takes a larger size without a word, and gives less.
fn capped(buffer: NonZeroU32, largest: [Option<u64>; 2]) -> Option<Problem> {
    let wanted = u64::from(buffer.get());
    let bounds = largest.into_iter().zip(["rmem_max", "wmem_max"]);
    let less = bounds.filter_map(|(most, key)| Some((most.filter(|most| *most < wanted)?, key)));
    let (most, key) = less.min()?;
    let reason = format!("this kernel gives a socket no more than {}", ByteSize(most));
    let remedy = format!("sysctl -w net.core.{key}={wanted}, or a smaller size");
    Some(Problem::warning(reason).remedy(remedy))
}
