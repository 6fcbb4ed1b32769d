//! The writer's Merkle tree: only its right edge is in memory, the rest is in tiles.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use tlog_tiles::{
    Error, Hash, HashReader, Tile, TileHashReader, TileReader, split_stored_hash_index, stored_hash_index,
    stored_hashes, tree_hash,
};

use super::disk;
use super::error::AuditError;

/// Levels of the tree in one tile (C2SP tlog-tiles, "Merkle Tree").
const TILE_HEIGHT: u8 = 8;

/// Hashes in a full tile, entries in a full bundle.
pub(super) const TILE_WIDTH: u32 = 1 << TILE_HEIGHT;

/// Entries of one log. Reason: thousands a second for a decade; leaves the tile arithmetic far from overflow.
pub(super) const ENTRIES_MAX: u64 = 1 << 40;

/// A file of the published log, by its path in the directory.
pub(super) type Published = (String, Vec<u8>);

/// The tile's path (C2SP tlog-tiles); entry bundles are tiles whose data flag is set.
pub(super) fn tile_path(tile: &Tile) -> String {
    // The library writes the height in front of the level, as Go's checksum database does.
    let path = tile.path();
    match path.strip_prefix("tile/8/data/") {
        Some(index) => format!("tile/entries/{index}"),
        None => path.replacen("tile/8/", "tile/", 1),
    }
}

/// The entry bundle with this index.
pub(super) fn bundle(index: u64, width: u32) -> Tile {
    Tile::new(TILE_HEIGHT, 0, index, width, true)
}

/// The directory of the partial tiles of the full tile at `path`.
pub(super) fn partials_of(path: &Path) -> PathBuf {
    path.with_added_extension("p")
}

/// The paths under `tile` that a log of `size` entries may have: full tiles, and of those that are not full yet, every
/// width until now, because each was published with some checkpoint.
pub(super) fn paths_until(size: u64) -> HashSet<String> {
    let mut paths = HashSet::new();
    for tile in Tile::new_tiles(TILE_HEIGHT, 0, size) {
        let first = if tile.width() == TILE_WIDTH { TILE_WIDTH } else { 1 };
        for width in first..=tile.width() {
            paths.insert(tile_path(&Tile::new(TILE_HEIGHT, tile.level(), tile.level_index(), width, false)));
            if tile.level() == 0 {
                paths.insert(tile_path(&bundle(tile.level_index(), width)));
            }
        }
    }
    paths
}

/// The partial tiles of a tree of `size` entries, lowest first: they hold its whole right edge.
fn edge_tiles(size: u64) -> Vec<Tile> {
    let tiles = Tile::new_tiles(TILE_HEIGHT, 0, size);
    tiles.into_iter().filter(|tile| tile.width() < TILE_WIDTH).collect()
}

/// The hashes that the tree's growth needs, by their stored hash index.
#[derive(Clone, Default)]
pub(super) struct Edge {
    hashes: HashMap<u64, Hash>,
}

impl HashReader for Edge {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        indexes.iter().map(|index| self.hashes.get(index).copied().ok_or(Error::IndexesNotInTree)).collect()
    }
}

/// Tiles that were read already.
struct ReadTiles(HashMap<Tile, Vec<u8>>);

impl TileReader for ReadTiles {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        tiles.iter().map(|tile| self.0.get(tile).cloned().ok_or(Error::InvalidTile)).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

impl Edge {
    /// Reads the right edge of the tree of `size` entries with this `root`; its tiles are checked against the root.
    pub(super) fn read(directory: &Path, size: u64, root: Hash) -> Result<Self, AuditError> {
        // The library expects a hash at least.
        if size == 0 {
            return Ok(Self::default());
        }
        let mut tiles = HashMap::new();
        let mut indexes = Vec::new();
        for tile in edge_tiles(size) {
            let path = directory.join(tile_path(&tile));
            let octets = disk::read(&path)?.ok_or(AuditError::Damaged { path })?;
            let first = tile.level_index() << TILE_HEIGHT;
            for level in 0..TILE_HEIGHT {
                let complete = u64::from(tile.width() >> level);
                let stored = |n| stored_hash_index(tile.level() * TILE_HEIGHT + level, (first >> level) + n);
                indexes.extend((0..complete).map(stored));
            }
            tiles.insert(tile, octets);
        }
        let tiles = ReadTiles(tiles);
        let hashes = TileHashReader::new(size, root, &tiles)
            .read_hashes(&indexes)
            .map_err(|_| AuditError::Damaged { path: directory.join("tile") })?;
        Ok(Self { hashes: indexes.into_iter().zip(hashes).collect() })
    }

    /// The hash of the entry at `index`, if it is in the edge.
    pub(super) fn leaf(&self, index: u64) -> Option<Hash> {
        self.hashes.get(&stored_hash_index(0, index)).copied()
    }

    /// Appends `entries` to a tree of `size`; returns the hash tiles that are new, and the new root.
    pub(super) fn grow(&mut self, size: u64, entries: &[Vec<u8>]) -> Result<(Vec<Published>, Hash), Error> {
        let mut grown = size;
        for entry in entries {
            let hashes = stored_hashes(grown, entry, self)?;
            self.hashes.extend((stored_hash_index(0, grown)..).zip(hashes));
            grown += 1;
        }
        let mut files = Vec::new();
        for tile in Tile::new_tiles(TILE_HEIGHT, size, grown) {
            files.push((tile_path(&tile), tile.read_data(self)?));
        }
        let root = tree_hash(grown, self)?;
        self.forget(grown);
        Ok((files, root))
    }

    /// Forgets the hashes whose tiles are full in a tree of `size` entries.
    fn forget(&mut self, size: u64) {
        self.hashes.retain(|&index, _| {
            let (level, n) = split_stored_hash_index(index);
            let tile = n >> (TILE_HEIGHT - level % TILE_HEIGHT);
            tile == size >> (u32::from(level / TILE_HEIGHT) * u32::from(TILE_HEIGHT)) >> TILE_HEIGHT
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of C2SP tlog-tiles, "Merkle Tree".
    #[test]
    fn index_is_split_into_path_elements() {
        assert_eq!(tile_path(&Tile::new(8, 0, 1_234_067, 256, false)), "tile/0/x001/x234/067");
        assert_eq!(tile_path(&Tile::new(8, 8, 0, 1, false)), "tile/8/000.p/1");
        assert_eq!(tile_path(&bundle(1_234_067, 8)), "tile/entries/x001/x234/067.p/8");
    }

    /// The example of C2SP tlog-tiles, "Partial Tiles".
    #[test]
    fn seventy_thousand_entries_have_the_tiles_of_the_specification() {
        let mut edge = Edge::default();
        let entries: Vec<Vec<u8>> = (0..70_000_u32).map(|n| n.to_be_bytes().to_vec()).collect();
        let (files, _) = edge.grow(0, &entries).expect("a tree");
        let of_level = |level: &str| files.iter().filter(|(path, _)| path.starts_with(level)).count();
        assert_eq!((of_level("tile/0/"), of_level("tile/1/"), of_level("tile/2/")), (274, 2, 1));
        for partial in ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"] {
            assert!(files.iter().any(|(path, _)| path == partial), "{partial}");
        }
        assert_eq!(files.len(), 277);
        // What is kept is bounded by three partial tiles and the hashes above them.
        assert!(edge.hashes.len() < 2 * (112 + 17 + 1), "{}", edge.hashes.len());
    }
}
