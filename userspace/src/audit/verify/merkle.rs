//! Merkle tree hashes, straight from RFC 6962, section 2.1.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub(super) type Hash = [u8; 32];

/// Octet in front of a leaf.
const LEAF: [u8; 1] = [0];
/// Octet in front of an inner node.
const NODE: [u8; 1] = [1];

/// The hash of a leaf.
pub(super) fn leaf(entry: &[u8]) -> Hash {
    Sha256::new_with_prefix(LEAF).chain_update(entry).finalize().into()
}

/// MTH of the leaves with these hashes; of none, the hash of nothing.
pub(super) fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => Sha256::digest([]).into(),
        [hash] => *hash,
        _ => {
            // The largest power of two that is smaller than the number of leaves.
            let (left, right) = hashes.split_at(1 << (hashes.len() - 1).ilog2());
            Sha256::new_with_prefix(NODE).chain_update(root(left)).chain_update(root(right)).finalize().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tree::Edge;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    /// Leaves and roots of the Certificate Transparency project's reference tree; each root is of one leaf more.
    const REFERENCE: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn reference_tree_has_the_known_roots() {
        assert_eq!(HEXLOWER.encode(&root(&[])), EMPTY);
        let mut hashes = Vec::new();
        for (entry, wanted) in REFERENCE {
            hashes.push(leaf(&HEXLOWER.decode(entry.as_bytes()).expect("hexadecimal")));
            assert_eq!(HEXLOWER.encode(&root(&hashes)), wanted, "{} leaves", hashes.len());
        }
    }

    #[test]
    fn writer_has_the_known_roots_too() {
        let mut edge = Edge::default();
        for (size, (entry, wanted)) in (0..).zip(REFERENCE) {
            let entry = HEXLOWER.decode(entry.as_bytes()).expect("hexadecimal");
            let (_, root) = edge.grow(size, &[entry]).expect("a tree");
            assert_eq!(HEXLOWER.encode(&root.0), wanted, "{} leaves", size + 1);
        }
    }

    proptest! {
        #[test]
        fn writer_and_verifier_agree(batches in proptest::collection::vec(0..600_usize, 1..6)) {
            let (mut edge, mut hashes) = (Edge::default(), Vec::new());
            for batch in batches {
                let size = hashes.len() as u64;
                let entries: Vec<_> = (0..batch as u64).map(|n| (size + n).to_be_bytes().to_vec()).collect();
                hashes.extend(entries.iter().map(|entry| leaf(entry)));
                let (_, grown) = edge.grow(size, &entries).expect("a tree");
                prop_assert_eq!(grown.0, root(&hashes));
            }
        }
    }
}
