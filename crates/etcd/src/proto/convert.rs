//! Between the log's messages and the types of consensus.
