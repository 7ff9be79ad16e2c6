//! However the input is cut, the same items come out, and none of them breaks its bounds.
#![no_main]

use ftpgate::ftp::line::{Item, LineBuffer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&[shape, cut], input)) = input.split_first_chunk() else { return };
    let limit = usize::from(shape >> 2);
    let bare_lf = shape & 1 == 0;
    let commands = shape & 2 == 0;
    let items = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut buffer = if commands {
            LineBuffer::commands(limit, bare_lf)
        } else {
            LineBuffer::replies(limit)
        };
        let mut found = Vec::new();
        for mut piece in pieces {
            while let Some(item) = buffer.next(&mut piece) {
                found.push(match item {
                    Item::Line(line) => (0, line.to_vec()),
                    Item::TooLong(head) => (1, head.to_vec()),
                    Item::Telnet(answer) => (2, answer.to_vec()),
                });
            }
            assert!(piece.is_empty());
        }
        found
    };
    let whole = items(&mut std::iter::once(input));
    assert_eq!(items(&mut input.chunks(usize::from(cut) + 1)), whole);
    for (kind, bytes) in whole {
        match kind {
            2 => assert!(commands && bytes[0] == 255 && matches!(bytes[1], 252 | 254)),
            _ => {
                assert!(bytes.len() <= limit && !(bytes.contains(&b'\n') && (bare_lf || !commands)))
            }
        }
    }
});
