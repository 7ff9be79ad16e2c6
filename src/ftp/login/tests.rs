use super::*;

fn login(arg: &str) -> Option<(String, String, bool)> {
    let login = Login::parse(arg.as_bytes())?;
    let user = String::from_utf8_lossy(login.user).into_owned();
    Some((user, login.server.to_string(), login.account))
}

#[test]
fn a_login_names_user_and_server() {
    for (arg, user, server, account) in [
        ("ann@ftp.example.org", "ann", "ftp.example.org:21", false),
        ("ann@FTP.Example.Org:2121", "ann", "ftp.example.org:2121", false),
        ("ann@example.com@ftp.example.org", "ann@example.com", "ftp.example.org:21", false),
        ("ann@192.0.2.7:21", "ann", "192.0.2.7:21", false),
        ("ann@[2001:db8::7]:2121", "ann", "[2001:db8::7]:2121", false),
        ("ann@[2001:db8::7]", "ann", "[2001:db8::7]:21", false),
        ("ann@ftp.example.org 2121", "ann", "ftp.example.org:2121", false),
        ("ann@ftp.example.org gate", "ann", "ftp.example.org:21", true),
    ] {
        let expected = Some((user.to_owned(), server.to_owned(), account));
        assert_eq!(login(arg), expected, "{arg}");
    }
}

#[test]
fn what_names_no_server_is_no_such_login() {
    for arg in [
        "ann",
        "",
        "@ftp.example.org",
        "ann@",
        "ann@host:",
        "ann@host:0",
        "ann@host:65536",
        "ann@host:+21",
        "ann@-host",
        "ann@a..b",
        "ann@ho/st",
        "ann@[2001:db8::7",
        "ann@2001:db8::7:21",
        "ann@h\u{f6}st",
    ] {
        assert_eq!(login(arg), None, "{arg}");
    }
}

#[test]
fn addresses_have_one_form() {
    for host in
        ["127.1", "0x7f000001", "010.0.0.1", "2130706433", "1.2.3.4.", "::ffff:1.2.3", "1.2.3.0x4"]
    {
        assert_eq!(Destination::parse(host.as_bytes()), None, "{host}");
    }
}

#[test]
fn site_and_open_take_the_port_as_a_word_too() {
    let server = |text: &str| Destination::parse(text.as_bytes()).map(|d| d.to_string());
    assert_eq!(server("ftp.example.org"), Some("ftp.example.org:21".into()));
    assert_eq!(server("ftp.example.org 2121"), Some("ftp.example.org:2121".into()));
    assert_eq!(server("[2001:db8::7] 2121"), Some("[2001:db8::7]:2121".into()));
    assert_eq!(server("CHMOD 644 f"), None);
}

#[test]
fn what_is_printed_reads_back() {
    proptest::proptest!(|(bytes in proptest::collection::vec(0u8.., 0..40))| {
        if let Some(read) = Destination::parse(&bytes) {
            assert_eq!(Destination::parse(read.to_string().as_bytes()), Some(read));
        }
    });
}
