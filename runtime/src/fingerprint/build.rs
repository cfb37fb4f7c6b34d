//! Which build of the program this is: the same in all processes that run it, and another in any other build.
//!
//! That is the build id which linkers write into programs for Linux, otherwise the program's bytes. Of a library that
//! another program has loaded it is the library's. Where neither can be read, each process is a build of its own.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::OnceLock,
};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

static ID: OnceLock<u64> = OnceLock::new();

/// The build, if that is known or quick to find out.
pub(super) fn quick_id() -> Option<u64> {
    if let Some(id) = ID.get() {
        return Some(*id);
    }
    let note = build_id(&mut program()?).ok().flatten()?;
    Some(*ID.get_or_init(|| note))
}

/// The build. May read the whole program.
pub(super) fn id() -> u64 {
    let find_out = || {
        let contents = || hash(program()?).ok();
        contents().or_else(|| getrandom::u64().ok()).unwrap_or_default()
    };
    quick_id().unwrap_or_else(|| *ID.get_or_init(find_out))
}

/// The file that this code is in, as it was when it was loaded.
#[cfg(target_os = "linux")]
fn program() -> Option<File> {
    use std::os::unix::fs::MetadataExt;

    let here = quick_id as fn() -> Option<u64> as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let (inode, path) = maps.lines().find_map(|line| mapped(line, here))?;
    // A link to what runs, whatever has been put in its place since.
    let itself = File::open("/proc/self/exe").ok()?;
    if itself.metadata().ok()?.ino() == inode {
        return Some(itself);
    }
    let library = File::open(path).ok()?;
    (library.metadata().ok()?.ino() == inode).then_some(library)
}

/// Inode and path of the file in a line of `/proc/self/maps` that covers an address.
#[cfg(target_os = "linux")]
fn mapped(line: &str, address: usize) -> Option<(u64, &str)> {
    let mut columns = line.splitn(6, ' ');
    let (from, to) = columns.next()?.split_once('-')?;
    let bound = |text| usize::from_str_radix(text, 16).ok();
    if !(bound(from)?..bound(to)?).contains(&address) {
        return None;
    }
    Some((columns.nth(3)?.parse().ok()?, columns.next()?.trim_start()))
}

#[cfg(not(target_os = "linux"))]
fn program() -> Option<File> {
    File::open(std::env::current_exe().ok()?).ok()
}

/// The build id of a 64-bit ELF file, with its length, should somebody link all builds with one id.
fn build_id(program: &mut File) -> io::Result<Option<u64>> {
    const PT_NOTE: u32 = 4;
    const MAX_NOTES: usize = 1 << 16;
    let mut header = [0; 64];
    program.read_exact(&mut header)?;
    if header[..6] != *b"\x7fELF\x02\x01" {
        return Ok(None);
    }
    let (at, size) = (number(&header, 32, 8), number(&header, 54, 2));
    for index in 0..number(&header, 56, 2) {
        program.seek(SeekFrom::Start(at + index * size))?;
        let mut segment = [0; 56];
        program.read_exact(&mut segment)?;
        if segment[..4] != PT_NOTE.to_le_bytes() {
            continue;
        }
        let length = usize::try_from(number(&segment, 32, 8)).unwrap_or(MAX_NOTES).min(MAX_NOTES);
        let mut notes = vec![0; length];
        program.seek(SeekFrom::Start(number(&segment, 8, 8)))?;
        program.read_exact(&mut notes)?;
        if let Some(id) = in_notes(&notes) {
            let length = program.metadata()?.len();
            return Ok(Some(xxh3_64(&[id, &length.to_le_bytes()].concat())));
        }
    }
    Ok(None)
}

fn in_notes(mut notes: &[u8]) -> Option<&[u8]> {
    const NT_GNU_BUILD_ID: u64 = 3;
    loop {
        let (head, rest) = notes.split_at_checked(12)?;
        let padded = |at| usize::try_from(number(head, at, 4).next_multiple_of(4)).unwrap_or(usize::MAX);
        let (name, rest) = rest.split_at_checked(padded(0))?;
        let (content, rest) = rest.split_at_checked(padded(4))?;
        if number(head, 8, 4) == NT_GNU_BUILD_ID && name == b"GNU\0" && content.len() >= 8 {
            return Some(content);
        }
        notes = rest;
    }
}

/// A little-endian number.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hash(mut program: File) -> io::Result<u64> {
    program.seek(SeekFrom::Start(0))?;
    let (mut hasher, mut part) = (Xxh3::new(), vec![0; 1 << 18]);
    loop {
        match program.read(&mut part)? {
            0 => return Ok(hasher.digest()),
            length => hasher.update(&part[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_one_id() {
        assert_eq!(id(), id());
        assert_eq!(quick_id(), Some(id()));
    }

    #[test]
    fn another_program_is_another_build() {
        let own = hash(program().unwrap()).unwrap();
        assert_eq!(own, hash(File::open(std::env::current_exe().unwrap()).unwrap()).unwrap());
        let folder = std::env::temp_dir().join(format!("cached-aside-build-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let of = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.join(name), bytes).unwrap();
            let open = || File::open(folder.join(name)).unwrap();
            (build_id(&mut open()).ok().flatten(), hash(open()).unwrap())
        };
        let mut elf = [0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[32], elf[54], elf[56]) = (64, 56, 1);
        (elf[64], elf[64 + 8], elf[64 + 32]) = (4, 120, 32);
        let with_id = |id: u8| {
            let note = [&[4, 0, 0, 0, 16, 0, 0, 0, 3, 0, 0, 0][..], b"GNU\0", &[id; 16]].concat();
            [&elf[..], &note].concat()
        };
        let (one, same, other) = (of("one", &with_id(1)), of("same", &with_id(1)), of("other", &with_id(2)));
        assert!(one.0.is_some() && one == same && one.0 != other.0 && one.1 != other.1);
        let longer = of("longer", &[&with_id(1)[..], &[0]].concat());
        assert_ne!(one.0, longer.0);
        for cut in 0..with_id(1).len() {
            assert_eq!(of("cut", &with_id(1)[..cut]).0, None);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_file_of_an_address_is_found() {
        let line = "7f00-7fff r-xp 00001000 08:01 1234                       /usr/lib/with a space.so";
        assert_eq!(mapped(line, 0x7f80), Some((1234, "/usr/lib/with a space.so")));
        assert_eq!(mapped(line, 0x7fff), None);
    }
}
