//! What is written down of a run: one line each, so that whatever a killed process had finished can be read.

use super::clock::Timestamp;
use std::{
    fmt::{self, Display},
    str::{FromStr, SplitWhitespace},
};

/// An operation: the process that carried it out, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    /// The process; one that is started again is another.
    pub process: u32,
    /// The number of the operation in its process.
    pub number: u32,
}

impl Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.process, self.number))
    }
}

impl FromStr for OpId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (process, number) = text.split_once('.').ok_or_else(|| format!("no operation: `{text}`"))?;
        let number_of = |text: &str| text.parse().map_err(|_| format!("no number: `{text}`"));
        Ok(Self { process: number_of(process)?, number: number_of(number)? })
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It returned what it should.
    Ok,
    /// It returned an error of its body.
    Err,
    /// It was refused before it began.
    Refused,
    /// Its body panicked.
    Panicked,
    /// Its future was dropped.
    Cancelled,
}

const ENDED: [(Ended, &str); 5] = [
    (Ended::Ok, "ok"),
    (Ended::Err, "err"),
    (Ended::Refused, "refused"),
    (Ended::Panicked, "panicked"),
    (Ended::Cancelled, "cancelled"),
];

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(ENDED.iter().find(|(ended, _)| ended == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for Ended {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ENDED.iter().find(|(_, name)| *name == text);
        known.map(|(ended, _)| *ended).ok_or_else(|| format!("no end of an operation: `{text}`"))
    }
}

/// A read, written down when it has ended: one that has not tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Which.
    pub op: OpId,
    /// Whether it went past the cache, to observe the origin.
    pub direct: bool,
    /// The key that was asked for.
    pub key: u64,
    /// No earlier than this.
    pub begin: Timestamp,
    /// No later than this.
    pub end: Timestamp,
    /// How.
    pub ended: Ended,
    /// The key that the answer is about.
    pub about: u64,
    /// The version in the answer.
    pub version: u64,
}

/// A body of a read that has asked the origin, written down before it gives its answer to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Of which read.
    pub op: OpId,
    /// Whether that read went past the cache.
    pub direct: bool,
    /// The key.
    pub key: u64,
    /// What the origin said.
    pub version: u64,
    /// The origin was asked then.
    pub begin: Timestamp,
    /// It had answered by then.
    pub end: Timestamp,
}

/// The begin of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// Which.
    pub op: OpId,
    /// No earlier than this.
    pub begin: Timestamp,
}

/// The end of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Which.
    pub op: OpId,
    /// No later than this.
    pub end: Timestamp,
    /// How.
    pub ended: Ended,
    /// Some guard could not be placed in this process while it ran.
    pub unguarded: bool,
    /// Number of undelivered deletions of this process when it ended.
    pub recovering: u64,
}

/// What a process has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Which.
    pub process: u32,
    /// When it had been read.
    pub at: Timestamp,
    /// Number of undelivered deletions.
    pub recovering: u64,
    /// Number of refused fills so far.
    pub refused_fills: u64,
    /// Number of times that it found what it could not read, or could not write what it had, so far.
    pub unreadable: u64,
}

/// Something that was done to all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// It began then.
    pub begin: Timestamp,
    /// It was over by then.
    pub end: Timestamp,
    /// Redis may have lost its data.
    pub loss: bool,
    /// What.
    pub what: String,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// `read OP cached|direct KEY BEGIN END ENDED ABOUT VERSION`
    Read(Read),
    /// `load OP cached|direct KEY VERSION BEGIN END`
    Load(Load),
    /// `write OP BEGIN`
    Begun(Begun),
    /// `done OP END ENDED guarded|unguarded RECOVERING`
    Done(Done),
    /// `version KEY VERSION OP`: what the origin says about who wrote a version.
    Version(u64, u64, OpId),
    /// `counted PROCESS AT RECOVERING REFUSED_FILLS UNREADABLE`
    Counted(Counted),
    /// `killed PROCESS AT`
    Killed(u32, Timestamp),
    /// `event BEGIN END disturbed|lost WHAT…`
    Event(Event),
}

impl Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |direct| if direct { "direct" } else { "cached" };
        match self {
            Self::Read(Read { op, direct, key, begin, end, ended, about, version }) => {
                write!(f, "read {op} {} {key} {} {} {ended} {about} {version}", way(*direct), begin.0, end.0)
            }
            Self::Load(Load { op, direct, key, version, begin, end }) => {
                write!(f, "load {op} {} {key} {version} {} {}", way(*direct), begin.0, end.0)
            }
            Self::Begun(Begun { op, begin }) => write!(f, "write {op} {}", begin.0),
            Self::Done(Done { op, end, ended, unguarded, recovering }) => {
                let guarded = if *unguarded { "unguarded" } else { "guarded" };
                write!(f, "done {op} {} {ended} {guarded} {recovering}", end.0)
            }
            Self::Version(key, version, op) => write!(f, "version {key} {version} {op}"),
            Self::Counted(Counted { process, at, recovering, refused_fills, unreadable }) => {
                write!(f, "counted {process} {} {recovering} {refused_fills} {unreadable}", at.0)
            }
            Self::Killed(process, at) => write!(f, "killed {process} {}", at.0),
            Self::Event(Event { begin, end, loss, what }) => {
                write!(f, "event {} {} {} {what}", begin.0, end.0, if *loss { "lost" } else { "disturbed" })
            }
        }
    }
}

impl FromStr for Record {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words { line, words: line.split_whitespace() };
        Ok(match words.word()? {
            "read" => Self::Read(Read {
                op: words.next()?,
                direct: words.is("direct")?,
                key: words.next()?,
                begin: words.moment()?,
                end: words.moment()?,
                ended: words.next()?,
                about: words.next()?,
                version: words.next()?,
            }),
            "load" => Self::Load(Load {
                op: words.next()?,
                direct: words.is("direct")?,
                key: words.next()?,
                version: words.next()?,
                begin: words.moment()?,
                end: words.moment()?,
            }),
            "write" => Self::Begun(Begun { op: words.next()?, begin: words.moment()? }),
            "done" => Self::Done(Done {
                op: words.next()?,
                end: words.moment()?,
                ended: words.next()?,
                unguarded: words.is("unguarded")?,
                recovering: words.next()?,
            }),
            "version" => Self::Version(words.next()?, words.next()?, words.next()?),
            "counted" => Self::Counted(Counted {
                process: words.next()?,
                at: words.moment()?,
                recovering: words.next()?,
                refused_fills: words.next()?,
                unreadable: words.next()?,
            }),
            "killed" => Self::Killed(words.next()?, words.moment()?),
            "event" => Self::Event(Event {
                begin: words.moment()?,
                end: words.moment()?,
                loss: words.is("lost")?,
                what: words.words.collect::<Vec<_>>().join(" "),
            }),
            _ => return Err(format!("unknown record: `{line}`")),
        })
    }
}

struct Words<'a> {
    line: &'a str,
    words: SplitWhitespace<'a>,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> Result<&'a str, String> {
        self.words.next().ok_or_else(|| format!("too short: `{}`", self.line))
    }

    fn is(&mut self, word: &str) -> Result<bool, String> {
        Ok(self.word()? == word)
    }

    fn next<T: FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("`{word}` in `{}`", self.line))
    }

    fn moment(&mut self) -> Result<Timestamp, String> {
        self.next().map(Timestamp)
    }
}
