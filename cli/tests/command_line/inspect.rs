//! `inspect`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use cached_aside_tests::RedisServer;

use crate::support::{catalog, filled, program};

/// The program while it serves; ended when dropped.
struct Serving {
    process: Child,
    /// `127.0.0.1:port`.
    address: String,
}

impl Serving {
    fn start(args: &[&str]) -> Serving {
        let mut process =
            program().arg("inspect").args(args).stdout(Stdio::piped()).spawn().expect("the program runs");
        let mut line = String::new();
        let out = process.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Serving { process, address }
    }

    /// The answer to a request, with its head.
    fn ask(&self, method: &str, path: &str, host: &str, more: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).expect("it listens");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}");
        connection.write_all(request.as_bytes()).expect("it listens");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).expect("an answer");
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask("GET", path, &self.address, "\r\n")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_page_is_served_alone_on_this_machine() {
    let server = RedisServer::start();
    filled(&server.url()).await;
    let dir = tempfile::tempdir().unwrap();
    let path = catalog(&dir);
    let serving = Serving::start(&[&server.url(), "--catalog", path.to_str().unwrap()]);
    assert!(serving.address.starts_with("127.0.0.1:"), "{}", serving.address);
    assert!(serving.get("/").contains("<title>cached-aside</title>"));
    let entry = serving.get("/api/entry?key=user:1");
    assert!(entry.contains("\"state\":\"value\"") && entry.contains("support::save_user"), "{entry}");
    // The counts are those that processes publish, of which there are none.
    assert!(serving.get("/api/overview").contains("\"processes\":0"));

    // A name of another site that leads here (DNS rebinding).
    let port = serving.address.rsplit(':').next().unwrap();
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1:1"] {
        let answer = serving.ask("GET", "/api/entry?key=user:1", host, "\r\n");
        assert!(answer.starts_with("HTTP/1.1 403") && !answer.contains("value"), "{host}: {answer}");
    }
    assert!(serving.ask("GET", "/", &format!("localhost:{port}"), "\r\n").starts_with("HTTP/1.1 200"));

    let body = "{\"key\":\"user:1\"}";
    let head = format!("x-cached-aside: invalidate\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let refused = serving.ask("POST", "/api/invalidate", &serving.address, &head);
    assert!(refused.starts_with("HTTP/1.1 403"), "it is read-only: {refused}");
    let writing = Serving::start(&[&server.url(), "--allow-invalidation"]);
    let done = writing.ask("POST", "/api/invalidate", &writing.address, &head);
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert!(writing.get("/api/entry?key=user:1").contains("\"state\":\"absent\""));
}
