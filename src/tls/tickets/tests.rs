use rustls::NamedGroup;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, TicketRequest,
    Tls12ClientSessionValue, Tls12Resumption, Tls13ClientSessionValue,
};
use rustls_pki_types::ServerName;

use super::*;
use crate::tls::testing::{Authority, Peer};
use crate::tls::{ServerSession, TlsInfo, TlsServer, TlsVersion};

const BOTH: [TlsVersion; 2] = [TlsVersion::V12, TlsVersion::V13];
const UPLOAD: bool = true;
const DOWNLOAD: bool = false;
/// Given on a control connection.
const TICKETS: u8 = 8;

/// A control connection that is up, and the FTP session it belongs to.
async fn log_in(server: &TlsServer, client: &Peer) -> (ServerSession, TlsInfo) {
    let session = server.session();
    let (info, seen) = client.visit(session.control()).await.unwrap();
    assert!(!info.resumed, "control resumed");
    assert!(!seen.resumed);
    (session, info)
}

/// Whether a data connection resumes, as the server sees it; the client sees the same.
async fn resumes(session: &ServerSession, control: &TlsInfo, client: &Peer, upload: bool) -> bool {
    let (info, seen) = client.visit(session.data(control, upload)).await.unwrap();
    assert_eq!(info.resumed, seen.resumed);
    assert_eq!(info.version, control.version);
    info.resumed
}

#[tokio::test]
async fn tls12_resumes_any_number_of_data_connections() {
    let authority = Authority::new();
    let server = authority.server();
    let ids = Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
    for client in [authority.client(TlsVersion::V12), authority.client_with(TlsVersion::V12, ids)] {
        let (session, control) = log_in(&server, &client).await;
        for upload in [UPLOAD, DOWNLOAD].repeat(10) {
            assert!(resumes(&session, &control, &client, upload).await);
        }
    }
}

#[tokio::test]
async fn tls13_downloads_renew_the_ticket_they_used() {
    let authority = Authority::new();
    let client = authority.client(TlsVersion::V13);
    let (session, control) = log_in(&authority.server(), &client).await;
    // More than the control connection's tickets.
    for _ in 0..TICKETS + 10 {
        assert!(resumes(&session, &control, &client, DOWNLOAD).await);
    }
}

#[tokio::test]
async fn a_client_that_keeps_one_ticket_downloads_for_ever() {
    let authority = Authority::new();
    let store = Resumption::store(Arc::new(OneTicket::default()));
    let client = authority.client_with(TlsVersion::V13, store);
    let (session, control) = log_in(&authority.server(), &client).await;
    for _ in 0..10 {
        assert!(resumes(&session, &control, &client, DOWNLOAD).await);
    }
}

#[tokio::test]
async fn tls13_uploads_use_up_the_tickets_of_control_and_bring_none() {
    let authority = Authority::new();
    let mut client = authority.client(TlsVersion::V13);
    // Even when the client asks for tickets (RFC 9149).
    client.config.send_ticket_request = Some(asking(TICKETS, 5));
    let (session, control) = log_in(&authority.server(), &client).await;
    for _ in 0..TICKETS {
        let (info, seen) = client.visit(session.data(&control, UPLOAD)).await.unwrap();
        assert!(info.resumed);
        assert_eq!(seen.tickets, 0);
    }
    assert!(!resumes(&session, &control, &client, UPLOAD).await);
}

#[tokio::test]
async fn control_gives_eight_tickets_and_a_bounded_number_on_request() {
    let authority = Authority::new();
    let server = authority.server();
    for (asked, given) in [(None, 8), (Some(20), 20), (Some(255), 32)] {
        let mut client = authority.client(TlsVersion::V13);
        client.config.send_ticket_request = asked.map(|count| asking(count, 1));
        let (_, seen) = client.visit(server.session().control()).await.unwrap();
        assert_eq!(seen.tickets, given, "{asked:?}");
    }
}

#[tokio::test]
async fn a_session_of_one_login_is_nothing_to_another() {
    let authority = Authority::new();
    let server = authority.server();
    for version in BOTH {
        let (mine, stranger) = (authority.client(version), authority.client(version));
        let (my_session, my_control) = log_in(&server, &mine).await;
        let (_his_session, _) = log_in(&server, &stranger).await;
        for upload in [UPLOAD, DOWNLOAD] {
            assert!(!resumes(&my_session, &my_control, &stranger, upload).await);
            assert!(resumes(&my_session, &my_control, &mine, upload).await);
        }
        // Nor to a login after it.
        log_in(&server, &stranger).await;
    }
}

#[tokio::test]
async fn a_full_handshake_on_data_leaves_nothing_to_come_back_with() {
    let authority = Authority::new();
    let server = authority.server();
    let ids = Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
    let strangers = [
        (TlsVersion::V12, authority.client(TlsVersion::V12)),
        (TlsVersion::V12, authority.client_with(TlsVersion::V12, ids)),
        (TlsVersion::V13, authority.client(TlsVersion::V13)),
    ];
    for (version, stranger) in strangers {
        let (session, control) = log_in(&server, &authority.client(version)).await;
        for upload in [DOWNLOAD, UPLOAD, DOWNLOAD, DOWNLOAD] {
            let (info, seen) = stranger.visit(session.data(&control, upload)).await.unwrap();
            assert!(!info.resumed);
            assert_eq!(seen.tickets, 0);
        }
    }
}

/// Who watches the line has ticket bytes but not their secrets. Offered with another server name
/// they decrypt, are not resumed, and must not be renewed either.
#[tokio::test]
async fn a_ticket_that_decrypts_but_is_not_resumed_is_not_renewed() {
    let authority = Authority::new();
    let store = Resumption::store(Arc::new(AnyName(ClientSessionMemoryCache::new(8))));
    let client = authority.client_with(TlsVersion::V13, store);
    let (session, control) = log_in(&authority.server(), &client).await;
    let elsewhere = client.named("ftp.test");
    let (info, seen) = elsewhere.visit(session.data(&control, DOWNLOAD)).await.unwrap();
    assert!(!info.resumed);
    assert_eq!(seen.tickets, 0);
    assert!(info.why_not_resumed(&control).contains("another server name"));
    // The ticket itself was good.
    assert!(resumes(&session, &control, &client, DOWNLOAD).await);
}

#[tokio::test]
async fn early_data_is_never_offered() {
    let authority = Authority::new();
    let mut client = authority.client(TlsVersion::V13);
    client.config.enable_early_data = true;
    log_in(&authority.server(), &client).await;
    let config = Arc::new(client.config);
    let mut next = rustls::ClientConnection::new(config, client.name).unwrap();
    assert!(next.early_data().is_none());
}

#[test]
fn a_ticket_opens_any_number_of_times_and_nothing_else_does() {
    let keeper = Keeper::new();
    let ticket = keeper.seal(b"session").unwrap();
    assert_ne!(keeper.seal(b"session").unwrap(), ticket);
    for _ in 0..3 {
        assert_eq!(keeper.open(&ticket).unwrap(), b"session");
    }
    for length in 0..ticket.len() {
        assert!(keeper.open(&ticket[..length]).is_none());
    }
    for byte in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[byte] ^= 1;
        assert!(keeper.open(&forged).is_none());
    }
    assert!(Keeper::new().open(&ticket).is_none());
}

fn asking(new_session_count: u8, resumption_count: u8) -> TicketRequest {
    TicketRequest { new_session_count, resumption_count }
}

/// Keeps the newest TLS 1.3 ticket and no other.
#[derive(Debug, Default)]
struct OneTicket(Mutex<Option<Tls13ClientSessionValue>>);

impl ClientSessionStore for OneTicket {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        *self.0.lock().unwrap() = Some(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap().take()
    }
}

/// Gives a ticket to whatever name is asked for.
#[derive(Debug)]
struct AnyName(ClientSessionMemoryCache);

fn any() -> ServerName<'static> {
    ServerName::try_from("any").unwrap()
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(any(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&any())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, session: Tls12ClientSessionValue) {
        self.0.set_tls12_session(any(), session);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&any())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&any());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(any(), ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&any())
    }
}
