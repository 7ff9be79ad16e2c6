use super::*;

const V4: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\tFE01A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t50\t00000000\t0\t0\t0
tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
";

const V6: &str = "\
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000001 00000000 00000003     eth0
fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
";

#[test]
#[cfg(target_endian = "little")]
fn the_preferred_gateway_comes_first() {
    let expected: Vec<IpAddr> =
        ["192.168.1.1", "192.168.1.254"].map(|ip| ip.parse().unwrap()).into();
    assert_eq!(parse_v4(V4), expected);
}

#[test]
fn an_ipv6_route_without_a_gateway_is_none() {
    assert_eq!(parse_v6(V6), ["fd00::1".parse::<IpAddr>().unwrap()]);
}

#[test]
fn nonsense_is_passed_over() {
    for text in ["", "eth0", "eth0 0 0 0 0 0 x 0", "zz zz\n\n", "0 0 0 0 0 0 0 0 g"] {
        assert!(parse_v4(text).is_empty() && parse_v6(text).is_empty(), "{text:?}");
    }
}
