//! What an honest client and an honest server need.

use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::house::{End, House, connect, soon};
use crate::session::driver::alarm::SOON;
use crate::session::policy::{AborStyle, Policy, Timeouts};

#[tokio::test]
async fn a_whole_session_byte_by_byte() {
    let house = House::new(Policy::default()).await;
    let mut session = house.session().await;
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    for (command, reply) in [
        ("USER ann", "331 password"),
        ("PASS secret", "230-hello\r\n230 in"),
        ("CWD a b", "250 ok"),
    ] {
        for byte in format!("{command}\r\n").bytes() {
            session.client.write(&[byte]).await;
            tokio::task::yield_now().await;
        }
        session.server.hears(command).await;
        for byte in format!("{reply}\r\n").bytes() {
            session.server.write(&[byte]).await;
            tokio::task::yield_now().await;
        }
        for line in reply.split("\r\n") {
            session.client.hears(line).await;
        }
    }
    let to = session.passive(&data).await;
    session.client.say("STOR f").await;
    session.server.hears("STOR f").await;
    let (mut upload, (mut stored, _)) = tokio::join!(connect(to), async {
        soon("our data connection", data.accept()).await.unwrap()
    });
    session.server.say("150 go on").await;
    session.client.hears("150 go on").await;
    for byte in b"one by one" {
        upload.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    drop(upload);
    let mut file = Vec::new();
    soon("the file", stored.read_to_end(&mut file)).await.unwrap();
    assert_eq!(file, b"one by one");
    drop(stored);
    session.server.say("226 stored").await;
    session.client.hears("226 stored").await;
    session.ask("QUIT", "221 bye").await;
    session.client.ends().await;
    session.server.ends().await;
    session.ended().await;
    house.assert_empty();
}

/// The server was done before we looked: its 1yz does not wait for data that the client fetches only
/// when it has heard of it.
#[tokio::test]
async fn a_1yz_with_the_final_reply_behind_it_is_passed() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let to = session.passive(&data).await;
    session.client.say("RETR f").await;
    session.server.hears("RETR f").await;
    let (mut server, _) = soon("our data connection", data.accept()).await.unwrap();
    server.write_all(b"short").await.unwrap();
    drop(server);
    session.server.write(b"150 here it comes\r\n226 that was it\r\n").await;
    // Earlier than the session's own clock goes off.
    let line = tokio::time::timeout(SOON / 2, session.client.line()).await;
    assert_eq!(line.unwrap(), "150 here it comes");
    let mut file = Vec::new();
    soon("the file", connect(to).await.read_to_end(&mut file)).await.unwrap();
    assert_eq!(file, b"short");
    session.client.hears("226 that was it").await;
    session.ask("PWD", "257 \"/\"").await;
}

/// All of a short file is here at once, its 150 first: the data go before, so that 150 and 226 leave
/// together.
#[tokio::test]
async fn replies_of_a_transfer_that_is_over_follow_its_data() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut download = connect(session.passive(&data).await).await;
    session.client.say("RETR f").await;
    session.server.hears("RETR f").await;
    let (mut server, _) = soon("our data connection", data.accept()).await.unwrap();
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    // Nobody else has a turn in between.
    session.server.write(b"150 here it comes\r\n").await;
    server.write_all(b"short").await.unwrap();
    drop(server);
    session.server.write(b"226 that was it\r\n").await;
    // The runtime tells readiness in the order in which it came about.
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (tell_data, tell_words) = (tell.clone(), tell);
    let file = tokio::spawn(async move {
        download.readable().await.unwrap();
        tell_data.send("data").unwrap();
        let mut file = Vec::new();
        download.read_to_end(&mut file).await.map(|_| file)
    });
    let mut client = session.client;
    let words = tokio::spawn(async move {
        client.0.get_ref().readable().await.unwrap();
        tell_words.send("words").unwrap();
        client.hears("150 here it comes").await;
        client.hears("226 that was it").await;
    });
    assert_eq!(soon("the file", file).await.unwrap().unwrap(), b"short");
    soon("the replies", words).await.unwrap();
    assert_eq!((told.recv().await, told.recv().await), (Some("data"), Some("words")));
}

/// P29: IAC IP, then Synch with urgent data in whatever way clients send it, then ABOR.
#[tokio::test]
async fn an_urgent_abor_is_recognised() {
    let parts: [(&[u8], &[u8], &[u8]); 3] = [
        (b"\xff\xf4", b"\xff\xf2", b"ABOR\r\n"),
        (b"", b"\xff\xf4\xff", b"\xf2ABOR\r\n"),
        (b"", b"ABOR\r\n", b""),
    ];
    for (before, urgent, after) in parts {
        let house = House::new(Policy::default()).await;
        let mut session = house.login().await;
        let (_client, mut server) = session.retr().await;
        server.write_all(&[7; 1000]).await.unwrap();
        session.client.write(before).await;
        let socket = socket2::SockRef::from(session.client.0.get_ref());
        assert_eq!(socket.send_out_of_band(urgent).unwrap(), urgent.len());
        session.client.write(after).await;
        session.server.hears("ABOR").await;
        drop(server);
        session.server.say("426 aborted").await;
        session.server.say("226 done").await;
        session.client.hears("426 aborted").await;
        session.client.hears("226 done").await;
        session.ask("PWD", "257 \"/\"").await;
    }
}

/// P29: the mark directly behind a line that came before it.
#[tokio::test]
async fn an_urgent_abor_behind_a_whole_line_is_recognised() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    let _data = session.retr().await;
    session.client.write(b"NOOP\r\n").await;
    let socket = socket2::SockRef::from(session.client.0.get_ref());
    assert_eq!(socket.send_out_of_band(b"\xff").unwrap(), 1);
    session.client.write(b"\xf4\xff\xf2ABOR\r\n").await;
    session.server.hears("ABOR").await;
}

/// P30: towards the server the Synch is urgent too.
#[tokio::test]
async fn abor_goes_on_urgently_where_the_server_needs_it() {
    let abor = AborStyle::Urgent;
    let house = House::new(Policy { abor, ..Policy::default() }).await;
    let mut session = house.login().await;
    let _data = session.retr().await;
    session.client.say("ABOR").await;
    // The urgent byte does not come in line here: IAC IP IAC, the mark, ABOR. Read one by one, for
    // a longer read ends at the mark.
    let mut said = Vec::new();
    let mut mark = None;
    while !said.ends_with(b"\r\n") {
        let stream = session.server.0.get_mut();
        said.push(soon("a byte", stream.read_u8()).await.unwrap());
        let mut byte = [MaybeUninit::new(0); 1];
        if socket2::SockRef::from(&*stream).recv_out_of_band(&mut byte).is_ok() {
            mark = Some(said.len());
        }
    }
    assert_eq!(said, b"\xff\xf4\xffABOR\r\n");
    assert!(mark.is_some_and(|at| at <= 3), "{mark:?}");
}

#[tokio::test]
async fn a_drain_ends_what_rests_and_lets_transfers_end() {
    let house = House::new(Policy::default()).await;
    let mut idle = house.login().await;
    let mut busy = house.login().await;
    let (mut client, mut server) = busy.retr().await;
    house.drain.cancel();
    assert!(idle.client.line().await.starts_with("421 "));
    idle.client.ends().await;
    idle.server.ends().await;
    idle.ended().await;
    server.write_all(b"whole").await.unwrap();
    drop(server);
    busy.server.say("226 done").await;
    let mut file = Vec::new();
    soon("the file", client.read_to_end(&mut file)).await.unwrap();
    assert_eq!(file, b"whole");
    busy.client.hears("226 done").await;
    assert!(busy.client.line().await.starts_with("421 "));
    busy.ended().await;
    house.assert_empty();
}

/// S19: the deadline is not moved by a client that says something now and then.
#[tokio::test(start_paused = true)]
async fn the_login_deadline_is_kept() {
    let timeouts = Timeouts { login: Duration::from_secs(60), ..Timeouts::default() };
    let house = House::new(Policy { timeouts, ..Policy::default() }).await;
    let begun = tokio::time::Instant::now();
    let mut session = house.session().await;
    for _ in 0..5 {
        session.ask("NOOP", "200 ok").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert!(session.client.line().await.starts_with("421 "));
    session.client.ends().await;
    let took = begun.elapsed().as_secs();
    assert!((60..=61).contains(&took), "{took} s");
    session.ended().await;
    house.assert_empty();
}

/// P55: a long transfer with a silent control connection, then the idle time.
#[tokio::test(start_paused = true)]
async fn idle_time_begins_after_the_transfer() {
    let house = House::new(Policy::default()).await;
    let mut session = house.login().await;
    let (mut client, mut server) = session.retr().await;
    let mut seen = [0; 3];
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(100)).await;
        server.write_all(b"abc").await.unwrap();
        soon("data", client.read_exact(&mut seen)).await.unwrap();
    }
    drop(server);
    session.server.say("226 done").await;
    session.client.hears("226 done").await;
    let begun = tokio::time::Instant::now();
    // Longer than we wait for anything else.
    let mut rest = Vec::new();
    session.client.0.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"421 Idle"), "{:?}", String::from_utf8_lossy(&rest));
    assert!((299..=301).contains(&begun.elapsed().as_secs()));
}

/// P111: no word about where the server would have been.
#[tokio::test]
async fn a_server_that_is_down() {
    let mut house = House::new(Policy::default()).await;
    house.close_server();
    let (mut client, task) = house.knock().await;
    let line = client.line().await;
    assert!(line.starts_with("421 ") && !line.contains("127."), "{line}");
    client.ends().await;
    soon("the end of the session", task).await.unwrap();
    house.assert_empty();
}

/// S20: with a greeting of our own nobody is dialled before there is something to ask.
#[tokio::test]
async fn a_server_is_dialled_when_it_is_needed() {
    let house = House::new(Policy { greeting: Some("Hello".into()), ..Policy::default() }).await;
    let (mut client, _task) = house.knock().await;
    client.hears("220 Hello").await;
    client.say("NOOP").await;
    client.hears("200 NOOP ok.").await;
    assert!(!house.was_dialled().await);
    client.say("USER ann").await;
    let mut server: End = house.dialled().await;
    server.say("220 never shown").await;
    server.hears("USER ann").await;
}
