//! Which numbers are free to call, for equipment that sees signalling where the gateway does not.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use ipnet::IpNet;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::calls::dialled::request_number;
use crate::policy::{HotlineEntry, HotlineTable, NationalNumber};

/// Octets of a number that is asked for. Reason: longer than any URI that is read.
const NUMBER_OCTETS_MAX: usize = crate::calls::dialled::URI_OCTETS_MAX;
/// Octets of a digest that tell one body from another. Reason: 128 bits do not meet by chance.
const TAG_OCTETS: usize = 16;

/// Gives the numbers that are free to call now.
pub type NumbersSource = Arc<dyn Fn() -> Arc<HotlineTable> + Send + Sync>;

/// One number of `GET /v1/numbers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FreeNumber {
    /// ISO 3166-1 code of its numbering plan.
    pub country: String,
    /// As it is dialled within its country.
    pub number: String,
    /// As it is dialled from abroad, with `+`; `None`: it cannot be.
    pub international: Option<String>,
    /// Its policy.
    pub policy: String,
    /// The rule's id in its policy.
    pub rule: String,
    /// The rule's permanent number.
    pub rule_number: u32,
    /// Where a call's media may go and still be free.
    pub media_networks: Vec<IpNet>,
    /// How long a call may last and be free, in seconds.
    pub max_duration_seconds: u64,
    /// Whether video may be free.
    pub video: bool,
    /// Whether the policy wants text messages to it free. For equipment that rates them: the gateway itself charges them, as
    /// all signalling.
    pub messages: bool,
    /// Whether it calls for help.
    pub emergency: bool,
}

#[derive(Serialize)]
struct FreeNumbers {
    numbers: Vec<FreeNumber>,
}

/// What `GET /v1/numbers/{number}` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberAnswer {
    /// As asked.
    pub asked: String,
    /// Whether a call to it is free.
    pub free: bool,
    /// Which it is, if so.
    #[serde(flatten)]
    pub number: Option<FreeNumber>,
}

impl FreeNumber {
    fn new(hotlines: &HotlineTable, country: &str, number: &NationalNumber, entry: &HotlineEntry) -> Self {
        Self {
            country: country.to_owned(),
            number: number.as_str().to_owned(),
            international: hotlines.plan(country).and_then(|plan| plan.international(number)),
            policy: entry.key.policy.clone(),
            rule: entry.key.rule.clone(),
            rule_number: entry.rule,
            media_networks: entry.media_networks.clone(),
            max_duration_seconds: entry.terms.duration_max.as_secs(),
            video: entry.terms.video_octets_per_second.is_some(),
            messages: entry.terms.has_messages,
            emergency: number.is_emergency(),
        }
    }
}

/// The number that `asked` means, if a call to it is free. `asked`: a number in any form, or a `tel:` or `sip:` URI.
pub fn look_up(hotlines: &HotlineTable, asked: &str) -> Option<FreeNumber> {
    let dialled = if asked.contains(':') { request_number(asked)?.digits } else { asked.to_owned() };
    let (country, number, entry) = hotlines.find_number(&dialled)?;
    Some(FreeNumber::new(hotlines, country, number, entry))
}

/// All numbers that are free to call.
pub(super) async fn all(State(source): State<NumbersSource>, headers: HeaderMap) -> Response {
    let hotlines = source();
    let numbers =
        hotlines.iter().map(|(country, number, entry)| FreeNumber::new(&hotlines, country, number, entry));
    tagged(&headers, &FreeNumbers { numbers: numbers.collect() })
}

/// One number.
pub(super) async fn one(
    State(source): State<NumbersSource>,
    Path(asked): Path<String>,
    headers: HeaderMap,
) -> Response {
    if asked.len() > NUMBER_OCTETS_MAX || asked.chars().any(char::is_control) {
        let detail = "write the number in any form, or a tel: or sip: URI, percent-encoded";
        return Problem::new(StatusCode::BAD_REQUEST, "number", detail).into_response();
    }
    let number = look_up(&source(), &asked);
    tagged(&headers, &NumberAnswer { free: number.is_some(), asked, number })
}

/// JSON with an entity tag, or 304 to whoever has it (RFC 9110, sections 8.8.3, 13.1.2).
fn tagged(headers: &HeaderMap, body: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec(body) else { return Problem::unavailable().into_response() };
    let tag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&body)[..TAG_OCTETS]));
    let has_it = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| matches(value, &tag));
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // It may change at any moment: ask each time, with the tag.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Whether a list of entity tags has this one; weakness does not matter here.
fn matches(value: &HeaderValue, tag: &str) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
