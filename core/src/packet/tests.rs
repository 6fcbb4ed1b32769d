//! Checks of arithmetic; whole packets are checked against the model and the kernel, in the workspace's tests.

use super::checksum_after;

/// RFC 1624, section 4: the example of a checksum that the older equation got wrong.
#[test]
fn checksum_is_updated_as_the_rfc_computes() {
    assert_eq!(checksum_after(0xdd2f, 0x5555, 0x3285), 0x0000);
}
