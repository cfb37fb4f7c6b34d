//! A headless Chromium, driven by the protocol of its developer tools, over two pipes.
//!
//! The program is what `CACHED_ASIDE_TEST_BROWSER` names, else `chromium` in `PATH`; `cargo xtask test` installs it.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the browser may take to answer: it may have to share the machine.
const ANSWER: Duration = Duration::from_secs(60);

/// A browser with one tab; closed when dropped.
pub(crate) struct Browser {
    process: Child,
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    /// What it has reported of itself: requests, errors, exceptions.
    events: Vec<Value>,
    /// Its profile, gone with it.
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Browser {
        let profile = tempfile::tempdir().expect("a folder");
        let program = env::var_os("CACHED_ASIDE_TEST_BROWSER").unwrap_or_else(|| OsString::from("chromium"));
        // The protocol's pipes are numbers 3 and 4.
        let mut command = Command::new("sh");
        command
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(&program)
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("`sh` runs");
        let (to, from) = (process.stdin.take(), process.stdout.take().expect("it is piped"));
        let (report, reported) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0) {
                let Ok(message) = message else { return };
                if report.send(serde_json::from_slice(&message).expect("JSON")).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser {
            process,
            to,
            from: reported,
            session: None,
            sent: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attached);
        browser.session = Some(session["sessionId"].as_str().expect("a text").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method });
        message["params"] = params;
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let to = self.to.as_mut().expect("it is open");
        to.write_all(format!("{message}\0").as_bytes())
            .expect("`chromium` runs; `cargo xtask test` installs it");
        loop {
            let answer = self.from.recv_timeout(ANSWER);
            let answer = answer.unwrap_or_else(|error| {
                panic!("{method}: {error}; is `chromium` there? `cargo xtask test` installs it")
            });
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            if answer["method"].is_string() {
                self.events.push(answer);
            }
        }
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression in the page is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            if begun.elapsed() > ANSWER {
                let page = self.value("document.body.innerText");
                panic!(
                    "never true: {expression}\n{}\n{:?}",
                    page.as_str().unwrap_or_default(),
                    self.complaints()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the page shows.
    pub(crate) fn text(&mut self) -> String {
        self.value("document.body.innerText").as_str().expect("a text").to_owned()
    }

    /// Presses a key, on whatever has the focus.
    pub(crate) fn press(&mut self, key: &str) {
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            _ => 0,
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" && kind == "keyDown" { "\r" } else { "" };
            let params =
                json!({ "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// A picture of what it shows, as a PNG in base 64.
    pub(crate) fn picture(&mut self) -> String {
        self.call("Page.captureScreenshot", json!({ "format": "png" }))["data"]
            .as_str()
            .expect("a text")
            .to_owned()
    }

    /// Everything that it has asked for.
    pub(crate) fn requests(&self) -> Vec<&str> {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }

    /// Errors in its console and exceptions: what the policy of the page refuses is among them.
    pub(crate) fn complaints(&self) -> Vec<&Value> {
        let is_one = |event: &&Value| {
            event["method"] == "Runtime.exceptionThrown"
                || event["method"] == "Log.entryAdded" && event["params"]["entry"]["level"] == "error"
        };
        self.events.iter().filter(is_one).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends when nobody is at the other end of its pipes.
        drop(self.to.take());
        let begun = Instant::now();
        while self.process.try_wait().is_ok_and(|status| status.is_none()) {
            if begun.elapsed() > Duration::from_secs(10) {
                let _ = self.process.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
