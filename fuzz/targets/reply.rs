//! What is written for a server's replies reads as the very same replies.
#![no_main]

use ftpgate::ftp::line::{Item, LineBuffer};
use ftpgate::ftp::reply::ReplyParser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (mut parser, mut again) = (ReplyParser::default(), ReplyParser::default());
    let mut buffer = LineBuffer::replies(64);
    let mut rest = input;
    while let Some(Item::Line(line) | Item::TooLong(line)) = buffer.next(&mut rest) {
        let Ok(reply) = parser.accept(line) else { continue };
        let mut out = Vec::new();
        reply.write_to(&mut out);
        let text = out.strip_suffix(b"\r\n").unwrap();
        assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        let read = again.accept(text).unwrap();
        assert_eq!((read.code, read.part), (reply.code, reply.part));
        assert_eq!(parser.in_progress(), again.in_progress());
        assert_eq!(parser.in_progress().is_none(), reply.ends());
    }
});
