use super::*;

fn run_as(user: &str, group: Option<&str>) -> RunAs {
    RunAs { user: user.into(), group: group.map(str::to_owned) }
}

#[test]
fn an_account_is_found_by_name_or_number() {
    for user in ["nobody", "65534"] {
        let account = Account::find(&run_as(user, None)).unwrap();
        assert_eq!(account.uid.as_raw(), 65534);
        assert_eq!(account.member.as_deref(), Some(c"nobody"));
    }
    let account = Account::find(&run_as("nobody", Some("4711"))).unwrap();
    assert_eq!(account.gid.as_raw(), 4711);
    let account = Account::find(&run_as("4000111222", Some("daemon"))).unwrap();
    assert_eq!((account.uid.as_raw(), account.member), (4_000_111_222, None));
}

#[test]
fn who_cannot_be_is_told() {
    let why = |user: &str, group| Account::find(&run_as(user, group)).unwrap_err().to_string();
    assert!(why("no-such-user", None).contains("useradd --system no-such-user"));
    assert!(why("nobody", Some("no-such-group")).contains("runtime.group"));
    assert!(why("4000111222", None).contains("name runtime.group as well"));
    assert!(why("root", None).contains("which is root"));
    assert!(why("0", Some("nogroup")).contains("which is root"));
}

#[test]
fn a_remedy_names_every_way() {
    let remedy = Capability::BindService.remedy();
    for way in
        ["AmbientCapabilities=CAP_NET_BIND_SERVICE", "cap_net_bind_service=+ep", "NET_BIND_SERVICE"]
    {
        assert!(remedy.contains(way), "{remedy}");
    }
}

/// In a thread of its own, for capabilities are a thread's.
#[cfg(target_os = "linux")]
#[test]
fn what_is_given_up_is_gone() {
    std::thread::spawn(|| {
        let had = holds(Capability::BindService);
        keep_only(&[Capability::BindService]).unwrap();
        assert_eq!(holds(Capability::BindService), had);
        assert!(!holds(Capability::Raw));
        keep_only(&[]).unwrap();
        assert!(!holds(Capability::BindService));
        std::thread::spawn(|| assert!(!holds(Capability::BindService))).join().unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn files_that_anybody_may_write_are_found() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    fs::write(&file, "").unwrap();
    let mode = |path: &std::path::Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    let found = || files::open_to_all(&file);
    mode(&file, 0o640);
    assert_eq!(found(), None);
    mode(&file, 0o646);
    assert_eq!(found().as_deref(), Some(&*file));
    mode(&file, 0o600);
    mode(dir.path(), 0o777);
    assert_eq!(found(), Some(dir.path().canonicalize().unwrap()));
    mode(dir.path(), 0o1777);
    assert_eq!(found(), None);
}
