//! What is told of a violation.

use super::*;

#[test]
fn a_timeline_shows_the_operations_around_a_violation() {
    let text = format!("{TWO_WRITES}\nread 3.1 cached 1 51 60 ok 1 1\nevent 45 55 disturbed SCRIPT FLUSH");
    let history = history(&text);
    let text = timeline(&history, &check(&history, Class::Outages).violations[0]);
    let marked = |mark: &str| text.lines().find(|line| line.starts_with(mark)).unwrap_or_default().to_owned();
    assert!(marked("  >").contains("3.1       read: ok version 1"), "{text}");
    assert!(marked("  !").contains("1.2       write: ok, version 2"), "{text}");
    assert!(
        text.contains("* SCRIPT FLUSH") && text.contains("its body asked the origin: version 1"),
        "{text}"
    );
}

/// Where the guard failed the question is why, not how a stale read could come about.
#[test]
fn a_report_names_the_writes_that_were_not_guarded() {
    let text =
        format!("{TWO_WRITES}\nread 3.1 cached 1 51 60 ok 1 1").replace("50 ok guarded", "50 ok unguarded");
    let history = history(&text);
    let verdict = check(&history, Class::Pauses);
    let first = report::Report::new(Class::Pauses, &history, &verdict).first.unwrap_or_default();
    assert!(first.contains("1.2       write: ok, version 2, not guarded"), "{first}");
    assert!(first.contains("\nthen write 1.2 was not guarded"), "{first}");
}
