//! Socket options of data connections: `congestion`, `upstream_congestion`, `buffer`, `notsent_lowat`.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use bytesize::ByteSize;

use super::door::Door;
use super::item::Item;
use super::problem::{Place, Problem};
use super::section::Section;
use super::settings::{Places, located};
use super::value;
use crate::data::options::DataOptions;
use crate::net::tuning::{Congestion, Congestions};

/// The keys of the two sides.
const CONGESTION: [&str; 2] = ["congestion", "upstream_congestion"];
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

/// Reads them over what is there; what is said of neither side is for both.
pub(super) fn read(s: &mut Section<'_>, data: &mut DataOptions, places: &mut Places) {
    let mut sides = [&mut data.downstream.tuning, &mut data.upstream.tuning];
    let of_sides = CONGESTION.iter().zip(&mut sides).zip(&mut places.congestion);
    for ((key, side), place) in of_sides {
        s.set(key, &mut side.congestion, located(place, congestion));
    }
    if let Some(buffer) = s.take("buffer", located(&mut places.buffer, size)) {
        sides.iter_mut().for_each(|side| side.buffer = buffer);
    }
    if let Some(bytes) = s.take("notsent_lowat", size) {
        sides.iter_mut().for_each(|side| side.notsent_lowat = bytes);
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
    let (data, places) = (&door.config.data, &door.places);
    let sides = [&data.downstream.tuning, &data.upstream.tuning];
    let sides = CONGESTION.iter().zip(sides).zip(&places.congestion);
    let refused = sides.filter_map(|((key, side), place)| {
        let problem = refusal(side.congestion?, kernel)?;
        Some(problem.within(place.as_ref()).about(format!("data.{key}")))
    });
    let capped = data
        .downstream
        .tuning
        .buffer
        .and_then(|buffer| capped(buffer, kernel.largest, places.buffer.as_ref()));
    refused.chain(capped).collect()
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
fn capped(
    buffer: NonZeroU32,
    [receive, send]: [Option<u64>; 2],
    place: Option<&Place>,
) -> Option<Problem> {
    let wanted = u64::from(buffer.get());
    let (most, key) = [(receive, "rmem_max"), (send, "wmem_max")]
        .into_iter()
        .filter_map(|(most, key)| Some((most.filter(|most| *most < wanted)?, key)))
        .min()?;
    let reason = format!("this kernel gives a socket no more than {}", ByteSize(most));
    let problem = Problem::warning(reason).within(place).about("data.buffer");
    Some(problem.remedy(format!("sysctl -w net.core.{key}={wanted}, or a smaller `buffer`")))
}
