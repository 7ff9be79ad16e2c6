use super::*;
use crate::tls::testing::PATIENCE;

fn listening() -> (Responder, SocketAddr) {
    let responder = Responder::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let address = responder.listeners[0].local_addr().unwrap();
    (responder, address)
}

async fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = socket::connect(address, None, PATIENCE).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn answers_known_tokens_and_nothing_else() {
    let (responder, address) = listening();
    responder.put("token", "token.thumbprint");
    let serving = tokio::spawn(responder.serve());
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: ftp.test\r\n\r\n");
    let known = ask(address, get("/.well-known/acme-challenge/token").as_bytes()).await;
    assert!(known.starts_with("HTTP/1.1 200 OK\r\n"), "{known}");
    assert!(known.contains("Content-Length: 16\r\n"), "{known}");
    assert!(known.ends_with("\r\n\r\ntoken.thumbprint"), "{known}");
    for request in [
        get("/.well-known/acme-challenge/other"),
        get("/"),
        get("/.well-known/acme-challenge/token/../token"),
        "POST /.well-known/acme-challenge/token HTTP/1.1\r\n\r\n".into(),
        "\r\n\r\n".into(),
    ] {
        let answer = ask(address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{request:?}: {answer}");
    }
    serving.abort();
}

#[tokio::test]
async fn a_request_without_end_is_not_read_to_its_end() {
    let (responder, address) = listening();
    let serving = tokio::spawn(responder.serve());
    assert_eq!(ask(address, &[b'x'; REQUEST]).await, "");
    serving.abort();
}

#[tokio::test]
async fn what_is_taken_by_another_is_said() {
    let (_taken, address) = listening();
    let error = Responder::bind(&[address]).err().unwrap().to_string();
    assert!(error.contains("ss -ltnp") && error.contains(&address.to_string()), "{error}");
}
