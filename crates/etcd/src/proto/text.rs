//! Protobuf's compact text form, in the dialect of the Go library that etcd's tools print with:
//! `put:<key:"a" value:"b" > `.
