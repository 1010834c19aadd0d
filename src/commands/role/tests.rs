use super::*;

fn scope() -> Scope {
    Scope { seed_storage: "seeds".into(), ..Scope::placeholders() }
}

#[test]
fn each_need_is_met_by_a_grant_of_a_role_that_holds_it() {
    let scope = scope();
    let roles = scope.roles();
    for need in scope.needs() {
        let met = scope.grants().iter().any(|grant| {
            let role = roles.iter().find(|role| role.name == grant.role).unwrap();
            grant.path == need.path && role.privileges.contains(&need.privilege.as_str())
        });
        assert!(met, "{need:?}");
    }
}

#[test]
fn volumes_may_be_deleted_on_the_seeds_storage_alone() {
    let wide: Vec<_> =
        scope().needs().into_iter().filter(|need| need.privilege == "Datastore.Allocate").collect();
    assert_eq!(wide.len(), 1);
    assert_eq!(wide[0].path, "/storage/seeds");
}

#[test]
fn a_storage_with_two_purposes_is_asked_for_each_privilege_once() {
    let scope = Scope { seed_storage: "local".into(), ..scope() };
    let mut pairs: Vec<_> =
        scope.needs().into_iter().map(|need| (need.path, need.privilege)).collect();
    let count = pairs.len();
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), count);
    assert!(text(&scope, 9, DEFAULT_TOKEN).contains("shared with other content"));
}

#[test]
fn a_vlan_and_a_missing_pool_change_the_paths() {
    let scope = Scope { pool: None, bridge: "vmbr0/7".into(), ..scope() };
    let paths: Vec<_> = scope.grants().into_iter().map(|grant| grant.path).collect();
    assert!(paths.contains(&"/vms".to_owned()));
    assert!(paths.contains(&"/sdn/zones/localnetwork/vmbr0/7".to_owned()));
    assert!(text(&scope, 9, DEFAULT_TOKEN).contains("reaches every guest"));
}

#[test]
fn an_image_that_we_upload_needs_no_network_of_the_node() {
    let fetched = |downloads| Scope { downloads, ..scope() }.needs();
    let network = |need: &Need| need.privilege == "Sys.AccessNetwork";
    assert!(fetched(true).iter().any(network));
    assert!(!fetched(false).iter().any(network));
}

#[test]
fn a_grant_names_path_user_token_and_role() {
    assert_eq!(
        grant("/storage/seeds", "HomelabSeeds", "op@pve!up"),
        "pveum acl modify /storage/seeds --users op@pve --tokens 'op@pve!up' --roles HomelabSeeds"
    );
}

#[test]
fn a_role_is_made_where_it_is_not_there_completed_where_it_lacks_something_and_else_left_alone() {
    let seeds = scope().roles().into_iter().find(|role| role.name == "HomelabSeeds").unwrap();
    let command = |known: &[&str]| {
        let held = known.iter().map(|name| (*name).to_owned()).collect();
        role_command(&seeds, &[("HomelabSeeds".to_owned(), held)].into())
    };
    assert_eq!(
        role_command(&seeds, &KnownRoles::new()).unwrap(),
        "pveum role add HomelabSeeds --privs \
         'Datastore.Allocate Datastore.AllocateTemplate Datastore.Audit'"
    );
    assert_eq!(
        command(&["Datastore.Audit", "Datastore.AllocateTemplate"]).unwrap(),
        "pveum role modify HomelabSeeds --append 1 --privs Datastore.Allocate"
    );
    assert_eq!(
        command(&["Datastore.Allocate", "Datastore.AllocateTemplate", "Datastore.Audit"]),
        None
    );
}

#[test]
fn privileges_that_nine_no_longer_knows_are_not_asked_for() {
    for need in scope().needs() {
        assert_ne!(need.privilege, "VM.Monitor");
        assert!(!need.privilege.starts_with("VM.GuestAgent"));
    }
}

#[test]
fn a_tokens_id_is_read_without_its_secret() {
    let id = token_id(&Secret::new("op@pve!up=c77a308d-1d4a-48cd-ad3a-e603371d0a40"));
    assert_eq!(id.as_deref(), Some("op@pve!up"));
    assert_eq!(token_id(&Secret::new("hunter2")), None);
    for id in
        ["bad", "op!up", "op@pve", "op@pve!", "@pve!up", "op@pve!up=x", "op@pve!u p", "a;b@pve!c"]
    {
        assert!(!is_token_id(id), "{id}");
    }
    assert!(is_token_id("me@home.lan@ldap!up"));
}

#[test]
fn the_text_can_be_pasted() {
    insta::assert_snapshot!(text(&scope(), 9, DEFAULT_TOKEN));
}
