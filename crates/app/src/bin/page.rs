//! The page: a Yew application over plain data that the worker sends.

fn main() {
    app::page::start();
}
