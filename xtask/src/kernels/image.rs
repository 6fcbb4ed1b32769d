//! The first file system of an emulated machine: a cpio archive in the "newc" form
//! (Documentation/driver-api/early-userspace/buffer-format.rst in Linux's sources).

const MAGIC: &str = "070701";
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
/// Names and contents end on a multiple of so many octets.
const ALIGNMENT: usize = 4;
const TRAILER: &str = "TRAILER!!!";

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Image {
    octets: Vec<u8>,
    entries: u32,
}

impl Image {
    /// Adds a directory.
    pub(super) fn directory(&mut self, name: &str) {
        self.entry(name, DIRECTORY, &[]);
    }

    /// Adds a program, of less than 4 GiB.
    pub(super) fn program(&mut self, name: &str, content: &[u8]) {
        self.entry(name, PROGRAM, content);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.octets
    }

    fn entry(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entries += 1;
        let links = 1;
        let name_octets = name.len() + 1;
        self.octets.extend(MAGIC.bytes());
        // Inode, mode, owner, group, links and time; then, of what an archive of programs has none, device numbers.
        for field in [self.entries, mode, 0, 0, links, 0] {
            self.octets.extend(format!("{field:08x}").bytes());
        }
        for field in [content.len(), 0, 0, 0, 0, name_octets, 0] {
            self.octets.extend(format!("{field:08x}").bytes());
        }
        self.octets.extend(name.bytes());
        self.octets.push(0);
        self.align();
        self.octets.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of an entry's header, in the order in which the format's description lists them.
    fn fields(entry: &[u8]) -> Vec<u32> {
        let text = std::str::from_utf8(&entry[MAGIC.len()..110]).expect("hexadecimal digits");
        let digits = text.as_bytes().chunks(8).map(|digits| std::str::from_utf8(digits).expect("ASCII"));
        digits.map(|digits| u32::from_str_radix(digits, 16).expect("hexadecimal digits")).collect()
    }

    #[test]
    fn entries_lie_where_the_kernel_looks_for_them() {
        let mut image = Image::default();
        image.directory("dev");
        image.program("init", b"hello");
        let archive = image.finish();
        assert_eq!(&archive[..6], b"070701");
        assert_eq!(fields(&archive), [1, 0o040_755, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0]);
        assert_eq!(&archive[110..116], b"dev\0\0\0", "110 and 4 octets, and 2 to a multiple of 4");
        let init = &archive[116..];
        assert_eq!(fields(init), [2, 0o100_755, 0, 0, 1, 0, 5, 0, 0, 0, 0, 5, 0]);
        assert_eq!(&init[110..124], b"init\0\0hello\0\0\0", "115 and 1 octets of name, 5 and 3 of content");
        let trailer = &init[124..];
        assert_eq!(fields(trailer), [3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 11, 0]);
        assert_eq!(&trailer[110..], b"TRAILER!!!\0\0\0\0");
    }
}
