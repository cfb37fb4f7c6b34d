//! The report: printed as it is made, and written as Markdown.

use std::{fs, io, path::Path, process::Command, thread};

use cached_aside_tests::RedisServer;

#[derive(Default)]
pub struct Report {
    text: String,
    others: Option<f64>,
}

impl Report {
    fn say(&mut self, text: &str) {
        println!("{text}");
        self.text += text;
        self.text += "\n";
    }

    pub fn heading(&mut self, title: &str, note: &str) {
        self.say(&format!("\n## {title}\n\n{note}\n"));
    }

    /// The first column names the row; the others are numbers.
    pub fn table(&mut self, head: &[String], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
        let under: Vec<String> =
            (0..head.len()).map(|at| if at == 0 { "---" } else { "--:" }.to_owned()).collect();
        self.say(&line(head));
        self.say(&line(&under));
        for row in rows {
            self.say(&line(row));
        }
    }

    pub fn picture(&mut self, title: &str, file: &str) {
        self.say(&format!("\n![{title}]({file})"));
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn others(&mut self, others: f64) {
        self.others = Some(others);
    }

    pub fn write(&self, folder: &Path, machine: &str) -> io::Result<()> {
        let others = self.others.map_or_else(String::new, |others| {
            format!(" Other work used {:.0} % of the machine, median of all measurements.", others * 100.0)
        });
        let top = format!(
            "# Speed\n\nWritten by `cargo xtask bench`. {}\n\nEach number is a median of rounds in which all take turns, with the \
             least and the most in brackets; × is the median of the ratios to redis-rs by hand in the same round. \
             {machine}{others}\n",
            under(),
        );
        fs::create_dir_all(folder)?;
        fs::write(folder.join("speed.md"), top + &self.text)
    }
}

/// How many processors, for those who don't say better what the machine is.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores ({}, {})", std::env::consts::ARCH, std::env::consts::OS)
}

/// Versions of everything that was measured.
fn under() -> String {
    let server: redis::InfoDict = RedisServer::start().run(redis::cmd("INFO").arg("server"));
    let redis: String = server.get("redis_version").unwrap_or_default();
    let compiler = Command::new("rustc").arg("--version").output().map(|output| output.stdout);
    let compiler = String::from_utf8_lossy(&compiler.unwrap_or_default()).trim().to_owned();
    let crates = ["redis", "bincode", "cached", "cacheable", "hitbox", "multi-tier-cache", "fred", "tokio"];
    let crates: Vec<String> =
        crates.iter().filter_map(|name| Some(format!("{name} {}", version(name)?))).collect();
    format!("Redis {redis} on loopback; {compiler}; {}.", crates.join(", "))
}

/// The version that was built, from the lock file.
fn version(name: &str) -> Option<&'static str> {
    let mut lines = include_str!("../Cargo.lock").lines();
    let named = format!("name = \"{name}\"");
    lines.find(|line| **line == named)?;
    lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')
}
