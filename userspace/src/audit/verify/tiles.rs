//! Entries and hash tiles, straight from C2SP tlog-tiles.

use data_encoding::BASE64;

use super::directory::Directory;
use super::fault::Fault;
use super::merkle::{self, Hash};
use super::note::TreeHead;

/// Hashes in a full tile, entries in a full bundle.
const WIDTH: usize = 256;
/// Octets of the largest bundle.
const BUNDLE_OCTETS_MAX: u64 = WIDTH as u64 * (2 + 65_535);
/// Octets of the largest tile.
const TILE_OCTETS_MAX: u64 = WIDTH as u64 * 32;

/// Reads all entries of the tree and checks them, their hashes, and the partial tiles of earlier trees.
pub(super) fn read_entries(directory: &mut Directory<'_>, head: &TreeHead) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    while (entries.len() as u64) < head.size {
        let rest = usize::try_from(head.size - entries.len() as u64).unwrap_or(usize::MAX);
        match read_bundle(directory, entries.len() / WIDTH, rest.min(WIDTH)) {
            Some(bundle) => entries.extend(bundle),
            // Nothing behind a hole can be checked.
            None => return entries,
        }
    }
    let mut level: Vec<Hash> = entries.iter().map(|entry| merkle::leaf(entry)).collect();
    let found = merkle::root(&level);
    if found != head.root {
        let (signed, found) = (BASE64.encode(&head.root), BASE64.encode(&found));
        directory.faults.push(Fault::Root { signed, found });
    }
    for number in 0.. {
        if level.is_empty() {
            break;
        }
        for (index, hashes) in level.chunks(WIDTH).enumerate() {
            check_tile(directory, &format!("tile/{number}/{}", index_path(index)), hashes);
        }
        level = level.chunks_exact(WIDTH).map(merkle::root).collect();
    }
    entries
}

/// The entries of one bundle; `None`: it is a fault already.
fn read_bundle(directory: &mut Directory<'_>, index: usize, width: usize) -> Option<Vec<Vec<u8>>> {
    let path = format!("tile/entries/{}", index_path(index));
    let last = if width == WIDTH { path.clone() } else { format!("{path}.p/{width}") };
    let octets = directory.read(&last, BUNDLE_OCTETS_MAX)?;
    let Some(ends) = bundle_ends(&octets).filter(|ends| ends.len() == width) else {
        directory.faults.push(Fault::Bundle { path: last, entries: width });
        return None;
    };
    check_partials(directory, &path, width, BUNDLE_OCTETS_MAX, |width| &octets[..ends[width - 1]]);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    Some(starts.zip(&ends).map(|(start, &end)| octets[start + 2..end].to_vec()).collect())
}

/// Where each entry of a bundle ends; `None` if the last does not end with the bundle.
fn bundle_ends(octets: &[u8]) -> Option<Vec<usize>> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while at < octets.len() {
        let length = octets[at..].first_chunk()?;
        at += 2 + usize::from(u16::from_be_bytes(*length));
        ends.push(at);
    }
    (at == octets.len()).then_some(ends)
}

fn check_tile(directory: &mut Directory<'_>, path: &str, hashes: &[Hash]) {
    let octets = hashes.as_flattened();
    let last = if hashes.len() == WIDTH { path.to_owned() } else { format!("{path}.p/{}", hashes.len()) };
    if directory.read(&last, TILE_OCTETS_MAX).is_some_and(|found| found != octets) {
        directory.faults.push(Fault::Tile { path: last });
    }
    check_partials(directory, path, hashes.len(), TILE_OCTETS_MAX, |width| &octets[..width * 32]);
}

/// Partial tiles of earlier checkpoints may stay: each must be the beginning of the tile.
fn check_partials<'o>(
    directory: &mut Directory<'_>,
    path: &str,
    width: usize,
    max: u64,
    beginning: impl Fn(usize) -> &'o [u8],
) {
    let start = format!("{path}.p/");
    for partial in directory.beginning_with(&start) {
        let name = &partial[start.len()..];
        let Some(narrower) =
            name.parse().ok().filter(|n: &usize| (1..width).contains(n) && n.to_string() == name)
        else {
            continue;
        };
        if directory.read(&partial, max).is_some_and(|found| found != beginning(narrower)) {
            directory.faults.push(Fault::Tile { path: partial });
        }
    }
}

/// A tile's index as path elements of three digits; all but the last begin with `x`.
fn index_path(mut index: usize) -> String {
    let mut path = format!("{:03}", index % 1000);
    while index >= 1000 {
        index /= 1000;
        path = format!("x{:03}/{path}", index % 1000);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn index_is_split_as_in_the_specification() {
        assert_eq!(index_path(1_234_067), "x001/x234/067");
        assert_eq!(index_path(0), "000");
        assert_eq!(index_path(999), "999");
        assert_eq!(index_path(1000), "x001/000");
    }

    #[test]
    fn bundle_is_entries_behind_their_lengths() {
        assert_eq!(bundle_ends(b""), Some(vec![]));
        assert_eq!(bundle_ends(b"\0\x02ab\0\0\0\x01c"), Some(vec![4, 6, 9]));
        assert_eq!(bundle_ends(b"\0\x02a"), None);
        assert_eq!(bundle_ends(b"\0"), None);
    }

    proptest! {
        #[test]
        fn any_bundle_is_read_without_panic(octets in proptest::collection::vec(0..4_u8, 0..64)) {
            if let Some(ends) = bundle_ends(&octets) {
                prop_assert!(ends.is_sorted());
                prop_assert_eq!(ends.last().copied().unwrap_or(0), octets.len());
            }
        }
    }
}
