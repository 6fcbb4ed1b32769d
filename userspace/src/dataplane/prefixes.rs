//! Remote prefixes in the kernel: their entries, and what says where a look is in vain.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aya::maps::{HashMap, IterableMap as _, Map};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tollfree_core::address::{Address, Family};
use tollfree_core::limits::PLAN_SLOTS;
use tollfree_core::plan::ClassEntry;
use tollfree_core::prefix::{
    FILTER_WORDS_MAX, LONG_LENGTHS_MAX, LongLengths, PrefixKey, SHORT_LENGTHS_MAX, is_short, long_index,
    regions_covered, short_index, with_short_length,
};

use super::batch::{self, AT_ONCE, Values};
use super::mapped::MappedWords;
use super::{Classes, Dataplane, DataplaneError};

const MAP: &str = "PREFIXES";
const SHORT_PER_SLOT: usize = (SHORT_LENGTHS_MAX / PLAN_SLOTS) as usize;
const LONG_PER_SLOT: usize = (LONG_LENGTHS_MAX / PLAN_SLOTS) as usize;
const FILTER_PER_SLOT: usize = (FILTER_WORDS_MAX / PLAN_SLOTS) as usize;
const WORDS_PER_LONG: usize = size_of::<LongLengths>() / size_of::<u64>();

/// What spares a packet most looks, in this process's memory.
#[derive(Debug)]
pub(super) struct MappedHints {
    short: MappedWords,
    long: MappedWords,
    filter: MappedWords,
}

impl MappedHints {
    pub(super) fn open(maps: &BTreeMap<String, Map>) -> Result<Self, DataplaneError> {
        let open = |name, per_slot| {
            MappedWords::open(super::find(maps, name)?, name, PLAN_SLOTS as usize * per_slot)
        };
        Ok(Self {
            short: open("SHORT_LENGTHS", SHORT_PER_SLOT)?,
            long: open("LONG_LENGTHS", LONG_PER_SLOT * WORDS_PER_LONG)?,
            filter: open("PREFIX_FILTER", FILTER_PER_SLOT)?,
        })
    }

    /// Makes those of a slot what its prefixes need. Only words that differ are written, each at once; so a packet that reads
    /// them finds every prefix that was there before and is there after.
    pub(super) fn derive(&self, slot: u32, classes: &Classes) {
        let hints = Hints::of(classes);
        let slot = slot as usize;
        self.short.store_all(slot * SHORT_PER_SLOT, hints.short.iter().copied());
        let long = hints.long.iter().flat_map(|lengths| [lengths.longest, lengths.others]);
        self.long.store_all(slot * LONG_PER_SLOT * WORDS_PER_LONG, long);
        self.filter.store_all(slot * FILTER_PER_SLOT, hints.filter.iter().copied());
    }

    /// Adds what one address needs. Nobody else writes those of this slot.
    pub(super) fn add(&self, slot: u32, address: IpAddr) {
        let net = IpNet::from(address);
        let (index, bit) = key_of(slot, &net).filter_place();
        self.filter.or(index as usize, bit);
        let (family, length, address) =
            (family_of(&net), u32::from(net.prefix_len()), Address::from(address));
        if is_short(length) {
            self.short.or(short_index(slot, &address, family) as usize, with_short_length(0, length));
        } else {
            let mut lengths = LongLengths::default();
            lengths.add(length);
            let first = long_index(slot, &address) as usize * WORDS_PER_LONG;
            self.long.or(first, lengths.longest);
            self.long.or(first + 1, lengths.others);
        }
    }
}

/// Which lengths of prefix are in use in each region of the address space, and which prefixes there may be, in one plan.
///
/// Derived from the prefixes alone, whatever was before: so nothing of it goes wrong over time.
#[derive(Debug)]
struct Hints {
    short: Vec<u64>,
    long: Vec<LongLengths>,
    filter: Vec<u64>,
}

impl Hints {
    fn of(classes: &Classes) -> Self {
        let mut hints = Self {
            short: vec![0; SHORT_PER_SLOT],
            long: vec![LongLengths::default(); LONG_PER_SLOT],
            filter: vec![0; FILTER_PER_SLOT],
        };
        // A prefix comes after all that cover it, so the last of those that cover a region is the longest.
        for net in classes.keys() {
            hints.add(net);
        }
        hints
    }

    fn add(&mut self, net: &IpNet) {
        let (index, bit) = key_of(0, net).filter_place();
        if let Some(word) = self.filter.get_mut(index as usize) {
            *word |= bit;
        }
        let (family, address) = (family_of(net), Address::from(net.network()));
        let length = u32::from(net.prefix_len());
        if !is_short(length) {
            if let Some(lengths) = self.long.get_mut(long_index(0, &address) as usize) {
                lengths.add(length);
            }
            return;
        }
        let first = short_index(0, &address, family) as usize;
        let covered = regions_covered(length) as usize;
        for lengths in self.short.iter_mut().skip(first).take(covered) {
            *lengths = with_short_length(*lengths, length);
        }
    }
}

impl Dataplane {
    /// Makes a slot that no packet reads hold `after`, where it holds `before`.
    pub(super) fn write_prefixes(
        &mut self,
        slot: u32,
        before: &Classes,
        after: &Classes,
    ) -> Result<(), DataplaneError> {
        let mut map: HashMap<_, PrefixKey, ClassEntry> = self.typed_mut(MAP)?;
        // First, so that the room of what goes is there for what comes.
        for net in before.keys().filter(|net| !after.contains_key(net)) {
            map.remove(&key_of(slot, net)).map_err(DataplaneError::map(MAP))?;
        }
        for (net, class) in after.iter().filter(|(net, class)| before.get(net) != Some(class)) {
            map.insert(key_of(slot, net), class, 0).map_err(DataplaneError::map(MAP))?;
        }
        self.hints.derive(slot, after);
        Ok(())
    }

    /// The prefixes that a slot holds, from the kernel.
    pub(super) fn read_prefixes(&self, slot: u32) -> Result<Classes, DataplaneError> {
        let map: HashMap<_, PrefixKey, ClassEntry> = self.typed(MAP)?;
        let mut classes = Classes::new();
        batch::for_each(map.map(), AT_ONCE, |key: PrefixKey, mut values: Values<'_, ClassEntry>| {
            if u32::from(key.slot) == slot
                && let (Some(net), Some(class)) = (net_of(&key), values.next())
            {
                classes.insert(net, class);
            }
        })
        .map_err(DataplaneError::map(MAP))?;
        Ok(classes)
    }
}

const fn family_of(net: &IpNet) -> Family {
    match net {
        IpNet::V4(_) => Family::V4,
        IpNet::V6(_) => Family::V6,
    }
}

pub(super) fn key_of(slot: u32, net: &IpNet) -> PrefixKey {
    PrefixKey::of(slot, family_of(net), u32::from(net.prefix_len()), &Address::from(net.network()))
}

/// `None` for a key that [`key_of`] does not make.
fn net_of(key: &PrefixKey) -> Option<IpNet> {
    let length = u8::try_from(key.length).ok()?;
    if key.family == Family::V4 as u8 {
        let address = Ipv4Addr::from(key.words[0].to_ne_bytes());
        return Ipv4Net::new(address, length).ok().map(IpNet::V4);
    }
    let address = Ipv6Addr::from(Address::v6(key.words).octets());
    Ipv6Net::new(address, length).ok().map(IpNet::V6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};
    use tollfree_core::prefix::{Look, PrefixTables, leading_words};

    use super::*;

    /// The kernel's maps, of one slot.
    struct Memory {
        prefixes: BTreeMap<PrefixKey, ClassEntry>,
        hints: Hints,
        slot: u32,
    }

    impl Memory {
        fn new(slot: u32, classes: &Classes) -> Self {
            let prefixes = classes.iter().map(|(net, class)| (key_of(slot, net), *class)).collect();
            Self { prefixes, hints: Hints::of(classes), slot }
        }
    }

    impl PrefixTables for Memory {
        fn short_lengths(&self, look: &Look) -> u64 {
            self.hints.short[look.index().get() as usize - self.slot as usize * SHORT_PER_SLOT]
        }

        fn long_lengths(&self, look: &Look) -> LongLengths {
            self.hints.long[look.index().get() as usize - self.slot as usize * LONG_PER_SLOT]
        }

        fn filter(&self, look: &Look) -> u64 {
            self.hints.filter[look.index().get() as usize - self.slot as usize * FILTER_PER_SLOT]
        }

        fn prefix(&self, look: &Look) -> Option<ClassEntry> {
            self.prefixes.get(&look.key().get()).copied()
        }
    }

    /// All prefixes are looked through.
    fn naive(classes: &Classes, ip: IpAddr) -> ClassEntry {
        let covering = classes.iter().filter(|(net, _)| net.contains(&ip));
        covering.max_by_key(|(net, _)| net.prefix_len()).map(|(_, class)| *class).unwrap_or_default()
    }

    fn looked_up(slot: u32, classes: &Classes, ip: IpAddr) -> ClassEntry {
        let family = if ip.is_ipv4() { Family::V4 } else { Family::V6 };
        Look::new().class_of(
            &Memory::new(slot, classes),
            slot,
            leading_words(&Address::from(ip), family),
            family,
        )
    }

    /// Addresses that are often near each other, so that prefixes are nested and regions shared.
    fn ips() -> impl Strategy<Value = IpAddr> {
        let v4 =
            (select(vec![0_u32, 0x0a00_0000, 0x0a01_0203, 0xcb00_7100, u32::MAX]), 0..=32_u32, any::<u32>());
        let v4 = v4.prop_map(|(base, keep, noise)| {
            let noise = noise.checked_shr(keep).unwrap_or(0);
            IpAddr::from(Ipv4Addr::from(base ^ noise))
        });
        let bases = vec![0_u128, 0x2001_0db8 << 96, 0x2001_0db8_6000_0001 << 64 | 0xcb00_7101, u128::MAX];
        let v6 = (select(bases), 0..=128_u32, any::<u128>()).prop_map(|(base, keep, noise)| {
            let noise = noise.checked_shr(keep).unwrap_or(0);
            IpAddr::from(Ipv6Addr::from(base ^ noise))
        });
        prop_oneof![v4, v6]
    }

    fn nets() -> impl Strategy<Value = IpNet> {
        (ips(), any::<Index>()).prop_map(|(ip, length)| {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let length = u8::try_from(length.index(most + 1)).expect("at most 128");
            IpNet::new(ip, length).expect("a length of its family").trunc()
        })
    }

    fn classes() -> impl Strategy<Value = Classes> {
        // Each prefix has a value of its own, so that no other can pass for it.
        prop::collection::btree_set(nets(), 0..60).prop_map(|nets| {
            nets.into_iter()
                .zip(1..)
                .map(|(net, match_set)| (net, ClassEntry { flags: 1, match_set }))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The longest of all prefixes that cover an address decides; an address in none is not listed.
        #[test]
        fn the_longest_prefix_decides(
            classes in classes(),
            ips in prop::collection::vec(ips(), 20),
            slot in 0..PLAN_SLOTS,
        ) {
            let memory = Memory::new(slot, &classes);
            let look = Look::new();
            let edges = classes.keys().flat_map(|net| [net.network(), net.broadcast()]);
            for ip in edges.chain(ips) {
                let family = if ip.is_ipv4() { Family::V4 } else { Family::V6 };
                let found = look.class_of(&memory, slot, leading_words(&Address::from(ip), family), family);
                prop_assert_eq!(found, naive(&classes, ip), "{}", ip);
            }
        }

        /// What is read back is what was written.
        #[test]
        fn keys_are_of_one_prefix(net in nets(), slot in 0..PLAN_SLOTS) {
            prop_assert_eq!(net_of(&key_of(slot, &net)), Some(net));
        }
    }

    #[test]
    fn a_prefix_of_every_length_decides_where_no_longer_one_does() {
        for ip in ["10.1.2.3", "2001:db8:6000:1:2:3:4:5"].map(|ip| ip.parse::<IpAddr>().expect("an address"))
        {
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let mut classes = Classes::new();
            for length in 0..=most {
                let net = IpNet::new(ip, length).expect("a length of its family").trunc();
                classes.insert(net, ClassEntry { flags: 1, match_set: u32::from(length) });
            }
            // From the longest on, each that is taken out uncovers the next.
            for length in (0..=most).rev() {
                assert_eq!(looked_up(0, &classes, ip).match_set, u32::from(length));
                classes.remove(&IpNet::new(ip, length).expect("a length of its family").trunc());
            }
            assert_eq!(looked_up(0, &classes, ip), ClassEntry::default());
        }
    }
}
