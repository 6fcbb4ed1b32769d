//! One policy: what one file promises.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use toml::Spanned;

use super::digest::DocumentDigest;
use super::fault::PolicyFault;
use super::hotline::Hotline;
use super::mode::Mode;
use super::site::Site;
use crate::diagnostic::Diagnostic;
use crate::document::identifier::identifier;
use crate::document::report::Report;
use crate::document::section::Section;

/// A validated policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Unique over all policies; `[a-z0-9-]{1,63}`, as are its rules' ids.
    pub id: String,
    /// The order it carries out.
    pub legal_basis: String,
    /// Who gave the order.
    pub authority: String,
    /// The order's text, by digest.
    pub document_digest: Option<DocumentDigest>,
    /// Whether its rules take effect.
    pub mode: Mode,
    /// In force from this instant on.
    pub valid_from: Timestamp,
    /// In force until just before this instant; `None`: without end.
    pub valid_until: Option<Timestamp>,
    /// Gateways it is for, by id; `None`: all.
    pub gateways: Option<Vec<String>>,
    /// Regions it is for; `None`: all. If gateways are listed too, both must fit.
    pub regions: Option<Vec<String>>,
    /// Its sites, in the order of the file.
    pub sites: Vec<Site>,
    /// Its hotlines, in the order of the file.
    pub hotlines: Vec<Hotline>,
}

impl Policy {
    /// Whether it is for this gateway in this region.
    pub fn applies_to(&self, gateway_id: &str, region: Option<&str>) -> bool {
        let gateway_fits = self.gateways.as_ref().is_none_or(|ids| ids.iter().any(|id| id == gateway_id));
        let region_fits =
            self.regions.as_ref().is_none_or(|names| names.iter().any(|name| Some(name.as_str()) == region));
        gateway_fits && region_fits
    }

    /// Whether it is in force at `instant`.
    pub fn in_force_at(&self, instant: Timestamp) -> bool {
        self.valid_from <= instant && self.valid_until.is_none_or(|end| instant < end)
    }

    /// Reads one file; `ids` are those of the policies read before, with their files.
    pub(super) fn read(
        file: &str,
        octets: &[u8],
        ids: &mut BTreeMap<String, String>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let (mut report, mut document) = Report::open(file, octets)?;
        document.needs(&mut report, &["policy"]);
        let header = document
            .section(&mut report, "policy")
            .and_then(|section| Header::read(section, file, ids, &mut report));
        let mut rule_ids = BTreeSet::new();
        let mut sites = Vec::new();
        for mut section in document.sections(&mut report, "site") {
            let id = read_rule_id(&mut section, &mut rule_ids, &mut report);
            sites.extend(Site::read(id, section, &mut report));
        }
        let mut hotlines = Vec::new();
        for mut section in document.sections(&mut report, "hotline") {
            let id = read_rule_id(&mut section, &mut rule_ids, &mut report);
            hotlines.extend(Hotline::read(id, section, &mut report));
        }
        document.close(&mut report);
        report.finish(header.map(|header| header.promise(sites, hotlines)))
    }
}

/// The `[policy]` table.
struct Header {
    id: String,
    legal_basis: String,
    authority: String,
    document_digest: Option<DocumentDigest>,
    mode: Mode,
    valid_from: Timestamp,
    valid_until: Option<Timestamp>,
    gateways: Option<Vec<String>>,
    regions: Option<Vec<String>>,
}

impl Header {
    fn read<'i>(
        mut section: Section<'i>,
        file: &str,
        ids: &mut BTreeMap<String, String>,
        report: &mut Report<'i>,
    ) -> Option<Self> {
        section.needs(report, &["id", "legal_basis", "authority", "valid_from"]);
        let id = section.parsed(report, "id", identifier);
        if let Some(id) = &id
            && let Some(file) = ids.insert(id.get_ref().clone(), file.to_owned())
        {
            report.fault(&id.span(), &PolicyFault::PolicyTwice { file });
        }
        let legal_basis = section.text(report, "legal_basis");
        let authority = section.text(report, "authority");
        let document_digest = section.parsed(report, "document_digest", str::parse);
        let has_mode = section.has("mode");
        let mode = section.parsed(report, "mode", mode);
        let valid_from = section.instant(report, "valid_from");
        let valid_until = section.instant(report, "valid_until");
        check_times(valid_from.as_ref(), valid_until.as_ref(), report);
        let gateways = section.list(report, "gateways", identifier);
        let regions = section.list(report, "regions", identifier);
        section.close(report);
        Some(Self {
            id: id?.into_inner(),
            legal_basis: legal_basis?,
            authority: authority?,
            document_digest: document_digest.map(Spanned::into_inner),
            mode: if has_mode { mode?.into_inner() } else { Mode::default() },
            valid_from: valid_from?.into_inner(),
            valid_until: valid_until.map(Spanned::into_inner),
            gateways: gateways.map(values),
            regions: regions.map(values),
        })
    }

    fn promise(self, sites: Vec<Site>, hotlines: Vec<Hotline>) -> Policy {
        Policy {
            id: self.id,
            legal_basis: self.legal_basis,
            authority: self.authority,
            document_digest: self.document_digest,
            mode: self.mode,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            gateways: self.gateways,
            regions: self.regions,
            sites,
            hotlines,
        }
    }
}

fn mode(text: &str) -> Result<Mode, PolicyFault> {
    Mode::ALL
        .into_iter()
        .find(|mode| mode.name() == text)
        .ok_or(PolicyFault::Word { known: "\"enforce\" or \"observe\"" })
}

fn values(spanned: Vec<Spanned<String>>) -> Vec<String> {
    spanned.into_iter().map(Spanned::into_inner).collect()
}

fn check_times(
    from: Option<&Spanned<Timestamp>>,
    until: Option<&Spanned<Timestamp>>,
    report: &mut Report<'_>,
) {
    if let (Some(from), Some(until)) = (from, until)
        && from.get_ref() >= until.get_ref()
    {
        let fault = PolicyFault::Times { valid_from: *from.get_ref(), valid_until: *until.get_ref() };
        report.fault(&until.span(), &fault);
    }
}

/// The rule's id; one that a rule before has, too, is a fault of its own.
fn read_rule_id<'i>(
    section: &mut Section<'i>,
    ids: &mut BTreeSet<String>,
    report: &mut Report<'i>,
) -> Option<String> {
    section.needs(report, &["id"]);
    let id = section.parsed(report, "id", identifier)?;
    if !ids.insert(id.get_ref().clone()) {
        report.fault(&id.span(), &PolicyFault::RuleTwice);
    }
    Some(id.into_inner())
}
