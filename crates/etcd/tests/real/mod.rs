//! A real etcd on loopback, spoken to by its JSON gateway; one that stays for a whole test.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

pub(crate) mod gateway;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// A running server; it ends with this value.
pub(crate) struct RealEtcd {
    child: Child,
    address: String,
    connection: BufReader<TcpStream>,
}

/// Whether Debian's etcd is there; says so when it is not.
pub(crate) fn is_there() -> bool {
    let output = Command::new("etcd").arg("--version").output();
    let found = output
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("etcd Version: 3.4."));
    let is_required = std::env::var("QUORARIUM_REQUIRE_SHARED").is_ok_and(|value| value == "1");
    assert!(found || !is_required, "missing and required: etcd 3.4");
    if !found {
        // Not `eprintln!`: the test harness would keep it to itself.
        let mut terminal = std::io::stderr();
        writeln!(terminal, "SKIPPED: missing: etcd 3.4").unwrap();
    }
    found
}

impl RealEtcd {
    /// Starts a lone server in a fresh folder, and waits until it answers.
    pub(crate) fn start(folder: &Path) -> RealEtcd {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        let (client, peer) = (free_port(), free_port());
        let address = format!("127.0.0.1:{client}");
        let (url, peer) = (format!("http://{address}"), format!("http://127.0.0.1:{peer}"));
        let child = Command::new("etcd")
            .args(["--name", "n1", "--data-dir", folder.join("data").to_str().unwrap()])
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("n1={peer}"), "--logger", "zap"])
            .args(["--unsafe-no-fsync"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        for _ in 0..100 {
            std::thread::sleep(Duration::from_millis(100));
            let Ok(stream) = TcpStream::connect(&address) else { continue };
            stream.set_nodelay(true).unwrap();
            let mut server =
                RealEtcd { child, address: address.clone(), connection: BufReader::new(stream) };
            let answer = server.call("/v3/maintenance/status", "{}");
            if answer["leader"].as_str().is_some_and(|leader| leader != "0") {
                return server;
            }
            std::thread::sleep(Duration::from_millis(500));
            return server;
        }
        panic!("no answer in 10 s: {}", fs::read_to_string(folder.join("log")).unwrap());
    }

    /// One call; the answer, or what stands in place of one.
    pub(crate) fn call(&mut self, path: &str, body: &str) -> Value {
        let request = post(&self.address, path, body);
        self.connection.get_mut().write_all(request.as_bytes()).unwrap();
        let headers = headers(&mut self.connection);
        let length = header(&headers, "content-length").map(|value| value.parse().unwrap());
        let bytes = match length {
            Some(length) => {
                let mut bytes = vec![0; length];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes
            }
            None if header(&headers, "transfer-encoding").is_none() => {
                panic!("{path} {body}: neither length nor chunks: {headers:?}")
            }
            None => chunks(&mut self.connection),
        };
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Opens a stream; each line of it is one answer.
    pub(crate) fn stream(&self, path: &str, body: &str) -> Stream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(post(&self.address, path, body).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        headers(&mut reader);
        Stream { reader, rest: Vec::new() }
    }
}

impl Drop for RealEtcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stream of answers.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    rest: Vec<u8>,
}

impl Stream {
    /// The next answer.
    pub(crate) fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).unwrap();
            }
            let chunk = chunk(&mut self.reader).expect("the stream goes on");
            self.rest.extend(chunk);
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn post(host: &str, path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn headers(reader: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            return headers;
        }
        headers.push(line);
    }
}

fn header<'a>(headers: &'a [String], wanted: &str) -> Option<&'a str> {
    let pairs = headers.iter().filter_map(|line| line.split_once(':'));
    let mut found = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    found.next().map(|(_, value)| value.trim())
}

fn chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut size = String::new();
    reader.read_line(&mut size).unwrap();
    assert!(!size.is_empty(), "the server has closed the connection");
    let size = usize::from_str_radix(size.trim(), 16).unwrap();
    if size == 0 {
        headers(reader); // Trailers, and the empty line.
        return None;
    }
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes).unwrap();
    bytes.truncate(size);
    Some(bytes)
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    std::iter::from_fn(|| chunk(reader)).flatten().collect()
}
