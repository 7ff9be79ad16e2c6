use crate::support::{ftp::{Control, Mode}, gateway::*, lab::*, servers::*};

#[test]
fn servers_start() {
    for kind in Kind::ALL {
        let lab = Lab::new();
        lab.serve("hello.txt", b"hello");
        let t = std::time::Instant::now();
        let server = Server::start(&lab, kind);
        eprintln!("{kind:?} {:?}", t.elapsed());
        lab.net.open_route();
        for address in [server.address(), server.address6()] {
            for mode in Mode::ALL {
                if address.is_ipv6() && matches!(mode, Mode::Pasv|Mode::Port) { continue; }
                let t = std::time::Instant::now();
                let r = std::panic::catch_unwind(|| {
                let mut c = Control::login(&lab.net.client, address);
                let got = c.fetch(mode, "RETR hello.txt");
                assert_eq!(got, b"hello");
                c.store(mode, "STOR up", b"uu");
                let list = c.fetch(mode, "LIST");
                c.in_step();
                c.expect("QUIT", 221);
                String::from_utf8_lossy(&list).into_owned()
                });
                eprintln!("{kind:?} {address} {mode:?} {r:?} {:?}", t.elapsed());
            }
        }
        drop(Gateway::start);
    }
}
