use super::*;

#[test]
fn show() {
    for text in [
        "[[listener]]\nname = \"a\"\nbind = [\"0.0.0.0:21\", \"12\"]\nupstraem = \"x\"\n[data]\nports = \"60010-60000\"\nidle = \"5m\"\n\n[limits]\nper_client = 3\nmaximum_foo = 1",
        "[[listener]]\nbind=\"*:21\"\nname = \"b\"\n[[upstream]]\naddress = \"a\nname=\"x\"\n[limit]\nsessions=\"4\"",
        "[[listener]]\nbind=\"*:21\"\n[[listener]]\nbind=\"127.0.0.1:21\"\n[[upstream]]\naddress = \"a\"\nfoo = [\n",
    ] {
        let env = [("FTPGATE_DATA_PORTS", "1-a"), ("FTPGATE_LISTENER_A_UPSTRAEM", "1-a")];
        let env = env.map(|(a, b)| (a.to_string(), b.to_string()));
        println!("{}\n=====", parse(text, "ftpgate.toml", env).unwrap_err());
    }
}
