//! Every fault with every operation; the table of it stands in the documentation.

use std::{panic::catch_unwind, process::Command, sync::Mutex, thread};

use cached_aside_tests::faults::{
    cell::{Seen, try_cell},
    fault::{FAULTS, Fault},
    operation::Operation,
    page,
};
use expect_test::expect_file;

/// Number of faults that run at a time: their cells mostly wait.
const AT_A_TIME: usize = 6;

#[test]
fn the_page_says_what_the_suite_tries() {
    expect_file!["../../docs/faults.md"].assert_eq(&page::page());
}

#[test]
fn every_fault_with_every_operation() {
    let next = Mutex::new(FAULTS.iter().filter(|fault| fault.is_possible()));
    let seen = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(fault) = next.lock().unwrap().next() else { return };
                    let cells =
                        Operation::ALL.map(|operation| catch_unwind(|| try_cell(fault, operation)).ok());
                    seen.lock().unwrap().push((fault, cells.to_vec()));
                }
            });
        }
    });
    let mut seen: Vec<(&Fault, Vec<Option<Seen>>)> = seen.into_inner().unwrap();
    seen.sort_by_key(|(fault, _)| FAULTS.iter().position(|known| known.name == fault.name));
    let table = page::seen(&seen);
    println!("{table}");
    let failed = seen.iter().flat_map(|(_, cells)| cells).filter(|cell| cell.is_none()).count();
    assert_eq!(failed, 0, "cells failed:\n{table}");
}

/// In a process of its own, whose memory is measured.
fn soak(part: &str, further: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak"));
    let output = command.arg(part).args(further).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn fault_after_fault() {
    soak("faults", &["--seconds", "15"]);
}

#[test]
fn a_server_that_hangs_under_load_costs_no_memory() {
    // As many as an unoptimised program beside many others can serve.
    soak("hang", &["--seconds", "4", "--callers", "400"]);
}
