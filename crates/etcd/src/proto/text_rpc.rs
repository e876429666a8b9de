//! The fields of requests in text, in the order of etcd's `.proto` files.

use super::etcdserverpb::{InternalRaftRequest, Request};
use super::rpc::{Compare, RangeRequest, RequestOp, compare, request_op};
use super::text::{Text, TextWriter, to_text};
use super::{authpb, etcdserverpb, membership, rpc};

/// Writes [`Text`] for messages whose fields need nothing special: how to write it, which field,
/// and its name where Go's differs from ours.
macro_rules! text {
    ($($message:path { $($how:ident $field:ident $($name:literal)?),* })+) => {
        $(impl Text for $message {
            fn fields(&self, out: &mut TextWriter) {
                // A message without fields writes nothing.
                let _ = &out;
                $(out.$how(text!(@name $field $($name)?), &self.$field);)*
            }
        })+
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

text! {
    etcdserverpb::RequestHeader { scalar id "ID", bytes username, scalar auth_revision }
    rpc::PutRequest { bytes key, bytes value, scalar lease, scalar prev_kv, scalar ignore_value, scalar ignore_lease }
    rpc::DeleteRangeRequest { bytes key, bytes range_end, scalar prev_kv }
    rpc::TxnRequest { messages compare, messages success, messages failure }
    rpc::CompactionRequest { scalar revision, scalar physical }
    rpc::LeaseGrantRequest { scalar ttl "TTL", scalar id "ID" }
    rpc::LeaseRevokeRequest { scalar id "ID" }
    rpc::LeaseCheckpoint { scalar id "ID", scalar remaining_ttl "remaining_TTL" }
    rpc::LeaseCheckpointRequest { messages checkpoints }
    rpc::InternalAuthenticateRequest { bytes name, bytes password, bytes simple_token }
    authpb::UserAddOptions { scalar no_password }
    rpc::AuthUserAddRequest { bytes name, bytes password, messages options, bytes hashed_password "hashedPassword" }
    rpc::AuthUserGetRequest { bytes name }
    rpc::AuthUserDeleteRequest { bytes name }
    rpc::AuthUserChangePasswordRequest { bytes name, bytes password, bytes hashed_password "hashedPassword" }
    rpc::AuthUserGrantRoleRequest { bytes user, bytes role }
    rpc::AuthUserRevokeRoleRequest { bytes name, bytes role }
    rpc::AuthRoleAddRequest { bytes name }
    rpc::AuthRoleGetRequest { bytes role }
    rpc::AuthRoleDeleteRequest { bytes role }
    rpc::AuthRoleGrantPermissionRequest { bytes name, messages perm }
    rpc::AuthRoleRevokePermissionRequest { bytes role, bytes key, bytes range_end }
    membership::ClusterVersionSetRequest { bytes ver }
    membership::ClusterMemberAttrSetRequest { scalar member_id "member_ID", messages member_attributes }
    membership::DowngradeInfoSetRequest { scalar enabled, bytes ver }
    membership::DowngradeVersionTestRequest { bytes ver }
    rpc::AuthEnableRequest { }
    rpc::AuthDisableRequest { }
    rpc::AuthStatusRequest { }
    rpc::AuthUserListRequest { }
    rpc::AuthRoleListRequest { }
    InternalRaftRequest {
        messages header, scalar id "ID", messages v2, messages range, messages put, messages delete_range, messages txn, messages compaction, messages lease_grant, messages lease_revoke, messages alarm, messages lease_checkpoint, messages auth_enable, messages auth_disable, messages auth_status, messages authenticate, messages auth_user_add, messages auth_user_delete, messages auth_user_get, messages auth_user_change_password, messages auth_user_grant_role, messages auth_user_revoke_role, messages auth_user_list, messages auth_role_list, messages auth_role_add, messages auth_role_delete, messages auth_role_get, messages auth_role_grant_permission, messages auth_role_revoke_permission, messages cluster_version_set, messages cluster_member_attr_set, messages downgrade_info_set, messages downgrade_version_test
    }
}

impl Text for RangeRequest {
    fn fields(&self, out: &mut TextWriter) {
        out.bytes("key", &self.key);
        out.bytes("range_end", &self.range_end);
        out.scalar("limit", &self.limit);
        out.scalar("revision", &self.revision);
        out.choice("sort_order", self.sort_order, &["NONE", "ASCEND", "DESCEND"]);
        let targets = ["KEY", "VERSION", "CREATE", "MOD", "VALUE"];
        out.choice("sort_target", self.sort_target, &targets);
        out.scalar("serializable", &self.serializable);
        out.scalar("keys_only", &self.keys_only);
        out.scalar("count_only", &self.count_only);
        out.scalar("min_mod_revision", &self.min_mod_revision);
        out.scalar("max_mod_revision", &self.max_mod_revision);
        out.scalar("min_create_revision", &self.min_create_revision);
        out.scalar("max_create_revision", &self.max_create_revision);
    }
}

impl Text for RequestOp {
    fn fields(&self, out: &mut TextWriter) {
        use request_op::Request;
        match &self.request {
            Some(Request::RequestRange(range)) => out.message("request_range", range),
            Some(Request::RequestPut(put)) => out.message("request_put", put),
            Some(Request::RequestDeleteRange(range)) => out.message("request_delete_range", range),
            Some(Request::RequestTxn(txn)) => out.message("request_txn", txn),
            None => {}
        }
    }
}

impl Text for Compare {
    fn fields(&self, out: &mut TextWriter) {
        use compare::TargetUnion;
        out.choice("result", self.result, &["EQUAL", "GREATER", "LESS", "NOT_EQUAL"]);
        out.choice("target", self.target, &["VERSION", "CREATE", "MOD", "VALUE", "LEASE"]);
        out.bytes("key", &self.key);
        match &self.target_union {
            Some(TargetUnion::Version(version)) => out.always("version", version),
            Some(TargetUnion::CreateRevision(revision)) => out.always("create_revision", revision),
            Some(TargetUnion::ModRevision(revision)) => out.always("mod_revision", revision),
            Some(TargetUnion::Value(value)) => out.always_bytes("value", value),
            Some(TargetUnion::Lease(lease)) => out.always("lease", lease),
            None => {}
        }
        out.bytes("range_end", &self.range_end);
    }
}

impl Text for rpc::AlarmRequest {
    fn fields(&self, out: &mut TextWriter) {
        out.choice("action", self.action, &["GET", "ACTIVATE", "DEACTIVATE"]);
        out.scalar("memberID", &self.member_id);
        out.choice("alarm", self.alarm, &["NONE", "NOSPACE", "CORRUPT"]);
    }
}

impl Text for authpb::Permission {
    fn fields(&self, out: &mut TextWriter) {
        out.choice("permType", self.perm_type, &["READ", "WRITE", "READWRITE"]);
        out.bytes("key", &self.key);
        out.bytes("range_end", &self.range_end);
    }
}

impl Text for membership::Attributes {
    fn fields(&self, out: &mut TextWriter) {
        out.bytes("name", &self.name);
        for url in &self.client_urls {
            out.always_bytes("client_urls", url);
        }
    }
}

/// A v2 request inside a v3 one; proto2, so that Go prints every field that is always there.
impl Text for Request {
    fn fields(&self, out: &mut TextWriter) {
        out.always("ID", &self.id);
        out.always_bytes("Method", &self.method);
        out.always_bytes("Path", &self.path);
        out.always_bytes("Val", &self.val);
        out.always("Dir", &self.dir);
        out.always_bytes("PrevValue", &self.prev_value);
        out.always("PrevIndex", &self.prev_index);
        if let Some(exists) = self.prev_exist {
            out.always("PrevExist", &exists);
        }
        out.always("Expiration", &self.expiration);
        out.always("Wait", &self.wait);
        out.always("Since", &self.since);
        out.always("Recursive", &self.recursive);
        out.always("Sorted", &self.sorted);
        out.always("Quorum", &self.quorum);
        out.always("Time", &self.time);
        out.always("Stream", &self.stream);
        if let Some(refresh) = self.refresh {
            out.always("Refresh", &refresh);
        }
    }
}

impl InternalRaftRequest {
    /// The request as etcd's own tools print it.
    pub fn to_text(&self) -> String {
        to_text(self)
    }
}
