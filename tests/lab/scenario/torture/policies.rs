//! Policies that change: rules appear and go, evidence, classes and ceilings change, and some files are faulty.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::address::{FREE_SITE, MEDIA_NETWORKS, OTHER_SITE};

use super::sites::Place;

/// How many files change.
const FILES: usize = 3;
/// One change of so many makes a file faulty.
const FAULTY_SHARE: u8 = 8;

/// The policy directory.
#[derive(Debug)]
pub(super) struct Policies {
    directory: PathBuf,
    changes: u64,
}

impl Policies {
    /// Writes the first ones, which are right, and hold every rule.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn begin(directory: &Path) -> Result<Self> {
        let mut policies = Self { directory: directory.to_owned(), changes: 0 };
        policies.settle()?;
        Ok(policies)
    }

    /// Writes policies that are right again.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(super) fn settle(&mut self) -> Result<()> {
        for file in 0..FILES {
            let text = self.text(file, None);
            self.replace(file, &text)?;
        }
        Ok(())
    }

    /// Changes a file; says whether it is faulty now.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn change(&mut self, random: &mut fastrand::Rng) -> Result<bool> {
        let file = random.usize(0..FILES);
        let mut text = self.text(file, Some(random));
        let is_faulty = random.u8(0..FAULTY_SHARE) == 0;
        if is_faulty {
            text = match random.u8(0..3) {
                0 => text.replace("rating_group = ", "rating_group = -"),
                1 => text.replace("[policy]", "[policy"),
                _ => text.replace("evidence = ", "evidense = "),
            };
        }
        if random.bool() {
            self.replace(file, &text)?;
        } else {
            // Not at once: whoever reads it now sees nothing, or half of it.
            fs::write(self.path(file), &text).context("cannot write a policy")?;
        }
        Ok(is_faulty)
    }

    fn replace(&self, file: usize, text: &str) -> Result<()> {
        let temporary = self.directory.join(format!(".{file}.new"));
        fs::write(&temporary, text)?;
        fs::rename(&temporary, self.path(file)).context("cannot replace a policy")
    }

    fn path(&self, file: usize) -> PathBuf {
        self.directory.join(format!("torture-{file}.toml"))
    }

    /// A policy file; whole and as at first, if nothing is left to chance.
    fn text(&mut self, file: usize, mut random: Option<&mut fastrand::Rng>) -> String {
        self.changes += 1;
        let mut text = format!(
            "# change {}
[policy]
id = \"torture-{file}\"
legal_basis = \"the lab's order\"
authority = \"the lab\"
valid_from = 2020-01-01T00:00:00+07:00
valid_until = 2100-01-01T00:00:00+07:00
",
            self.changes
        );
        if file == 0 {
            text += &hotline();
        }
        for (number, place) in Place::LISTED.into_iter().enumerate() {
            if number % FILES == file && random.as_mut().is_none_or(|random| random.u8(0..6) != 0) {
                text += &site(place, random.as_deref_mut());
            }
        }
        text
    }
}

fn hotline() -> String {
    let [media_network, _] = MEDIA_NETWORKS;
    format!(
        "
[[hotline]]
id = \"hotline\"
country = \"VN\"
numbers = [\"19003228\"]
media_networks = [\"{media_network}\"]
rating_group = 9100
"
    )
}

fn site(place: Place, random: Option<&mut fastrand::Rng>) -> String {
    let mut draw = {
        let mut random = random;
        move |of: usize| random.as_mut().map_or(0, |random| random.usize(0..of))
    };
    let remote = match place {
        Place::ByName => format!("domains = [\"{}\"]", FREE_SITE.name),
        Place::ByNameWithCeiling => format!("domains = [\"{}\"]", OTHER_SITE.name),
        _ => format!("networks = [{}]", place.networks().unwrap_or_default()),
    };
    let evidence = match place {
        // Now and then the address is enough.
        Place::ByName | Place::ByNameWithCeiling => {
            ["name-and-address", "name-and-address", "address"][draw(3)]
        }
        _ => "address",
    };
    let class = match place {
        Place::WithPriority => "priority",
        _ => ["free", "free-priority"][draw(2)],
    };
    let ceiling = match place {
        Place::WithCeiling | Place::ByNameWithCeiling => {
            let size = ["20 KiB", "1 KiB", "1 MiB"][draw(3)];
            format!("daily_ceiling = \"{size}\"\n")
        }
        _ => String::new(),
    };
    let ports = ["", "ports = [\"tcp/443\", \"udp/443-8801\"]\n", ""][draw(3)];
    format!(
        "
[[site]]
id = \"{}\"
{remote}
evidence = \"{evidence}\"
class = \"{class}\"
rating_group = {}
{ceiling}{ports}",
        place.name(),
        9001 + place as u32
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]
mod tests {
    use super::*;

    #[test]
    fn policies_are_right_but_for_those_that_are_meant_to_be_faulty() {
        let directory = tempfile::tempdir().unwrap();
        let mut policies = Policies::begin(directory.path()).unwrap();
        let rules = |policy: &tollfree::policy::PolicySet| policy.rule_keys().len();
        let first = tollfree::policy::load(directory.path()).unwrap();
        assert_eq!(rules(&first), Place::LISTED.len() + 1, "all sites, and the hotline");
        let mut random = fastrand::Rng::with_seed(1);
        let mut faulty = 0;
        for _ in 0..500 {
            let is_faulty = policies.change(&mut random).unwrap();
            assert_eq!(tollfree::policy::load(directory.path()).is_err(), is_faulty);
            if is_faulty {
                faulty += 1;
                policies.settle().unwrap();
            }
        }
        assert!(faulty > 0);
    }
}
