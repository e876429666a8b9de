//! The fields of requests, in the order of etcd's `.proto` files.

use super::etcdserverpb::{InternalRaftRequest, Request};
use super::rpc::{Compare, RangeRequest, RequestOp, compare, request_op};
use super::text::{Compact, Field, Fields, Show, fields_of};
use super::{authpb, etcdserverpb, membership, rpc};

/// Shows messages whose fields need nothing special: how, which field, and its name in the
/// `.proto` file where that differs from ours.
macro_rules! show {
    ($($message:path { $($how:ident $field:ident $($name:literal)?),+ $(,)? })+) => {
        $(impl Show for $message {
            fn show(&self, out: &mut Fields) {
                $(show!(@field $how out self $field show!(@names $field $($name)?));)+
            }
        })+
    };
    (@names $field:ident) => { stringify!($field) };
    (@names $field:ident $name:literal) => { (stringify!($field), $name) };
    (@field number $out:ident $self:ident $field:ident $names:expr) => {
        $out.number($names, $self.$field)
    };
    (@field flag $out:ident $self:ident $field:ident $names:expr) => {
        $out.flag($names, $self.$field)
    };
    (@field option $out:ident $self:ident $field:ident $names:expr) => {
        $out.option($names, $self.$field.as_ref())
    };
    (@field $how:ident $out:ident $self:ident $field:ident $names:expr) => {
        $out.$how($names, &$self.$field)
    };
}

/// Shows messages without fields.
macro_rules! show_empty {
    ($($message:path),+) => {
        $(impl Show for $message {
            fn show(&self, _: &mut Fields) {}
        })+
    };
}

show! {
    etcdserverpb::RequestHeader { number id "ID", bytes username, number auth_revision }
    rpc::PutRequest { bytes key, bytes value, number lease, flag prev_kv, flag ignore_value, flag ignore_lease }
    rpc::DeleteRangeRequest { bytes key, bytes range_end, flag prev_kv }
    rpc::TxnRequest { list compare, list success, list failure }
    rpc::CompactionRequest { number revision, flag physical }
    rpc::LeaseGrantRequest { number ttl "TTL", number id "ID" }
    rpc::LeaseRevokeRequest { number id "ID" }
    rpc::LeaseCheckpoint { number id "ID", number remaining_ttl "remaining_TTL" }
    rpc::LeaseCheckpointRequest { list checkpoints }
    rpc::InternalAuthenticateRequest { bytes name, bytes password, bytes simple_token }
    authpb::UserAddOptions { flag no_password }
    rpc::AuthUserAddRequest { bytes name, bytes password, option options, bytes hashed_password "hashedPassword" }
    rpc::AuthUserGetRequest { bytes name }
    rpc::AuthUserDeleteRequest { bytes name }
    rpc::AuthUserChangePasswordRequest { bytes name, bytes password, bytes hashed_password "hashedPassword" }
    rpc::AuthUserGrantRoleRequest { bytes user, bytes role }
    rpc::AuthUserRevokeRoleRequest { bytes name, bytes role }
    rpc::AuthRoleAddRequest { bytes name }
    rpc::AuthRoleGetRequest { bytes role }
    rpc::AuthRoleDeleteRequest { bytes role }
    rpc::AuthRoleGrantPermissionRequest { bytes name, option perm }
    rpc::AuthRoleRevokePermissionRequest { bytes role, bytes key, bytes range_end }
    membership::ClusterVersionSetRequest { bytes ver }
    membership::ClusterMemberAttrSetRequest { number member_id "member_ID", option member_attributes }
    membership::DowngradeInfoSetRequest { flag enabled, bytes ver }
    membership::DowngradeVersionTestRequest { bytes ver }
    InternalRaftRequest {
        option header, number id "ID", option v2, option range, option put, option delete_range, option txn, option compaction, option lease_grant, option lease_revoke, option alarm, option lease_checkpoint, option auth_enable, option auth_disable, option auth_status, option authenticate, option auth_user_add, option auth_user_delete, option auth_user_get, option auth_user_change_password, option auth_user_grant_role, option auth_user_revoke_role, option auth_user_list, option auth_role_list, option auth_role_add, option auth_role_delete, option auth_role_get, option auth_role_grant_permission, option auth_role_revoke_permission, option cluster_version_set, option cluster_member_attr_set, option downgrade_info_set, option downgrade_version_test
    }
}

show_empty!(
    rpc::AuthEnableRequest,
    rpc::AuthDisableRequest,
    rpc::AuthStatusRequest,
    rpc::AuthUserListRequest,
    rpc::AuthRoleListRequest
);

impl Show for RangeRequest {
    fn show(&self, out: &mut Fields) {
        out.bytes("key", &self.key);
        out.bytes("range_end", &self.range_end);
        out.number("limit", self.limit);
        out.number("revision", self.revision);
        out.choice("sort_order", self.sort_order, &["NONE", "ASCEND", "DESCEND"]);
        let targets = ["KEY", "VERSION", "CREATE", "MOD", "VALUE"];
        out.choice("sort_target", self.sort_target, &targets);
        out.flag("serializable", self.serializable);
        out.flag("keys_only", self.keys_only);
        out.flag("count_only", self.count_only);
        out.number("min_mod_revision", self.min_mod_revision);
        out.number("max_mod_revision", self.max_mod_revision);
        out.number("min_create_revision", self.min_create_revision);
        out.number("max_create_revision", self.max_create_revision);
    }
}

impl Show for RequestOp {
    fn show(&self, out: &mut Fields) {
        use request_op::Request;
        match &self.request {
            Some(Request::RequestRange(range)) => {
                out.message("request_range", range);
            }
            Some(Request::RequestPut(put)) => out.message("request_put", put),
            Some(Request::RequestDeleteRange(range)) => {
                out.message("request_delete_range", range);
            }
            Some(Request::RequestTxn(txn)) => out.message("request_txn", txn),
            None => {}
        }
    }
}

impl Show for Compare {
    fn show(&self, out: &mut Fields) {
        use compare::TargetUnion;
        out.choice("result", self.result, &["EQUAL", "GREATER", "LESS", "NOT_EQUAL"]);
        out.choice("target", self.target, &["VERSION", "CREATE", "MOD", "VALUE", "LEASE"]);
        out.bytes("key", &self.key);
        match &self.target_union {
            Some(TargetUnion::Version(version)) => {
                out.always_number("version", *version);
            }
            Some(TargetUnion::CreateRevision(revision)) => {
                out.always_number("create_revision", *revision);
            }
            Some(TargetUnion::ModRevision(revision)) => {
                out.always_number("mod_revision", *revision);
            }
            Some(TargetUnion::Value(value)) => out.always_bytes("value", value),
            Some(TargetUnion::Lease(lease)) => out.always_number("lease", *lease),
            None => {}
        }
        out.bytes("range_end", &self.range_end);
    }
}

impl Show for rpc::AlarmRequest {
    fn show(&self, out: &mut Fields) {
        out.choice("action", self.action, &["GET", "ACTIVATE", "DEACTIVATE"]);
        out.number(("member_id", "memberID"), self.member_id);
        out.choice("alarm", self.alarm, &["NONE", "NOSPACE", "CORRUPT"]);
    }
}

impl Show for authpb::Permission {
    fn show(&self, out: &mut Fields) {
        out.choice(("perm_type", "permType"), self.perm_type, &["READ", "WRITE", "READWRITE"]);
        out.bytes("key", &self.key);
        out.bytes("range_end", &self.range_end);
    }
}

impl Show for membership::Attributes {
    fn show(&self, out: &mut Fields) {
        out.bytes("name", &self.name);
        out.texts("client_urls", &self.client_urls);
    }
}

/// A v2 request inside a v3 one; proto2, so that Go prints every field that is always there.
impl Show for Request {
    fn show(&self, out: &mut Fields) {
        out.always_number(("id", "ID"), self.id);
        out.always_bytes(("method", "Method"), &self.method);
        out.always_bytes(("path", "Path"), &self.path);
        out.always_bytes(("val", "Val"), &self.val);
        out.always_flag(("dir", "Dir"), self.dir);
        out.always_bytes(("prev_value", "PrevValue"), &self.prev_value);
        out.always_number(("prev_index", "PrevIndex"), self.prev_index);
        if let Some(exists) = self.prev_exist {
            out.always_flag(("prev_exist", "PrevExist"), exists);
        }
        out.always_number(("expiration", "Expiration"), self.expiration);
        out.always_flag(("wait", "Wait"), self.wait);
        out.always_number(("since", "Since"), self.since);
        out.always_flag(("recursive", "Recursive"), self.recursive);
        out.always_flag(("sorted", "Sorted"), self.sorted);
        out.always_flag(("quorum", "Quorum"), self.quorum);
        out.always_number(("time", "Time"), self.time);
        out.always_flag(("stream", "Stream"), self.stream);
        if let Some(refresh) = self.refresh {
            out.always_flag(("refresh", "Refresh"), refresh);
        }
    }
}

impl InternalRaftRequest {
    /// The request field by field.
    pub fn fields(&self) -> Vec<Field> {
        fields_of(self)
    }

    /// The request as etcd's own tools print it.
    pub fn to_text(&self) -> String {
        Compact(&self.fields()).to_string()
    }
}

impl Request {
    /// The request field by field.
    pub fn fields(&self) -> Vec<Field> {
        fields_of(self)
    }
}
