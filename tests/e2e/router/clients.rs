//! Real clients that know nothing of us.

use super::{Way, server};
use crate::matrix::{serve_all, use_all_at};
use crate::support::lab::Lab;
use crate::support::servers::Server;
use crate::support::tools::{self, Tool};

fn exchange(way: Way, tool: &Tool) {
    let lab = Lab::router();
    serve_all(&lab);
    let _server = Server::vsftpd(&lab, 21, "");
    let gateway = way.start(&lab, "");
    let problems = use_all_at(&lab, tool, server(tool.ipv6));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let log = gateway.stop();
    assert!(log.contains("\"message\":\"transfer\""), "it was not us who carried them:\n{log}");
}

macro_rules! clients {
    ($($client:ident = $tool:expr),+) => {
        clients! { @way redirect = Way::Redirect, $($client = $tool),+ }
        clients! { @way tproxy = Way::Tproxy, $($client = $tool),+ }
    };
    (@way $name:ident = $way:expr, $($client:ident = $tool:expr),+) => {
        mod $name {
            use super::*;

            $(
                #[test]
                fn $client() {
                    exchange($way, &$tool);
                }
            )+
        }
    };
}

clients! {
    // By default curl takes the port of a 227 and not its address.
    curl_pasv = tools::CURL.with(&["--disable-epsv"]),
    curl_pasv_checked = tools::CURL.with(&["--disable-epsv", "--no-ftp-skip-pasv-ip"]),
    curl = tools::CURL,
    curl_port = tools::CURL.with(&["-P", "-", "--disable-eprt"]),
    curl_ipv6 = tools::CURL.over_ipv6(),
    curl_ipv6_eprt = tools::CURL.with(&["-P", "-"]).over_ipv6(),
    lftp = tools::LFTP,
    lftp_active = tools::LFTP.with(&["set ftp:passive-mode off"]),
    lftp_ipv6 = tools::LFTP.over_ipv6(),
    tnftp = tools::TNFTP,
    tnftp_active = tools::TNFTP.with(&["-A"]),
    tnftp_ipv6 = tools::TNFTP.over_ipv6()
}
