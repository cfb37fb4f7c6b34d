//! One of the processes of the chaos test: works until its input says `finish`, then says how many deletions it still owes.

use cached_aside_tests::chaos::load::{Places, Workload};
use std::{path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    sync::watch,
};

/// `work SUBJECT CLASS SEED PROCESS TASKS CACHE ORIGIN NAMESPACE JOURNAL`
#[tokio::main(worker_threads = 2)]
pub(crate) async fn run(args: &[String]) -> Result<(), String> {
    let [subject, class, seed, process, tasks, cache, origin, namespace, journal] = args else {
        return Err("work SUBJECT CLASS SEED PROCESS TASKS CACHE ORIGIN NAMESPACE JOURNAL".to_owned());
    };
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    let process = u32::try_from(number(process)?).map_err(|error| error.to_string())?;
    let places = Places { cache, origin, namespace, journal: Path::new(journal) };
    let workload = Workload::new(subject.parse()?, class.parse()?, process, places).await;
    let workload = Arc::new(workload.map_err(|error| error.to_string())?);
    let (finish, finishing) = watch::channel(false);
    let working = tokio::spawn(workload.work(number(tasks)?, number(seed)?, finishing));
    let mut lines = BufReader::new(stdin()).lines();
    if lines.next_line().await.ok().flatten().as_deref() == Some("finish") {
        finish.send_replace(true);
        let owing = working.await.map_err(|error| error.to_string())?;
        println!("{owing}");
    }
    Ok(())
}
