use super::*;
use crate::config;

fn listening() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn config(binds: &[&str]) -> Config {
    let mut text = String::from("[[upstream]]\naddress = \"a\"\n");
    for (n, bind) in binds.iter().enumerate() {
        text += &format!("[[listener]]\nname = \"l{n}\"\nbind = \"{bind}\"\n");
    }
    config::parse(&text, "test", []).unwrap().0
}

/// How many sockets each listener got.
fn shares(names: &[&str], binds: &[&str]) -> Result<Vec<usize>, String> {
    let sockets = names.iter().map(|name| ((*name).to_owned(), Ok(listening()))).collect();
    let shares = Handed(sockets).share_out(&config(binds));
    shares.map(|shares| shares.iter().map(Vec::len).collect()).map_err(|e| e.to_string())
}

#[test]
fn a_listener_takes_what_it_names_and_another_the_rest() {
    assert_eq!(shares(&["a", "b"], &["systemd"]), Ok(vec![2]));
    assert_eq!(shares(&["a", "b", "a", "c"], &["systemd", "systemd:a"]), Ok(vec![2, 2]));
    assert_eq!(shares(&["a", "b"], &["systemd:b", "127.0.0.1:0"]), Ok(vec![1, 0]));
}

#[test]
fn what_is_missing_is_named() {
    let none = shares(&[], &["systemd"]).unwrap_err();
    assert!(none.contains("listener \"l0\" takes its sockets from the service manager"), "{none}");
    let other = shares(&["a"], &["systemd:b"]).unwrap_err();
    assert!(other.contains("takes the socket \"b\""), "{other}");
    let rest = shares(&["a"], &["systemd:a", "systemd"]).unwrap_err();
    assert!(rest.contains("listener \"l1\""), "{rest}");
}

#[test]
fn what_does_not_listen_is_refused() {
    let listener = listening();
    let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let connection = TcpListener::from(std::os::fd::OwnedFd::from(connection));
    assert!(usable(connection).is_err());
    assert!(usable(listener).is_ok());
}

#[test]
fn workers_share_one_queue() {
    let socket = listening();
    let address = socket.local_addr().unwrap();
    let set = for_workers(socket, 3).unwrap();
    assert_eq!(set.len(), 3);
    assert!(set.iter().all(|socket| socket.local_addr().unwrap() == address));
}

#[test]
fn a_socket_of_both_families_is_two_addresses() {
    let socket = |only_v6: bool| {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_only_v6(only_v6).unwrap();
        let any: SocketAddr = "[::]:0".parse().unwrap();
        socket.bind(&any.into()).unwrap();
        socket.listen(1).unwrap();
        let found = addresses(&socket.into());
        found.iter().map(|a| a.ip().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(socket(true), ["::"]);
    assert_eq!(socket(false), ["0.0.0.0", "::"]);
    assert_eq!(addresses(&listening()).len(), 1);
}
