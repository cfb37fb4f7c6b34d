//! rust-analyzer, spoken to over its standard input and output.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long it may take: it builds the macros and their dependencies, where that has not been done.
const LONG: Duration = Duration::from_secs(600);
/// The answer of a request that came too early: the content has changed meanwhile, or the request was cancelled.
const AGAIN: [i64; 2] = [-32801, -32802];

/// A running rust-analyzer; ended when dropped.
pub(crate) struct Server {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    sent: u64,
    /// Whether it has read everything.
    quiescent: bool,
}

impl Server {
    /// Opens the program in this folder. `target` is where it builds the macros.
    pub(crate) fn open(program: &str, folder: &Path, target: &Path, macros: &Path) -> Server {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().expect("it runs");
        let (to, from) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        let (report, reported) = channel();
        thread::spawn(move || {
            let mut from = BufReader::new(from);
            while let Some(message) = read(&mut from) {
                if report.send(message).is_err() {
                    return;
                }
            }
        });
        let mut server = Server { process, to, from: reported, sent: 0, quiescent: false };
        // Without the sources of the standard library, which it would install: the compiler's messages differ with them.
        let options = json!({
            "cargo": { "sysroot": null },
            "procMacro": { "server": macros },
            "checkOnSave": false,
            "cachePriming": { "enable": false },
        });
        server.ask(
            "initialize",
            &json!({
                "processId": null,
                "rootUri": format!("file://{}", folder.display()),
                "capabilities": { "experimental": { "serverStatusNotification": true } },
                "initializationOptions": options,
            }),
        );
        server.tell("initialized", &json!({}));
        server
    }

    /// Waits until it has read everything.
    pub(crate) fn wait(&mut self) {
        let begun = Instant::now();
        while !self.quiescent {
            assert!(begun.elapsed() < LONG, "it has not read the program");
            self.hear();
        }
    }

    pub(crate) fn tell(&mut self, method: &str, parameters: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    /// The answer to a request, which is made again where it came too early.
    pub(crate) fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        let begun = Instant::now();
        loop {
            self.sent += 1;
            let number = self.sent;
            self.send(&json!({ "jsonrpc": "2.0", "id": number, "method": method, "params": parameters }));
            let answer = loop {
                assert!(begun.elapsed() < LONG, "no answer to {method}");
                if let Some(answer) = self.hear().filter(|message| message["id"] == number) {
                    break answer;
                }
            };
            match answer["error"]["code"].as_i64() {
                Some(code) if AGAIN.contains(&code) => {}
                Some(_) => panic!("{method}: {}", answer["error"]),
                None => return answer["result"].clone(),
            }
        }
    }

    /// The next message, unless it was a question, which is answered, or what it says of itself.
    fn hear(&mut self) -> Option<Value> {
        let message = match self.from.recv_timeout(Duration::from_secs(1)) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended"),
        };
        match (message["method"].as_str(), message.get("id")) {
            (Some("experimental/serverStatus"), None) => {
                self.quiescent = message["params"]["quiescent"] == true;
                None
            }
            (Some(method), Some(id)) => {
                let items = message["params"]["items"].as_array().map_or(0, Vec::len);
                let result = if method == "workspace/configuration" {
                    vec![Value::Null; items].into()
                } else {
                    Value::Null
                };
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
                None
            }
            (Some(_), None) => None,
            (None, _) => Some(message),
        }
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{text}", text.len())
            .and_then(|()| self.to.flush())
            .expect("it reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(from: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().ok()?;
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut text = vec![0; length];
    from.read_exact(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}
