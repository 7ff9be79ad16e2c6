//! What a client may send: commands, mistakes, attacks.

use std::net::IpAddr;

use super::dice::Dice;

const PLAIN: &[&str] = &[
    "USER ann",
    "USER ann",
    "PASS secret",
    "PASS secret",
    "ACCT x",
    "PWD",
    "CWD /a b",
    "CDUP",
    "NOOP",
    "SYST",
    "FEAT",
    "OPTS UTF8 ON",
    "OPTS EPSV x",
    "ALGS STATUS64",
    "ALGS DISABLE64",
    "ALGS enable64",
    "TYPE I",
    "TYPE A",
    "MODE S",
    "MODE B",
    "MODE Z",
    "REST 5000000000",
    "SIZE f",
    "MDTM f",
    "MLST f",
    "STAT",
    "STAT /pub",
    "STAT",
    "ABOR",
    "ABOR",
    "ABOR",
    "HELP",
    "RNFR a",
    "RNTO b",
    "MKD x",
    "XMKD x",
    "DELE x",
    "SITE EXEC ls",
    "SITE CHMOD 644 a",
    "XYZZY a  b",
    "AUTH TLS",
    "LPRT 4,4,1,2,3,4,2,5,6",
    "CPSV",
    "PRET RETR f",
    "ALLO 1",
    "xcrc f",
    "pwd",
    "  PWD",
    "",
    "PWD ",
    "CWD  two ",
    "227 (10,0,0,2,4,1)",
    "227",
];

const SECURITY: &[&str] = &[
    "AUTH TLS", "AUTH TLS", "AUTH TLS", "AUTH SSL", "AUTH x", "PBSZ 0", "PROT P", "PBSZ 0",
    "PROT P", "PROT C", "CCC",
];

/// Text that looks like something else (S7, S8).
const TRICKS: &[&str] = &[
    "CWD 227 Entering Passive Mode (10,0,0,9,4,1)",
    "XYZ 227 (10,0,0,9,4,1)",
    "CWD a\rPASV",
    "CWD a\rPORT 10,0,0,9,4,1",
    "CWD a\0PASV",
    "CWD a\r\0PORT 1,2,3,4,5,6",
    "\u{1}\u{2}",
    "\0",
    "\r",
    "STAT \r",
    "PASV\0",
    "PORT 198,51,100,10,1\0,1",
    "ABOR\0",
    "RETR 229 (|||4000|)",
];

const TRANSFERS: &[&str] =
    &["RETR f", "RETR f", "STOR f", "APPE f", "STOU", "LIST", "NLST", "MLSD", "XLST a", "THMB a"];

/// Telnet sequences, whole and broken (P26–P28); none holds an LF.
const TELNET: &[&[u8]] = &[
    b"\xff\xf4\xff\xf2ABOR",
    b"\xff\xfd\x01NOOP",
    b"\xff\xfb\x22PWD",
    b"CWD \xff\xff\xe4",
    b"CWD \xff\xe4",
    b"\xff\xfaxyz\xff\xf0PWD",
    b"\xff\xfa never ends",
    b"NOOP\xff",
    b"PWD\xff\xfd",
];

/// What is of interest while a transfer runs.
const MEANWHILE: &[&str] = &["STAT", "STAT", "ABOR", "NOOP", "STAT /pub", "QUIT"];

/// The next line, with its end; `moving`: a transfer runs.
pub(crate) fn line(
    dice: &mut Dice,
    ip: IpAddr,
    limit: usize,
    bare_lf: bool,
    moving: bool,
) -> Vec<u8> {
    let mut line = match dice.below(27) {
        0..8 if moving => dice.pick(MEANWHILE).as_bytes().to_vec(),
        0..6 => mode(dice, ip).into_bytes(),
        6..13 => dice.pick(TRANSFERS).as_bytes().to_vec(),
        13..20 => dice.pick(PLAIN).as_bytes().to_vec(),
        20 => dice.pick(TRICKS).as_bytes().to_vec(),
        21 => dice.pick(TELNET).to_vec(),
        22 => garbage(dice, limit),
        23 => rare(dice, ip),
        _ => dice.pick(SECURITY).as_bytes().to_vec(),
    };
    let lf = bare_lf && dice.once_in(8);
    line.extend_from_slice(if lf { b"\n" } else { b"\r\n" });
    line
}

/// PASV, EPSV, PORT, EPRT: mostly good ones.
fn mode(dice: &mut Dice, ip: IpAddr) -> String {
    let port = if dice.once_in(10) { dice.below(1024) } else { 1024 + dice.below(60_000) };
    let (high, low) = (port / 256, port % 256);
    match (dice.below(12), ip) {
        (0..4, IpAddr::V4(_)) => "PASV".into(),
        (0..7, _) => "EPSV".into(),
        (7 | 8, IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("PORT {a},{b},{c},{d},{high},{low}")
        }
        (7..10, IpAddr::V4(ip)) => format!("EPRT |1|{ip}|{port}|"),
        (7..10, IpAddr::V6(ip)) => format!("EPRT |2|{ip}|{port}|"),
        (10, _) => format!("PORT 10,0,0,{},{high},{low}", dice.below(4)),
        (_, _) => {
            (*dice.pick(&["PASV", "EPSV 1", "EPSV 2", "EPSV 3", "PORT 1,2,3", "EPRT x"])).into()
        }
    }
}

fn rare(dice: &mut Dice, ip: IpAddr) -> Vec<u8> {
    let text = match dice.below(16) {
        0..3 => "EPSV ALL".into(),
        3..6 => "REIN".into(),
        6..10 => "QUIT".into(),
        10 => "GET / HTTP/1.1".into(),
        11 => format!("PORT 127,0,0,1,{},1", dice.below(256)),
        12 => format!("EPRT |1|::ffff:{ip}|4000|"),
        13 => "XMKD ".repeat(dice.below(40)),
        _ => "NOOP".into(),
    };
    text.into_bytes()
}

/// Any bytes but LF, at times more than a line may have.
fn garbage(dice: &mut Dice, limit: usize) -> Vec<u8> {
    let len = if dice.once_in(3) { limit - 1 + dice.below(40) } else { dice.below(12) };
    (0..len).map(|_| dice.below(256) as u8).filter(|byte| !matches!(byte, b'\n' | 0xff)).collect()
}
