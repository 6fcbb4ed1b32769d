//! What a plan says of an address whose names change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use tollfree_core::limits::MATCHERS_MAX;
use tollfree_core::plan::{ClassEntry, MatchSet};

use super::inherit::{Claim, Claims, Inherited, Overflow, Reach, inherit_one};
use super::network::single;

/// A plan without the addresses that its names have: enough to say what any single address is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    claims: Claims,
    /// Lengths of its prefixes, the shortest first: of IPv4, of IPv6.
    lengths: [BTreeSet<u8>; 2],
    /// Of each rule, by its place in the plan.
    reaches: Vec<Reach>,
    /// Each rule's place, by its permanent number.
    places: BTreeMap<u32, u16>,
}

/// What one address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressClass {
    /// Of a [`ClassEntry`].
    pub flags: u32,
    /// What is tried there; `None`: it is no candidate.
    pub match_set: Option<MatchSet>,
}

/// More port ranges for one address than the kernel tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} would need more than the {MATCHERS_MAX} port ranges one address may have; list fewer or broader ranges in \
     the rules whose names have it"
)]
pub struct CrowdedAddress {
    /// Which.
    pub address: IpAddr,
}

impl Ground {
    /// `rules` are the plan's, by place: permanent number, and what they claim.
    pub(super) fn new(claims: Claims, rules: impl Iterator<Item = (u32, Reach)>) -> Self {
        let mut lengths = [BTreeSet::new(), BTreeSet::new()];
        for network in claims.networks() {
            lengths[usize::from(network.addr().is_ipv6())].insert(network.prefix_len());
        }
        let (numbers, reaches): (Vec<u32>, Vec<_>) = rules.unzip();
        Self { claims, lengths, reaches, places: numbers.into_iter().zip(0..).collect() }
    }

    pub(super) const fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(super) fn reaches(&self) -> &[Reach] {
        &self.reaches
    }

    /// What exactly `address` is whose names are of `rules` (permanent numbers), and which unrelated names share or not;
    /// `None` where it says nothing that the networks around it do not.
    ///
    /// Rules that are not in the plan say nothing. Without rules, what the plan's networks alone say.
    ///
    /// # Errors
    /// [`CrowdedAddress`]; a plan with this address would be refused likewise.
    pub fn address_class(
        &self,
        address: IpAddr,
        rules: &BTreeSet<u32>,
        shared: bool,
    ) -> Result<Option<AddressClass>, CrowdedAddress> {
        let own = single(address);
        let mut claim = self.claims.claim(&own).cloned().unwrap_or_default();
        rules.iter().filter_map(|number| self.places.get(number)).for_each(|&place| claim.list(place));
        let around = self.around(address)?;
        // Without a rule there is nothing that a name could make free.
        let flags_around = around.as_ref().map_or(0, |around| around.flags);
        if shared && (claim.flags() | flags_around) & ClassEntry::CANDIDATE != 0 {
            claim.mark(ClassEntry::SHARED);
        }
        if claim.is_empty() {
            return Ok(None);
        }
        let inherited = self.inherit(own, &claim, around.as_ref(), address)?;
        Ok(Some(AddressClass { flags: inherited.flags, match_set: inherited.match_set() }))
    }

    /// What the longest network around `address` says that is not the address itself.
    fn around(&self, address: IpAddr) -> Result<Option<Inherited>, CrowdedAddress> {
        let own = single(address);
        let mut around = None;
        for &length in &self.lengths[usize::from(address.is_ipv6())] {
            let Ok(network) = IpNet::new(address, length).map(|network| network.trunc()) else { continue };
            if network != own
                && let Some(claim) = self.claims.claim(&network)
            {
                around = Some(self.inherit(network, claim, around.as_ref(), address)?);
            }
        }
        Ok(around)
    }

    fn inherit(
        &self,
        network: IpNet,
        claim: &Claim,
        outer: Option<&Inherited>,
        address: IpAddr,
    ) -> Result<Inherited, CrowdedAddress> {
        inherit_one(network, claim, outer, &self.reaches).map_err(|overflow| match overflow {
            Overflow::Matchers { .. } | Overflow::MatchSets { .. } => CrowdedAddress { address },
        })
    }
}
