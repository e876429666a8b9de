//! A disk that can lose, tear, rot and lie.
