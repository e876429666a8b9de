//! The fields of requests in text, in the order of etcd's `.proto` files.
