use super::*;
use crate::config;

#[test]
fn the_only_listener_or_the_one_that_is_named() {
    let config = |names: &[&str]| {
        let mut text = String::from("[[upstream]]\naddress = \"a\"\n");
        for name in names {
            text += &format!("[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:0\"\n");
        }
        config::parse(&text, "test", []).unwrap().0.listeners
    };
    let chosen = |names: &[&str], name| {
        let listeners = config(names);
        choose(&listeners, name).map(|l| l.name.clone()).map_err(|e| e.to_string())
    };
    assert_eq!(chosen(&["a"], None).unwrap(), "a");
    assert_eq!(chosen(&["a", "b"], Some("b")).unwrap(), "b");
    assert!(chosen(&["a", "b"], None).unwrap_err().contains("name one of a, b (--listener)"));
    assert!(chosen(&["a"], Some("b")).unwrap_err().contains("there is a"));
}
