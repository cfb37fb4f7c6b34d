//! The live table on a terminal.

use std::{
    io,
    time::{Duration, Instant},
};

use ratatui::{
    Frame,
    crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Modifier, Style},
    widgets::{Paragraph, Row as Line, Table, TableState},
};

use super::{HEADS, Sample, WIDTHS, cells};
use crate::{failure::Failure, servers::Connected};

/// How long a key waits at most until it is looked at.
const KEYS: Duration = Duration::from_millis(100);
const HELP: &str = "s: sort by the next column   up, down: scroll   q: quit";

/// Shows the table until `q` is pressed.
pub(super) async fn run(at: &Connected, interval: Duration) -> Result<bool, Failure> {
    // What can fail without a terminal being taken fails first.
    let sample = Sample::take(at).await?;
    let mut terminal = ratatui::try_init()?;
    let done = watch(at, interval, sample, &mut terminal).await;
    ratatui::restore();
    done.map(|()| true)
}

async fn watch(
    at: &Connected,
    interval: Duration,
    sample: Sample,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result<(), Failure> {
    let mut screen = Screen::new(sample);
    let mut taken = Instant::now();
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        match tokio::task::block_in_place(pressed)? {
            Some(Pressed::Quit) => return Ok(()),
            Some(pressed) => screen.obey(pressed),
            None => {}
        }
        if taken.elapsed() >= interval {
            taken = Instant::now();
            match Sample::take(at).await {
                Ok(sample) => screen.show(sample),
                // It may come back.
                Err(error) => screen.problem = Some(error.to_string()),
            }
        }
    }
}

/// What was asked for by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressed {
    Quit,
    Sort,
    Up,
    Down,
}

fn pressed() -> io::Result<Option<Pressed>> {
    if !event::poll(KEYS)? {
        return Ok(None);
    }
    let Event::Key(key) = event::read()? else { return Ok(None) };
    if key.kind == KeyEventKind::Release {
        return Ok(None);
    }
    Ok(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Pressed::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Pressed::Quit),
        KeyCode::Char('s') => Some(Pressed::Sort),
        KeyCode::Up => Some(Pressed::Up),
        KeyCode::Down => Some(Pressed::Down),
        _ => None,
    })
}

#[derive(Debug)]
struct Screen {
    sample: Sample,
    /// The column by which the functions are sorted.
    sorted: usize,
    table: TableState,
    problem: Option<String>,
}

impl Screen {
    fn new(sample: Sample) -> Screen {
        Screen { sample, sorted: 0, table: TableState::default(), problem: None }
    }

    fn show(&mut self, sample: Sample) {
        self.sample = sample.after(&self.sample);
        self.problem = None;
    }

    fn obey(&mut self, pressed: Pressed) {
        match pressed {
            Pressed::Sort => self.sorted = (self.sorted + 1) % HEADS.len(),
            Pressed::Up => self.table.select_previous(),
            Pressed::Down => self.table.select_next(),
            Pressed::Quit => {}
        }
    }

    /// The functions in the order of the column: the largest first, names by the alphabet.
    fn rows(&self) -> Vec<[String; 9]> {
        let mut rows: Vec<_> = self.sample.totals.functions.iter().collect();
        let value = |name: &str, row: &super::Row| match self.sorted {
            0 => self.sample.rate_of(name).unwrap_or_default(),
            2 => row.hit_rate().unwrap_or_default(),
            column => {
                let count = match column {
                    1 => row.hits(),
                    3 => row.get("loads"),
                    4 => {
                        row.load_time().map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
                    }
                    5 => row.get("stale"),
                    6 => row.get("fills_refused"),
                    7 => row.errors(),
                    _ => 0,
                };
                u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
            }
        };
        // The map is sorted by name, and the sort keeps that order among equals.
        rows.sort_by(|(one, a), (other, b)| value(other, b).total_cmp(&value(one, a)));
        rows.into_iter().map(|(name, row)| cells(name, row, self.sample.rate_of(name))).collect()
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let [title, table, help] =
            Layout::vertical([Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
                .areas(frame.area());
        let text = self.problem.clone().unwrap_or_else(|| self.sample.title());
        frame.render_widget(Paragraph::new(text), title);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let heads = HEADS.iter().enumerate().map(|(column, head)| {
            if column == self.sorted { format!("{head}*") } else { (*head).to_owned() }
        });
        let widths = WIDTHS.iter().map(|width| Constraint::Length(u16::try_from(width + 1).unwrap_or(12)));
        let widths = widths.chain([Constraint::Min(20)]);
        let rows = self.rows().into_iter().map(Line::new);
        let widget = Table::new(rows, widths)
            .header(Line::new(heads).style(bold))
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(widget, table, &mut self.table);
        frame.render_widget(Paragraph::new(HELP), help);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cached_aside_inspector::published::Totals;
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn sample(hits: u64) -> Sample {
        let text = format!(
            r#"{{"schema":1,"functions":{{"app::often":{{"hits":{hits},"misses":1}},"app::slow\u001b":{{"loads":2,"load_us":3000}}}},"writes":{{}},"recovering":0}}"#
        );
        Sample { totals: Totals::of(&[text.into_bytes()]), taken: Instant::now(), rates: BTreeMap::new() }
    }

    fn drawn(screen: &mut Screen) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(110, 8)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |row: u16| (0..110).map(|column| buffer[(column, row)].symbol()).collect::<String>();
        (0..8).map(|row| line(row).trim_end().to_owned()).collect()
    }

    #[test]
    fn the_table_moves_and_is_sorted_by_the_column_that_was_asked_for() {
        let mut screen = Screen::new(sample(9));
        let first = drawn(&mut screen);
        assert!(first[0].starts_with("1 process(es)") && first[1].starts_with("CALLS/S*"), "{first:?}");
        assert!(first[2].contains("90.0 %") && first[2].ends_with("app::often"), "{first:?}");
        assert!(first[3].ends_with("app::slow\\u{1b}"), "a name is shown as text: {first:?}");
        assert_eq!(first[7], HELP);
        let earlier = screen.sample.taken;
        let mut next = sample(29);
        next.taken = earlier + Duration::from_secs(10);
        screen.show(next);
        let moved = drawn(&mut screen);
        assert!(moved[2].starts_with("2.0 ") && moved[2].contains(" 29 "), "{moved:?}");
        for _ in 0..4 {
            screen.obey(Pressed::Sort);
        }
        let sorted = drawn(&mut screen);
        assert!(sorted[1].contains("LOAD TIME*") && sorted[2].contains("1.5 ms"), "{sorted:?}");
        screen.obey(Pressed::Down);
        drawn(&mut screen);
        assert_eq!(screen.table.selected(), Some(0));
    }
}
