//! A process of its own that measures: one for each kind of runtime, so that what is installed for a whole process is
//! installed in each.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use cached_aside_benches::{
    cell::{Cell, Sample},
    origin::{self, Size},
    subject::{self, AnySubject},
};
use cached_aside_tests::RedisServer;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

/// What tokio runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Threads {
    One,
    Several,
}

impl Threads {
    pub fn name(self) -> &'static str {
        match self {
            Threads::One => "single-threaded",
            Threads::Several => "multi-threaded",
        }
    }

    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Threads::One => Builder::new_current_thread(),
            Threads::Several => Builder::new_multi_thread(),
        };
        builder.enable_all().build().expect("a runtime")
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    Check { subject: String },
    Prepare { subject: String, size: Size, keys: u64 },
    Measure { subject: String, cell: Cell, millis: u64 },
    Read { subject: String, id: u64 },
    Write { subject: String, id: u64 },
}

/// The orchestrator's end.
pub struct Worker {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// `part` keeps the ids apart that several workers read for the first time.
    pub fn start(server: &RedisServer, threads: Threads, part: usize) -> Worker {
        let mut process = Command::new(env::current_exe().expect("this program is a file"))
            .args(["worker", &server.url(), &server.pid().to_string(), threads.name(), &part.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let ask = process.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.stdout.take().expect("it is piped"));
        Worker { process, ask, answers }
    }

    fn tell(&mut self, ask: &Ask) {
        serde_json::to_writer(&mut self.ask, ask).expect("the worker listens");
        self.ask.write_all(b"\n").expect("the worker listens");
    }

    fn answer(&mut self) -> Option<Sample> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the worker answers");
        serde_json::from_str(&line).expect("the worker has not failed")
    }

    pub fn check(&mut self, subject: &str) {
        self.tell(&Ask::Check { subject: subject.to_owned() });
        self.answer();
    }

    pub fn prepare(&mut self, subject: &str, size: Size, keys: u64) {
        self.tell(&Ask::Prepare { subject: subject.to_owned(), size, keys });
        self.answer();
    }

    pub fn read(&mut self, subject: &str, id: u64) {
        self.tell(&Ask::Read { subject: subject.to_owned(), id });
        self.answer();
    }

    pub fn write(&mut self, subject: &str, id: u64) {
        self.tell(&Ask::Write { subject: subject.to_owned(), id });
        self.answer();
    }

    pub fn begin_measuring(&mut self, subject: &str, cell: Cell, time: Duration) {
        let millis = time.as_millis() as u64;
        self.tell(&Ask::Measure { subject: subject.to_owned(), cell, millis });
    }

    pub fn end_measuring(&mut self) -> Sample {
        self.answer().expect("a sample")
    }

    pub fn measure(&mut self, subject: &str, cell: Cell, time: Duration) -> Sample {
        self.begin_measuring(subject, cell, time);
        self.end_measuring()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The worker's end: answers what it is asked until nobody is there any more.
pub fn run(args: &[String]) {
    let [url, server, threads, part] = args else { panic!("a worker is started by the benchmark") };
    let server = server.parse().expect("a process id");
    let threads = [Threads::One, Threads::Several].into_iter().find(|kind| kind.name() == threads);
    let runtime = threads.expect("a kind of runtime").runtime();
    origin::begin_unused_at(part.parse().expect("a number"));
    let mut subjects: HashMap<String, Box<dyn AnySubject>> = HashMap::new();
    for line in io::stdin().lines() {
        let ask: Ask = serde_json::from_str(&line.expect("a line")).expect("a question");
        let (Ask::Check { subject: name }
        | Ask::Prepare { subject: name, .. }
        | Ask::Measure { subject: name, .. }
        | Ask::Read { subject: name, .. }
        | Ask::Write { subject: name, .. }) = &ask;
        let subject =
            subjects.entry(name.clone()).or_insert_with(|| runtime.block_on(subject::connect(name, url)));
        let answer = runtime.block_on(answer(&**subject, ask, server));
        println!("{}", serde_json::to_string(&answer).expect("it can be written"));
    }
}

async fn answer(subject: &dyn AnySubject, ask: Ask, server: u32) -> Option<Sample> {
    match ask {
        Ask::Check { .. } => subject.check().await,
        Ask::Prepare { size, keys, .. } => subject.prepare(size, keys).await,
        Ask::Read { id, .. } => drop(subject.get(id).await),
        Ask::Write { id, .. } => subject.write(id).await,
        Ask::Measure { cell, millis, .. } => {
            return Some(subject.measure(cell, Duration::from_millis(millis), server).await);
        }
    }
    None
}
