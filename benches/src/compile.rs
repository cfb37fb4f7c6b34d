//! What the attributes cost the compiler.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{report::Report, results::median};

/// A way to write the same functions.
struct Kind {
    name: &'static str,
    dependency: String,
    start: &'static str,
    function: fn(usize) -> String,
}

fn kinds() -> [Kind; 3] {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("runtime");
    [
        Kind {
            name: "no attribute",
            dependency: "redis = { version = \"=1.8.1\", default-features = false, features = [\"script\", \"tokio-comp\"] }".to_owned(),
            start: "",
            function: |number| function("", number),
        },
        Kind {
            name: "cached-aside",
            dependency: format!("cached-aside = {{ path = {ours:?} }}"),
            start: "use cached_aside::cached_aside;\n",
            function: |number| {
                function(&format!("#[cached_aside(ttl = \"5m\", key = \"f{number}:{{id}}\")]\n"), number)
            },
        },
        Kind {
            name: "cached",
            dependency: "cached = { version = \"=4.1.0\", features = [\"async\", \"proc_macro\", \"redis_tokio\"] }".to_owned(),
            start: "use cached::{AsyncRedisCache, macros::concurrent_cached};\n",
            function: |number| {
                let attribute = format!(
                    "#[concurrent_cached(map_error = r##\"|error| format!(\"{{error:?}}\")\"##, \
                     ty = \"AsyncRedisCache<u64, User>\", create = r##\" {{ AsyncRedisCache::builder(\"f{number}\")\
                     .ttl(std::time::Duration::from_secs(300)).build().await.expect(\"Redis\") }} \"##)]\n"
                );
                function(&attribute, number)
            },
        },
    ]
}

fn function(attribute: &str, number: usize) -> String {
    format!(
        "{attribute}pub async fn load_{number}(id: u64) -> Result<User, String> {{\n    \
         Ok(User {{ id, name: format!(\"{number} {{id}}\") }})\n}}\n\n"
    )
}

const FUNCTIONS: [usize; 3] = [1, 10, 100];
const ROUNDS: usize = 3;

pub fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.heading(
        "Compile time",
        "Processor time (s) of the compiler. The dependencies once, from nothing, without optimisation; then the crate itself with so \
         many functions, `cargo check` and `cargo build`.",
    );
    let mut head = ["", "crates", "dependencies"].map(str::to_owned).to_vec();
    for count in FUNCTIONS {
        head.extend([format!("{count}, check"), format!("{count}, build")]);
    }
    let mut rows = Vec::new();
    for kind in kinds() {
        let folder = tempfile::tempdir()?;
        let project = Project::write(folder.path(), &kind)?;
        let mut row = vec![kind.name.to_owned(), project.crates()?.to_string()];
        row.push(format!("{:.0}", project.cargo(&["build"])?));
        project.cargo(&["check"])?;
        for count in FUNCTIONS {
            for command in ["check", "build"] {
                let mut times = Vec::new();
                for round in 0..ROUNDS {
                    project.functions(&kind, count, round)?;
                    times.push(project.cargo(&[command])?);
                }
                row.push(format!("{:.2}", median(times)));
            }
        }
        rows.push(row);
    }
    report.table(&head, &rows);
    Ok(())
}

struct Project(PathBuf);

impl Project {
    fn write(folder: &Path, kind: &Kind) -> Result<Project, Box<dyn Error>> {
        let manifest = format!(
            "[package]\nname = \"functions\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n{}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\ntokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n",
            kind.dependency
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        // The same versions as here.
        fs::write(folder.join("Cargo.lock"), include_str!("../Cargo.lock"))?;
        fs::create_dir(folder.join("src"))?;
        let project = Project(folder.to_owned());
        project.functions(kind, 1, 0)?;
        Ok(project)
    }

    /// The round makes each text a new one.
    fn functions(&self, kind: &Kind, count: usize, round: usize) -> Result<(), Box<dyn Error>> {
        let mut text = format!(
            "pub const ROUND: usize = {round};\n{}\n#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]\n\
             pub struct User {{\n    pub id: u64,\n    pub name: String,\n}}\n\n",
            kind.start
        );
        let mut calls = String::new();
        for number in 0..count {
            text += &(kind.function)(number);
            writeln!(calls, "    let _ = load_{number}(1).await;")?;
        }
        write!(text, "#[tokio::main]\nasync fn main() {{\n{calls}}}\n")?;
        Ok(fs::write(self.0.join("src/main.rs"), text)?)
    }

    /// Different crates that are built, itself not counted.
    fn crates(&self) -> Result<usize, Box<dyn Error>> {
        let mut command = self.command(&["tree", "-e", "normal", "--prefix", "none"]);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let text = String::from_utf8(output.stdout)?;
        let mut crates: Vec<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
        crates.sort_unstable();
        crates.dedup();
        Ok(crates.len() - 1)
    }

    /// Runs cargo; the processor time (s) of all that it started.
    fn cargo(&self, args: &[&str]) -> Result<f64, Box<dyn Error>> {
        let before = children()?;
        let mut command = self.command(args);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(children()? - before)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.0).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", self.0.join("target")).env("CARGO_INCREMENTAL", "0");
        command
    }
}

/// Processor time (s) of all children that have ended, and of theirs. Linux counts it in hundredths.
fn children() -> Result<f64, Box<dyn Error>> {
    let told = fs::read_to_string("/proc/self/stat")?;
    // The name may hold spaces; after it comes the third field.
    let fields = told.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(13).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
