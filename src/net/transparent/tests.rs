use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const LONG: std::time::Duration = std::time::Duration::from_secs(60);

/// Only some test machines let us; where they do, the address need not be ours, in either family.
#[test]
fn an_address_is_borrowed_where_the_process_may() {
    let able = Abilities::probe().borrow;
    for ip in [Ipv4Addr::new(192, 0, 2, 77).into(), Ipv6Addr::LOCALHOST.into()] {
        let address = SocketAddr::new(ip, 0);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        assert_eq!(borrow(SockRef::from(&socket)).is_ok(), able);
        if able {
            socket.bind(&address.into()).unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_not_redirected_has_no_original_destination() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) =
        tokio::join!(crate::net::socket::connect(address, None, LONG), listener.accept());
    let (_near, (far, _)) = (near.unwrap(), far.unwrap());
    // A kernel that follows connections says that it went where it is.
    assert!(original_destination(&far).map_or(true, |original| original == address));
}
