//! Users and roles as the backend has them. They are shown, not enforced: nothing here asks for a
//! password. Hashes of passwords are left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;

use super::{BackendError, BackendFile, contents};
use crate::datadir::summary::{AuthSummary, PermissionSummary, RoleSummary, UserSummary};
use crate::mvcc::Bucket;
use crate::proto::authpb::{Permission, PermissionType, Role, User};

/// Reads the buckets `auth`, `authUsers` and `authRoles`.
pub(super) fn read(backend: &BackendFile) -> Result<AuthSummary, BackendError> {
    let mut found = AuthSummary::default();
    contents::each(backend, Bucket::Auth.name(), &mut |item| {
        match &item.key[..] {
            b"authEnabled" => found.enabled = item.value[..] == [1],
            b"authRevision" => {
                let number = item.value[..].try_into().map(u64::from_be_bytes);
                found.revision = number.map_err(|_| "authRevision is no number".to_owned())?;
            }
            _ => {}
        }
        Ok(())
    })?;
    contents::each(backend, Bucket::AuthUsers.name(), &mut |item| {
        let user = User::decode(item.value.clone()).map_err(|error| format!("proto: {error}"))?;
        let has_password = !user.options.is_some_and(|options| options.no_password);
        let name = String::from_utf8_lossy(&item.key).into_owned();
        found.users.push(UserSummary { name, roles: user.roles, has_password });
        Ok(())
    })?;
    contents::each(backend, Bucket::AuthRoles.name(), &mut |item| {
        let role = Role::decode(item.value.clone()).map_err(|error| format!("proto: {error}"))?;
        let permissions = role.key_permission.iter().map(permission).collect();
        let name = String::from_utf8_lossy(&item.key).into_owned();
        found.roles.push(RoleSummary { name, permissions });
        Ok(())
    })?;
    Ok(found)
}

fn permission(permission: &Permission) -> PermissionSummary {
    let kind = match permission.perm_type() {
        PermissionType::Read => "READ",
        PermissionType::Write => "WRITE",
        PermissionType::Readwrite => "READWRITE",
    };
    let (key, range_end) = (&permission.key, &permission.range_end);
    PermissionSummary { kind, key: STANDARD.encode(key), range_end: STANDARD.encode(range_end) }
}
