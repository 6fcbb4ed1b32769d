//! Why a number was or was not free to call.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::book::{ActivationThen, PolicyThen};
use crate::calls::request_number;
use crate::config::SignallingConfig;
use crate::policy::{Hotline, Mode, NationalNumber, NumberingPlan, Policy};

/// Bits of an octet, and of a kilobit.
const BITS_PER_OCTET: u32 = 8;
const BITS_PER_KILOBIT: u32 = 1000;

/// A number as it is asked about: in any form, or as the number of a `tel:` or `sip:` URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedNumber {
    /// As asked.
    text: String,
    /// `+` and digits, or digits alone; separators may be among them.
    dialled: String,
    /// Domains of the URI: its host, and a `phone-context` that is a name.
    domains: Vec<String>,
}

impl AskedNumber {
    /// Reads a `tel:` or `sip:` URI, or digits with visual separators. `None`: it is no number.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.contains(':') {
            let number = request_number(text)?;
            let domains = [number.host, number.context].into_iter().flatten().map(str::to_owned).collect();
            return Some(Self { text: text.to_owned(), dialled: number.digits, domains });
        }
        let is_of_number = |c: char| c.is_ascii_digit() || "+-.() ".contains(c);
        (text.chars().all(is_of_number) && text.chars().any(|c| c.is_ascii_digit())).then(|| Self {
            text: text.to_owned(),
            dialled: text.to_owned(),
            domains: Vec::new(),
        })
    }
}

/// What is known of a number at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct NumberExplanation {
    /// As asked.
    asked: String,
    /// When, and what was in force then.
    #[serde(flatten)]
    activation: ActivationThen,
    /// What a call to it was.
    pub(super) result: CallResult,
    /// Which number it is in each country that dials so, of those that have a hotline; behind `+`, of all.
    numbers: Vec<KnownNumber>,
    /// The domain of the URI that the signalling proxies do not serve, by the configuration as it is now.
    foreign_domain: Option<String>,
    /// The rules that list it. The first decides.
    rules: Vec<NumberRule>,
}

/// What a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CallResult {
    /// No hotline in force lists the number.
    NotListed,
    /// It is listed, and the URI is at a domain where it may reach anybody.
    OtherNetwork,
    /// It is listed by a policy that is only observed.
    Observed,
    /// Free.
    Free,
}

impl CallResult {
    const fn sentence(self) -> &'static str {
        match self {
            Self::NotListed => "charged: no hotline in force listed it; numbers are compared whole",
            Self::OtherNetwork => {
                "charged: [signalling] does not list the domain, where the number may be anybody's"
            }
            Self::Observed => "charged: the policy is only observed",
            Self::Free => "free to call",
        }
    }
}

/// A number of a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct KnownNumber {
    /// ISO 3166-1 code.
    country: String,
    /// As it is dialled within its country.
    number: String,
    /// As it is dialled from abroad, with `+`; `None`: it cannot be.
    international: Option<String>,
    /// Whether it calls for help.
    emergency: bool,
}

/// A hotline that lists a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct NumberRule {
    /// Its permanent number; `None`: it never had one.
    rule: Option<u32>,
    /// Its policy's id.
    policy: String,
    /// Its id in the policy.
    rule_id: String,
    /// What the order is that the policy carries out.
    legal_basis: String,
    /// Whether the policy is only observed.
    observed: bool,
    /// The number, as it is dialled within its country.
    number: String,
    /// ISO 3166-1 code.
    country: String,
    /// Where a call's media may go and still be free.
    media_networks: Vec<IpNet>,
    /// What a voice stream may carry each way, in kbit/s.
    kbit_per_second: u32,
    /// The same of a video stream; `None`: video is charged.
    video_kbit_per_second: Option<u32>,
    /// How long an answered call may last and be free, in seconds.
    max_duration_seconds: u64,
    /// How many calls a subscriber may have at once.
    calls_per_subscriber: u32,
    /// Whether the policy wants text messages to it free.
    messages: bool,
}

impl NumberRule {
    fn new(then: &PolicyThen, policy: &Policy, hotline: &Hotline, number: &NationalNumber) -> Self {
        let kbit = |octets: u32| octets.saturating_mul(BITS_PER_OCTET) / BITS_PER_KILOBIT;
        let terms = &hotline.terms;
        Self {
            rule: then.past.rule_number(&policy.id, &hotline.id),
            policy: policy.id.clone(),
            rule_id: hotline.id.clone(),
            legal_basis: policy.legal_basis.clone(),
            observed: policy.mode == Mode::Observe,
            number: number.to_string(),
            country: hotline.plan.country.clone(),
            media_networks: hotline.media_networks.clone(),
            kbit_per_second: kbit(terms.audio_octets_per_second),
            video_kbit_per_second: terms.video_octets_per_second.map(kbit),
            max_duration_seconds: terms.duration_max.as_secs(),
            calls_per_subscriber: terms.calls_per_subscriber_max,
            messages: terms.has_messages,
        }
    }
}

/// Says what `asked` was under the policies of `then`.
pub(super) fn explain_number(
    asked: &AskedNumber,
    then: PolicyThen,
    signalling: &SignallingConfig,
) -> NumberExplanation {
    let hotlines =
        || then.policies.iter().flat_map(|policy| policy.hotlines.iter().map(move |one| (policy, one)));
    let mut rules: Vec<NumberRule> = hotlines()
        .filter_map(|(policy, hotline)| {
            let number = hotline.plan.normalise(&asked.dialled)?;
            hotline.numbers.contains(&number).then(|| NumberRule::new(&then, policy, hotline, &number))
        })
        .collect();
    // Of several, the lowest number decides; one that was never in force has none.
    rules.sort_by_key(|rule| rule.rule.unwrap_or(u32::MAX));
    let is_asked_of = |plan: &NumberingPlan| {
        asked.dialled.starts_with('+') || hotlines().any(|(_, hotline)| hotline.plan == plan)
    };
    let numbers = NumberingPlan::all().iter().filter(|plan| is_asked_of(plan)).filter_map(|plan| {
        let number = plan.normalise(&asked.dialled)?;
        Some(KnownNumber {
            country: plan.country.clone(),
            international: plan.international(&number),
            emergency: number.is_emergency(),
            number: number.to_string(),
        })
    });
    let numbers = numbers.collect();
    let foreign_domain = asked.domains.iter().find(|domain| !signalling.serves(domain)).cloned();
    let result = match (rules.first(), &foreign_domain) {
        (None, _) => CallResult::NotListed,
        (Some(_), Some(_)) => CallResult::OtherNetwork,
        (Some(rule), None) if rule.observed => CallResult::Observed,
        (Some(_), None) => CallResult::Free,
    };
    let activation = then.activation;
    NumberExplanation { asked: asked.text.clone(), activation, result, numbers, foreign_domain, rules }
}

impl fmt::Display for NumberExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Number   {}", self.asked)?;
        for known in &self.numbers {
            let abroad = known.international.as_deref().map_or_else(
                || "not to be dialled from abroad".to_owned(),
                |international| format!("{international} from abroad"),
            );
            let emergency = if known.emergency { "; an emergency number" } else { "" };
            writeln!(f, "         {} of {}, {abroad}{emergency}", known.number, known.country)?;
        }
        if self.numbers.is_empty() {
            writeln!(f, "         no country of a hotline dials so")?;
        }
        write!(f, "{}", self.activation)?;
        writeln!(f, "Result   {}", self.result.sentence())?;
        if let Some(domain) = &self.foreign_domain {
            writeln!(f, "Domain   {domain}, which [signalling] does not list")?;
        }
        self.rules.iter().try_for_each(|rule| rule.fmt(f))
    }
}

impl fmt::Display for NumberRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.rule.map_or_else(|| "without a number".to_owned(), |number| number.to_string());
        let observed = if self.observed { ", only observed" } else { "" };
        writeln!(f, "\nRule {number}: {}/{}{observed}", self.policy, self.rule_id)?;
        writeln!(f, "  basis     {}", self.legal_basis)?;
        writeln!(f, "  number    {} of {}", self.number, self.country)?;
        for network in &self.media_networks {
            writeln!(f, "  media     {network}")?;
        }
        let video = self
            .video_kbit_per_second
            .map_or_else(|| "video is charged".to_owned(), |kbit| format!("video {kbit} kbit/s"));
        writeln!(f, "  rate      voice {} kbit/s each way; {video}", self.kbit_per_second)?;
        let (seconds, calls) = (self.max_duration_seconds, self.calls_per_subscriber);
        writeln!(f, "  bounds    {seconds} s a call, {calls} calls of a subscriber at once")?;
        if self.messages {
            writeln!(
                f,
                "  messages  free by the policy: SIP MESSAGE in one datagram here, others where equipment rates them"
            )?;
        }
        Ok(())
    }
}
