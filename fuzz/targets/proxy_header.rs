//! A PROXY header is the same however it is cut, and what was read is written so that it is read as
//! the same.
#![no_main]

use ftpgate::proxy_header::{Facts, LONGEST, Origin, Version, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse(bytes);
    let Ok(Some((origin, length))) = whole else { return };
    assert!((1..=LONGEST.min(bytes.len())).contains(&length));
    // Neither less nor more makes another one of it.
    for end in 0..length {
        assert_eq!(parse(&bytes[..end]), Ok(None));
    }
    assert_eq!(parse(&bytes[..length]), whole);
    let Origin::Relayed { source, destination } = origin else { return };
    let facts = Facts { unique_id: length.to_string(), ..Facts::default() };
    for version in [Version::V1, Version::V2] {
        let written = version.header(source, destination, &facts);
        assert_eq!(parse(&written), Ok(Some((origin, written.len()))));
    }
});
