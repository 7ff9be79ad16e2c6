use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A machine with these texts in its firmware.
fn machine(texts: &[(&str, &str)]) -> (tempfile::TempDir, CloudOptions) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in texts {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    let options = CloudOptions { sys: folder.path().into(), ..CloudOptions::default() };
    (folder, options)
}

#[test]
fn a_cloud_is_known_by_its_firmware() {
    const VENDOR: &str = "class/dmi/id/sys_vendor";
    const PRODUCT: &str = "class/dmi/id/product_name";
    const TAG: &str = "class/dmi/id/chassis_asset_tag";
    const AZURE: &str = "7783-7084-3265-9085-8269-3286-77";
    const MICROSOFT: (&str, &str) = (VENDOR, "Microsoft Corporation");
    type Row = (&'static [(&'static str, &'static str)], Option<Platform>);
    let table: [Row; 9] = [
        (&[], None),
        (&[(VENDOR, "Amazon EC2"), (PRODUCT, "t3.micro")], Some(Platform::Aws)),
        (&[("hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef")], Some(Platform::Aws)),
        (&[(VENDOR, "Google"), (PRODUCT, "Google Compute Engine")], Some(Platform::Gcp)),
        (&[(VENDOR, "Google"), (PRODUCT, "Eve")], None),
        (&[MICROSOFT, (PRODUCT, "Virtual Machine"), (TAG, AZURE)], Some(Platform::Azure)),
        (&[MICROSOFT, (PRODUCT, "Virtual Machine"), (TAG, "0-1-2")], None),
        (&[(VENDOR, "QEMU"), (PRODUCT, "Standard PC")], None),
        (&[(VENDOR, "Dell Inc."), (PRODUCT, "PowerEdge R640")], None),
    ];
    for (texts, expected) in table {
        let (_folder, options) = machine(texts);
        assert_eq!(options.recognise(), expected, "{texts:?}");
    }
}

/// A metadata service: what it answers by `METHOD path`, and what it was asked.
struct Service {
    at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn service(answers: &[(&str, &str)]) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let answers: BTreeMap<String, String> =
        answers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
            }
            let request = String::from_utf8(request).unwrap();
            let what = request.split(" HTTP/").next().unwrap().to_owned();
            let answer = match answers.get(&what) {
                Some(answer) if answer.starts_with("HTTP/") => answer.clone(),
                Some(body) => format!(
                    "HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
                None => "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno".into(),
            };
            log.lock().unwrap().push(request);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Service { at, asked }
}

impl Service {
    async fn ask(&self, platform: Platform) -> io::Result<Addresses> {
        let options = CloudOptions { metadata: self.at, ..CloudOptions::default() };
        options.ask(platform).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn aws_wants_its_token_first() {
    let macs = "/latest/meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/ipv6s";
    let aws = service(&[
        ("PUT /latest/api/token", "SECRET=="),
        ("GET /latest/meta-data/public-ipv4", "203.0.113.7"),
        ("GET /latest/meta-data/mac", "0e:49:61:0f:c3:11"),
        (&format!("GET {macs}"), "2001:db8::7\n2001:db8::8"),
    ])
    .await;
    let found = aws.ask(Platform::Aws).await.unwrap();
    assert_eq!(found.to_string(), "203.0.113.7, 2001:db8::7");
    let asked = aws.asked();
    assert!(asked[0].contains("\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n"), "{asked:?}");
    for request in &asked[1..] {
        assert!(request.contains("\r\nX-aws-ec2-metadata-token: SECRET==\r\n"), "{request}");
    }
}

#[tokio::test]
async fn aws_without_a_public_address_is_an_answer() {
    let aws = service(&[("PUT /latest/api/token", "T"), ("GET /latest/meta-data/mac", "m")]).await;
    assert_eq!(aws.ask(Platform::Aws).await.unwrap(), Addresses::default());
}

#[tokio::test]
async fn google_is_asked_and_answers_with_its_flavor() {
    let root = "GET /computeMetadata/v1/instance/network-interfaces/0";
    let external = format!("{root}/access-configs/0/external-ip");
    let gcp = service(&[(&external, "203.0.113.7"), (&format!("{root}/ipv6s"), "")]).await;
    assert_eq!(gcp.ask(Platform::Gcp).await.unwrap().to_string(), "203.0.113.7");
    assert!(gcp.asked().iter().all(|r| r.contains("\r\nMetadata-Flavor: Google\r\n")));
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n203.0.113.7";
    let somebody = service(&[(&external, other)]).await;
    assert!(somebody.ask(Platform::Gcp).await.is_err());
}

#[tokio::test]
async fn azure_has_its_balancer_asked_too() {
    let machine = |public: &str| {
        format!(
            r#"{{"interface":[{{"ipv4":{{"ipAddress":[{{"privateIpAddress":"10.0.0.4",
            "publicIpAddress":"{public}"}}],"subnet":[]}},"ipv6":{{"ipAddress":[]}},
            "macAddress":"000D3AF806EC"}}]}}"#
        )
    };
    let balancer = r#"{"loadbalancer":{"publicIpAddresses":[{"frontendIpAddress":"203.0.113.9",
        "privateIpAddress":"10.0.0.4"},{"frontendIpAddress":"[2001:db8::9]"}],"inboundRules":[]}}"#;
    let get = |path: &str| format!("GET {path}");
    let own = service(&[(&get(azure::MACHINE), &machine("203.0.113.7"))]).await;
    assert_eq!(own.ask(Platform::Azure).await.unwrap().to_string(), "203.0.113.7");
    assert!(own.asked()[0].contains("\r\nMetadata: true\r\n"));
    let behind =
        service(&[(&get(azure::MACHINE), &machine("")), (&get(azure::BALANCER), balancer)]).await;
    let found = behind.ask(Platform::Azure).await.unwrap();
    assert_eq!(found.to_string(), "203.0.113.9, 2001:db8::9");
    let nothing = service(&[(&get(azure::MACHINE), &machine(""))]).await;
    assert_eq!(nothing.ask(Platform::Azure).await.unwrap(), Addresses::default());
    let broken = service(&[(&get(azure::MACHINE), "{\"interface\":")]).await;
    assert!(broken.ask(Platform::Azure).await.is_err());
}

/// Neither a redirect nor a refusal makes us believe or follow anything.
#[tokio::test]
async fn other_answers_are_errors() {
    let elsewhere = "HTTP/1.1 301 Moved\r\nLocation: http://198.51.100.9/\r\n\r\n";
    let refused = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    for answer in [elsewhere, refused] {
        let aws = service(&[("PUT /latest/api/token", answer)]).await;
        let error = aws.ask(Platform::Aws).await.unwrap_err().to_string();
        assert!(error.starts_with("/latest/api/token is answered with status"), "{error}");
        assert_eq!(aws.asked().len(), 1);
    }
    let smuggled = service(&[("PUT /latest/api/token", "a\r\nX: y")]).await;
    assert!(smuggled.ask(Platform::Aws).await.is_err());
}
