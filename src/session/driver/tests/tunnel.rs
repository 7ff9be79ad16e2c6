//! Sessions whose AUTH the server took.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::house::{House, Session, connect, soon};
use crate::session::policy::{ClientTls, Policy, Timeouts};

/// For what is expected to run out.
const SHORT: Duration = Duration::from_millis(50);

fn policy(timeouts: Timeouts) -> Policy {
    let mut policy = Policy { timeouts, ..Policy::default() };
    policy.tls.client = ClientTls::Passthrough;
    policy
}

/// A session up to the 234.
async fn tunnel(house: &House) -> Session {
    let mut session = house.session().await;
    session.ask("AUTH TLS", "234 go on").await;
    session
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    soon("the end of the data", stream.read_to_end(&mut bytes)).await.unwrap();
    bytes
}

#[tokio::test]
async fn bytes_are_carried_as_they_are() {
    let house = House::new(policy(Timeouts::default())).await;
    let mut session = tunnel(&house).await;
    let all: Vec<u8> = (0..=255).collect();
    for _ in 0..2 {
        session.client.write(&all).await;
        session.server.gets(&all).await;
        session.server.write(&all).await;
        session.client.gets(&all).await;
    }
    // What looks like FTP is none.
    session.client.say("PASV").await;
    session.server.hears("PASV").await;
    session.server.say("227 (10,0,0,1,200,1)").await;
    session.client.hears("227 (10,0,0,1,200,1)").await;
    assert_eq!(house.ports(), 0);
    session.server.write(b"the last words").await;
    drop(session.server);
    session.client.gets(b"the last words").await;
    session.client.ends().await;
    soon("the end of the session", session.task).await.unwrap();
    house.assert_empty();
}

#[tokio::test]
async fn who_does_not_read_holds_up_who_writes() {
    let house = House::new(policy(Timeouts::default())).await;
    let mut session = tunnel(&house).await;
    let block = [7; 1 << 16];
    let mut written = 0;
    // As much as the kernel's buffers and ours take, and then no more.
    while tokio::time::timeout(SHORT, session.server.0.get_mut().write_all(&block)).await.is_ok() {
        written += block.len();
        assert!(written < 64 << 20, "nothing bounds what is kept");
    }
    drop((session.client, session.server));
    soon("the end of the session", session.task).await.unwrap();
}

#[tokio::test]
async fn a_client_that_has_ended_hears_the_last_words() {
    let house = House::new(policy(Timeouts::default())).await;
    let mut session = tunnel(&house).await;
    session.client.write(b"bye").await;
    session.client.0.get_mut().shutdown().await.unwrap();
    session.server.gets(b"bye").await;
    session.server.ends().await;
    session.server.write(b"farewell").await;
    session.client.gets(b"farewell").await;
    drop(session.server);
    session.client.ends().await;
    soon("the end of the session", session.task).await.unwrap();
    house.assert_empty();
}

#[tokio::test]
async fn silence_ends_it() {
    let house = House::new(policy(Timeouts { idle: SHORT, ..Timeouts::default() })).await;
    let mut session = tunnel(&house).await;
    session.client.ends().await;
    session.server.ends().await;
    session.ended().await;
}

#[tokio::test]
async fn a_stop_lets_it_come_to_rest() {
    let house = House::new(policy(Timeouts { grace: SHORT, ..Timeouts::default() })).await;
    let mut session = tunnel(&house).await;
    house.drain.cancel();
    session.client.ends().await;
    session.server.ends().await;
    session.ended().await;
}

#[tokio::test]
async fn data_go_one_to_one() {
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut house = House::new(policy(Timeouts { grace: SHORT, ..Timeouts::default() })).await;
    let port = house.mirror(data.local_addr().unwrap().port()).await;
    let mut stranger = connect(port).await;
    assert_eq!(soon("the end", stranger.read(&mut [0])).await.unwrap_or(0), 0);

    let session = tunnel(&house).await;
    let mut client = connect(port).await;
    let (mut server, _) = soon("our data connection", data.accept()).await.unwrap();
    server.write_all(b"down").await.unwrap();
    let mut four = [0; 4];
    soon("the data", client.read_exact(&mut four)).await.unwrap();
    assert_eq!(&four, b"down");
    // A stop does not end what still moves, however silent it is.
    house.drain.cancel();
    tokio::time::sleep(3 * SHORT).await;
    client.write_all(b"up").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut server).await, b"up");
    server.write_all(b"the rest").await.unwrap();
    drop(server);
    assert_eq!(read(&mut client).await, b"the rest");
    session.ended().await;
    house.assert_empty();
}

#[tokio::test]
async fn data_outlive_the_control_connection_to_their_end() {
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut house = House::new(policy(Timeouts::default())).await;
    let port = house.mirror(data.local_addr().unwrap().port()).await;
    let session = tunnel(&house).await;
    let mut client = connect(port).await;
    let (mut server, _) = soon("our data connection", data.accept()).await.unwrap();
    drop((session.client, session.server));
    client.write_all(b"up").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read(&mut server).await, b"up");
    drop(server);
    assert_eq!(read(&mut client).await, b"");
    soon("the end of the session", session.task).await.unwrap();
}

#[tokio::test]
async fn a_server_without_that_port_is_a_reset() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut house = House::new(policy(Timeouts::default())).await;
    let port = house.mirror(free.local_addr().unwrap().port()).await;
    drop(free);
    let session = tunnel(&house).await;
    let mut client = connect(port).await;
    assert!(soon("the end", client.read(&mut [0])).await.is_err());
    drop((session.client, session.server));
    soon("the end of the session", session.task).await.unwrap();
}
