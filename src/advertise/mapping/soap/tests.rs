use proptest::prelude::*;

use super::*;

const DESCRIPTION: &str = r#"<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>
<controlURL>/ctl/L3F</controlURL></service></serviceList>
<deviceList><device><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<controlURL>/ctl/CmnIfCfg</controlURL></service></serviceList>
<deviceList><device><serviceList><service>
<serviceType> urn:schemas-upnp-org:service:WANIPConnection:1 </serviceType>
<SCPDURL>/WANIPCn.xml</SCPDURL><controlURL>/ctl/IPConn?a=1&amp;b=2</controlURL></service>
</serviceList></device></deviceList></device></deviceList></device></root>"#;

#[test]
fn the_service_that_maps_ports_is_found() {
    let found = service(DESCRIPTION).unwrap();
    assert_eq!(found.kind, "urn:schemas-upnp-org:service:WANIPConnection:1");
    assert_eq!(found.control, "/ctl/IPConn?a=1&b=2");
    assert_eq!(
        service(&DESCRIPTION.replace("WANIPConnection", "WANPPPConnection")).unwrap().kind,
        KINDS[2]
    );
    assert_eq!(service(&DESCRIPTION.replace("WANIPConnection", "Printer")), None);
}

#[test]
fn answers_are_read_in_any_namespace() {
    let answer = "<s:Envelope><s:Body><u:GetExternalIPAddressResponse xmlns:u=\"x\">\
        <NewExternalIPAddress>203.0.113.7</NewExternalIPAddress>\
        </u:GetExternalIPAddressResponse></s:Body></s:Envelope>";
    assert_eq!(element(answer, "NewExternalIPAddress"), Some("203.0.113.7"));
    assert_eq!(element("<a/><b></b>", "b"), Some(""));
    assert_eq!(element("<e:x y='1'>1</e:x>", "x"), Some("1"));
    assert_eq!(element("<x>1", "x"), None);
}

#[test]
fn a_fault_is_a_code_and_plain_words() {
    let answer = "<s:Fault><detail><UPnPError xmlns=\"u\"><errorCode>725</errorCode>\
        <errorDescription>Only\u{1b}[31m Permanent\r\n</errorDescription></UPnPError></detail></s:Fault>";
    assert_eq!(fault(answer), Some((725, "Only[31m Permanent".into())));
    assert_eq!(fault("<errorCode>99999999</errorCode>"), None);
    assert_eq!(fault("<html>"), None);
}

#[test]
fn a_call_reads_back() {
    let text =
        call(KINDS[1], "AddPortMapping", &[("NewExternalPort", "21"), ("NewRemoteHost", "")]);
    let body = element(&text, "AddPortMapping").unwrap();
    assert_eq!(element(body, "NewExternalPort"), Some("21"));
    assert_eq!(element(body, "NewRemoteHost"), Some(""));
}

proptest! {
    #[test]
    fn any_text(text: String, name in "[a-z]{1,3}") {
        let _ = (service(&text), fault(&text), element(&text, &name));
        let tags = text.replace(' ', "<service>").replace('a', "</service>");
        let _ = service(&tags);
    }
}
