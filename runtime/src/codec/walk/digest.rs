//! A digest of the calls of a walk.

use xxhash_rust::xxh3::xxh3_64;

/// One step of a digest: no two values of `next` give the same for one digest.
pub(super) const fn fold(digest: u64, next: u64) -> u64 {
    (digest.rotate_left(5) ^ next).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Spreads a digest over all bits, so that sums of digests mean something.
pub(super) fn spread(digest: u64) -> u64 {
    let digest = (digest ^ (digest >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let digest = (digest ^ (digest >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    digest ^ (digest >> 33)
}

pub(super) fn text(text: &str) -> u64 {
    bytes(text.as_bytes())
}

pub(super) fn bytes(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Where a digest begins: each kind of call elsewhere.
pub(super) const fn begin(kind: &str) -> u64 {
    let (kind, mut digest, mut at) = (kind.as_bytes(), 0x517C_C1B7_2722_0A95, 0);
    while at < kind.len() {
        digest = fold(digest, kind[at] as u64);
        at += 1;
    }
    digest
}
