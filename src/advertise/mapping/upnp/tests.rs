use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// What a router answers to an action and its arguments: a body, or an error's code.
type Answer = fn(&str, &str) -> Result<&'static str, u16>;

const US: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OURS: &str = "<NewInternalClient>127.0.0.1</NewInternalClient>";

/// A router with quirks, and what it was asked.
async fn router(answer: Answer) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((US, 0)).await.unwrap();
    let at: SocketAddr = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"</s:Envelope>\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let request = String::from_utf8(request).unwrap();
            let (_, rest) = request.split_once('#').unwrap();
            let action = rest.split('"').next().unwrap();
            let value = |name| soap::element(&request, name).unwrap_or_default();
            let (port, lease) = (value("NewExternalPort"), value("NewLeaseDuration"));
            log.lock().unwrap().push(format!("{action} {port} {lease}").trim().to_owned());
            let (status, body) = match answer(action, &format!("{port} {lease}")) {
                Ok(body) => ("200 OK", body.to_owned()),
                Err(code) => ("500 Error", format!("<errorCode>{code}</errorCode>")),
            };
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let link = Link { gateway: US, local: US };
    let control = Location { at, path: "/ctl".into() };
    (Client { link, control, kind: "urn:x", permanent: false }, asked)
}

#[tokio::test]
async fn a_lease_is_asked_for_first_and_permanence_only_where_it_is_insisted_on() {
    let (mut client, asked) = router(|action, arguments| match action {
        "AddPortMapping" if arguments.ends_with(" 3600") => Err(ONLY_PERMANENT),
        _ => Ok(""),
    })
    .await;
    assert_eq!(client.map(21, 21).await.unwrap(), Granted { outside: 21, lease: None });
    client.map(60000, 60000).await.unwrap();
    client.unmap(21).await.unwrap();
    let expected = [
        "AddPortMapping 21 3600",
        "AddPortMapping 21 0",
        "AddPortMapping 60000 0",
        "DeletePortMapping 21",
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
    let (mut client, _) = router(|_, _| Ok("")).await;
    assert_eq!(client.map(21, 21).await.unwrap().lease, Some(LEASE));
}

#[tokio::test]
async fn what_another_machine_has_is_had_under_another_number() {
    let (mut client, _) = router(|action, arguments| match action {
        "GetSpecificPortMappingEntry" => Ok("<NewInternalClient>192.0.2.9</NewInternalClient>"),
        "AddPortMapping" if arguments.starts_with("60000 ") => Err(CONFLICT),
        _ => Ok(""),
    })
    .await;
    assert_ne!(client.map(60000, 60000).await.unwrap().outside, 60000);
    let (mut client, asked) = router(|action, _| match action {
        "GetSpecificPortMappingEntry" => Err(NO_SUCH_ENTRY),
        _ => Err(CONFLICT),
    })
    .await;
    let refused = client.map(60000, 60000).await.unwrap_err();
    assert_eq!(refused, Refused::port("another machine has that port"));
    assert!(asked.lock().unwrap().len() <= 2 * TRIES + 1, "bounded");
}

/// A renewal must not give the port another number each time.
#[tokio::test]
async fn what_is_ours_is_removed_and_taken_again() {
    let (mut client, asked) = router(|action, _| {
        static REMOVED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        use std::sync::atomic::Ordering::Relaxed;
        match action {
            "GetSpecificPortMappingEntry" => Ok(OURS),
            "DeletePortMapping" => {
                REMOVED.store(true, Relaxed);
                Ok("")
            }
            _ if REMOVED.load(Relaxed) => Ok(""),
            _ => Err(CONFLICT),
        }
    })
    .await;
    assert_eq!(client.map(60000, 60000).await.unwrap().outside, 60000);
    assert_eq!(asked.lock().unwrap()[2], "DeletePortMapping 60000");
}

#[tokio::test]
async fn a_router_that_was_switched_off_has_forgotten() {
    let (mut client, _) = router(|action, _| match action {
        "GetSpecificPortMappingEntry" => Err(NO_SUCH_ENTRY),
        _ => Ok("<NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>"),
    })
    .await;
    let address = "203.0.113.7".parse().ok();
    assert_eq!(client.pulse(21, 21).await.unwrap(), Pulse { address, forgot: true });
    let (mut client, _) = router(|action, _| match action {
        "GetSpecificPortMappingEntry" => Ok(OURS),
        _ => Err(501),
    })
    .await;
    assert_eq!(client.pulse(21, 21).await.unwrap(), Pulse { address: None, forgot: false });
}

#[tokio::test]
async fn a_refusal_is_told_in_its_own_words() {
    let (mut client, _) = router(|_, _| Err(606)).await;
    let refused = client.map(21, 21).await.unwrap_err();
    assert_eq!((refused.silent, refused.why.trim()), (false, "error 606"));
}
