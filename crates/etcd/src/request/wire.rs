//! Requests as the log carries them: to and from the messages of `rpc.proto`.

use super::{
    AlarmAction, AlarmChange, AlarmKind, Compact, Compare, CompareResult, CompareTarget,
    DeleteRange, LeaseGrant, Operation, Put, Range, SortOrder, SortTarget, Txn,
};
use crate::proto::rpc;
use rpc::compare::TargetUnion;
use rpc::request_op::Request as Union;

impl From<Put> for rpc::PutRequest {
    fn from(put: Put) -> Self {
        let Put { key, value, lease, prev_kv, ignore_value, ignore_lease } = put;
        Self { key, value, lease, prev_kv, ignore_value, ignore_lease }
    }
}

impl From<DeleteRange> for rpc::DeleteRangeRequest {
    fn from(delete: DeleteRange) -> Self {
        let DeleteRange { key, range_end, prev_kv } = delete;
        Self { key, range_end, prev_kv }
    }
}

impl From<Compact> for rpc::CompactionRequest {
    fn from(compact: Compact) -> Self {
        let Compact { revision, physical } = compact;
        Self { revision, physical }
    }
}

impl From<LeaseGrant> for rpc::LeaseGrantRequest {
    fn from(grant: LeaseGrant) -> Self {
        let LeaseGrant { ttl, id } = grant;
        Self { ttl, id }
    }
}

impl From<Range> for rpc::RangeRequest {
    fn from(range: Range) -> Self {
        let sort_order = match range.sort_order {
            SortOrder::None => rpc::SortOrder::None,
            SortOrder::Ascend => rpc::SortOrder::Ascend,
            SortOrder::Descend => rpc::SortOrder::Descend,
        };
        let sort_target = match range.sort_target {
            SortTarget::Key => rpc::SortTarget::Key,
            SortTarget::Version => rpc::SortTarget::Version,
            SortTarget::Create => rpc::SortTarget::Create,
            SortTarget::Mod => rpc::SortTarget::Mod,
            SortTarget::Value => rpc::SortTarget::Value,
        };
        Self {
            key: range.key,
            range_end: range.range_end,
            limit: range.limit,
            revision: range.revision,
            sort_order: sort_order.into(),
            sort_target: sort_target.into(),
            serializable: range.serializable,
            keys_only: range.keys_only,
            count_only: range.count_only,
            min_mod_revision: range.min_mod_revision,
            max_mod_revision: range.max_mod_revision,
            min_create_revision: range.min_create_revision,
            max_create_revision: range.max_create_revision,
        }
    }
}

/// Numbers of an order or target that do not exist mean the first, as they do to etcd.
impl From<rpc::RangeRequest> for Range {
    fn from(range: rpc::RangeRequest) -> Self {
        let sort_order = match range.sort_order() {
            rpc::SortOrder::None => SortOrder::None,
            rpc::SortOrder::Ascend => SortOrder::Ascend,
            rpc::SortOrder::Descend => SortOrder::Descend,
        };
        let sort_target = match range.sort_target() {
            rpc::SortTarget::Key => SortTarget::Key,
            rpc::SortTarget::Version => SortTarget::Version,
            rpc::SortTarget::Create => SortTarget::Create,
            rpc::SortTarget::Mod => SortTarget::Mod,
            rpc::SortTarget::Value => SortTarget::Value,
        };
        Self {
            sort_order,
            sort_target,
            key: range.key,
            range_end: range.range_end,
            limit: range.limit,
            revision: range.revision,
            serializable: range.serializable,
            keys_only: range.keys_only,
            count_only: range.count_only,
            min_mod_revision: range.min_mod_revision,
            max_mod_revision: range.max_mod_revision,
            min_create_revision: range.min_create_revision,
            max_create_revision: range.max_create_revision,
        }
    }
}

impl From<Txn> for rpc::TxnRequest {
    fn from(txn: Txn) -> Self {
        Self {
            compare: txn.compares.into_iter().map(Into::into).collect(),
            success: txn.success.into_iter().map(Into::into).collect(),
            failure: txn.failure.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Operation> for rpc::RequestOp {
    fn from(operation: Operation) -> Self {
        let request = match operation {
            Operation::Range(range) => Union::RequestRange(range.into()),
            Operation::Put(put) => Union::RequestPut(put.into()),
            Operation::DeleteRange(delete) => Union::RequestDeleteRange(delete.into()),
            Operation::Txn(txn) => Union::RequestTxn(txn.into()),
        };
        Self { request: Some(request) }
    }
}

impl From<Compare> for rpc::Compare {
    fn from(compare: Compare) -> Self {
        let result = match compare.result {
            CompareResult::Equal => rpc::CompareResult::Equal,
            CompareResult::Greater => rpc::CompareResult::Greater,
            CompareResult::Less => rpc::CompareResult::Less,
            CompareResult::NotEqual => rpc::CompareResult::NotEqual,
        };
        let (target, union) = match compare.target {
            CompareTarget::Version(n) => (rpc::CompareTarget::Version, TargetUnion::Version(n)),
            CompareTarget::Create(n) => {
                (rpc::CompareTarget::Create, TargetUnion::CreateRevision(n))
            }
            CompareTarget::Mod(n) => (rpc::CompareTarget::Mod, TargetUnion::ModRevision(n)),
            CompareTarget::Value(value) => (rpc::CompareTarget::Value, TargetUnion::Value(value)),
            CompareTarget::Lease(n) => (rpc::CompareTarget::Lease, TargetUnion::Lease(n)),
        };
        Self {
            result: result.into(),
            target: target.into(),
            key: compare.key,
            range_end: compare.range_end,
            target_union: Some(union),
        }
    }
}

impl From<AlarmChange> for rpc::AlarmRequest {
    fn from(change: AlarmChange) -> Self {
        let action = match change.action {
            AlarmAction::Get => rpc::AlarmAction::Get,
            AlarmAction::Activate => rpc::AlarmAction::Activate,
            AlarmAction::Deactivate => rpc::AlarmAction::Deactivate,
        };
        let alarm = rpc::AlarmType::from(change.alarm);
        Self { action: action.into(), member_id: change.member_id, alarm: alarm.into() }
    }
}

impl From<AlarmKind> for rpc::AlarmType {
    fn from(kind: AlarmKind) -> Self {
        match kind {
            AlarmKind::None => Self::None,
            AlarmKind::NoSpace => Self::Nospace,
            AlarmKind::Corrupt => Self::Corrupt,
        }
    }
}

impl From<rpc::AlarmType> for AlarmKind {
    fn from(alarm: rpc::AlarmType) -> Self {
        match alarm {
            rpc::AlarmType::None => Self::None,
            rpc::AlarmType::Nospace => Self::NoSpace,
            rpc::AlarmType::Corrupt => Self::Corrupt,
        }
    }
}
