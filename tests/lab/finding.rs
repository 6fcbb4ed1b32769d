//! What the probe of a kernel says, one line each, so that a kernel that dies on the way has said something.

use serde::{Deserialize, Serialize};

use crate::report::Check;

/// In front of each finding: the console carries the kernel's own messages, too.
const PREFIX: &str = "tollfree-probe: ";

/// What the verifier said of a program that it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The program's name.
    pub program: String,
    /// Instructions that it walked through, along all paths.
    pub verified_instructions: u32,
    /// How many it would have walked through at most.
    pub limit: u32,
    /// Octets of stack, of all functions together: a call chain needs no more.
    pub stack_octets: u32,
}

impl Verified {
    /// Takes each figure of `other` that is higher.
    pub fn raise(&mut self, other: &Self) {
        self.verified_instructions = self.verified_instructions.max(other.verified_instructions);
        self.stack_octets = self.stack_octets.max(other.stack_octets);
    }
}

/// One thing that the probe found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// Which kernel it is.
    Kernel {
        /// As `uname -r` prints it.
        release: String,
    },
    /// The kernel is older than any that is supported, and nothing was tried.
    Refused {
        /// As the user is told.
        error: String,
    },
    /// The kernel took a program.
    Program(Verified),
    /// A comparison.
    Check(Check),
    /// The probe could not go on.
    Fault {
        /// Why.
        error: String,
    },
    /// The probe is done.
    End,
}

impl Finding {
    /// The line that says it.
    ///
    /// # Errors
    /// None in practice: a finding is plain data.
    pub fn line(&self) -> serde_json::Result<String> {
        Ok(format!("{PREFIX}{}", serde_json::to_string(self)?))
    }

    /// What a line of the console says, if it is a finding. A kernel's message may stand in front of it.
    pub fn read(line: &str) -> Option<Self> {
        let (_, json) = line.split_once(PREFIX)?;
        serde_json::from_str(json.trim_end()).ok()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn findings_come_back_from_a_console() {
        let program = Verified {
            program: "tollfree".into(),
            verified_instructions: 12_345,
            limit: 1_000_000,
            stack_octets: 304,
        };
        for finding in [
            Finding::Kernel { release: "6.1.0-56-cloud-amd64".into() },
            Finding::Refused { error: "this kernel is 5.10".into() },
            Finding::Program(program),
            Finding::Check(Check::compare("a", 1, 2)),
            Finding::Fault { error: "line one\nline two".into() },
            Finding::End,
        ] {
            let line = format!("[    1.234567] {}\r\n", finding.line().unwrap());
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert_eq!(Finding::read(&line), Some(finding));
        }
    }

    #[test]
    fn a_line_that_is_cut_is_no_finding() {
        let line = Finding::Kernel { release: "6.1".into() }.line().unwrap();
        assert_eq!(Finding::read(&line[..line.len() - 1]), None);
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_refused(line in any::<String>()) {
            let _ = Finding::read(&line);
            let _ = Finding::read(&format!("{PREFIX}{line}"));
        }
    }
}
