use crate::support::ftp::{Control, Mode, Security};
use crate::support::lab::{Lab, content};
use crate::support::pki::Pki;
use crate::support::servers::Server;
use crate::support::tls_servers::TlsKind;
use crate::support::wire::{TlsClient, Version};
use crate::support::net::SERVER;

fn direct(kind: TlsKind, version: Version) {
    let lab = Lab::new();
    let pki = Pki::new(&lab);
    lab.net.open_route();
    let file = content(1, 50000);
    lab.serve("file", &file);
    let server = Server::secure(&lab, kind, &pki.server());
    let tls = TlsClient::new(&pki.ca(), version).to(SERVER.into());
    let sec = if kind.implicit() { Security::Implicit(tls) } else { Security::Explicit(tls) };
    let mut c = Control::login_secure(&lab.net.client, server.address(), &sec);
    for i in 0..3 {
        let r = c.fetch_noting(Mode::Pasv, "LIST").1;
        eprintln!("{kind:?} {version:?} LIST {i} resumed {r}");
        let (b, r) = c.fetch_noting(Mode::Port, "RETR file");
        assert!(b == file);
        eprintln!("{kind:?} {version:?} RETR {i} resumed {r}");
    }
    for i in 0..4 {
        let r = c.store(Mode::Epsv, "STOR x", &file);
        eprintln!("{kind:?} {version:?} STOR {i} resumed {r}");
    }
}
macro_rules! d { ($($n:ident = $k:expr, $v:ident;)+) => { $( #[test] fn $n() { direct($k, Version::$v); } )+ } }
d! {
  vs12 = TlsKind::Vsftpd, Tls12;
  vs13 = TlsKind::Vsftpd, Tls13;
  vsi12 = TlsKind::VsftpdImplicit, Tls12;
  pro12 = TlsKind::Proftpd(Version::Tls12), Tls12;
  pro13 = TlsKind::Proftpd(Version::Tls13), Tls13;
  proi = TlsKind::ProftpdImplicit, Tls12;
  pure2 = TlsKind::PureFtpd{data:false}, Tls12;
  pure3 = TlsKind::PureFtpd{data:true}, Tls13;
  py12 = TlsKind::Pyftpdlib, Tls12;
  py13 = TlsKind::Pyftpdlib, Tls13;
  pyi = TlsKind::PyftpdlibImplicit, Tls13;
  fz12 = TlsKind::FileZillaOrder, Tls12;
  fz13 = TlsKind::FileZillaOrder, Tls13;
}
