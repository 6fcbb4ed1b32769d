//! Who has which address, as sessions come, go, and are lost.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tollfree_core::address::SubscriberId;

use super::*;

const POOLS: [&str; 2] = ["10.20.0.0/16", "2001:db8:20::/48"];

fn block(text: &str) -> Block {
    Block::new(text.parse().expect("a network")).expect("a block")
}

fn subscriber(text: &str) -> SubscriberId {
    let address: IpAddr = text.parse().expect("an address");
    Block::from(address).subscriber().expect("one address is one subscriber")
}

/// Somebody, by a number below 10.
fn person(number: u8) -> Option<Identity> {
    Identity::new(format!("8490123456{number}").parse().ok(), format!("45201123456789{number}").parse().ok())
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn nas(name: &str) -> Nas {
    Nas { address: None, identifier: Some(name.into()) }
}

/// What a test says of sessions of `pgw1`, and what changed hands.
struct Told {
    bindings: Bindings,
    seconds: i64,
}

impl Told {
    fn new() -> Self {
        Self::with(SessionLimits::default())
    }

    fn with(limits: SessionLimits) -> Self {
        let pools = POOLS.map(|pool| pool.parse().expect("a network"));
        Self { bindings: Bindings::new(&pools, limits), seconds: 0 }
    }

    fn report(&self, session: &str, identity: Option<Identity>, blocks: &[&str]) -> Report {
        Report {
            session: SessionKey { nas: nas("pgw1"), id: session.into() },
            identity,
            blocks: blocks.iter().map(|text| block(text)).collect(),
            moment: Moment::new(after(self.seconds), 0, None),
        }
    }

    /// One second later, in words: `10.20.0.11/32 - 1` for somebody who was not known before.
    fn apply(&mut self, event: &Event) -> Vec<String> {
        self.seconds += 1;
        let changes = self.bindings.apply(event, after(self.seconds));
        assert!(changes.iter().all(|change| change.at == after(self.seconds)));
        changes.iter().map(words).collect()
    }

    fn alive(&mut self, session: &str, identity: Option<Identity>, blocks: &[&str]) -> Vec<String> {
        self.apply(&Event::Alive(self.report(session, identity, blocks)))
    }

    fn ended(&mut self, session: &str) -> Vec<String> {
        self.apply(&Event::Ended(self.report(session, None, &[])))
    }

    fn reset(&mut self, name: &str) -> Vec<String> {
        let moment = Moment::new(after(self.seconds), 0, None);
        self.apply(&Event::Reset { nas: nas(name), moment })
    }

    fn file(&mut self, lines: &str) -> Vec<String> {
        self.seconds += 1;
        let text = format!("prefix,msisdn,imsi\n{lines}");
        let file = SubscriberFile::parse("subscribers.csv", text.as_bytes()).expect("a file without fault");
        self.bindings.set_file(&file, after(self.seconds)).iter().map(words).collect()
    }

    fn who(&self, address: &str) -> Option<Identity> {
        self.bindings.identity(subscriber(address))
    }
}

/// The last digit of each number, `-` for nobody.
fn words(change: &Change) -> String {
    let word = |identity: Option<Identity>| {
        let msisdn = identity.and_then(|identity| identity.msisdn());
        msisdn.map_or("-".to_owned(), |msisdn| msisdn.to_string().split_off(10))
    };
    format!("{} {} {}", change.block, word(change.before), word(change.after))
}

#[test]
fn an_identity_says_something() {
    assert_eq!(Identity::new(None, None), None);
    let one = person(1).expect("somebody");
    assert_eq!((one.msisdn(), one.imsi()), ("84901234561".parse().ok(), "452011234567891".parse().ok()));
}

#[test]
fn a_start_binds_and_its_stop_unbinds() {
    let mut told = Told::new();
    assert_eq!(told.alive("a", person(1), &["10.20.0.11/32"]), ["10.20.0.11/32 - 1"]);
    assert_eq!(told.who("10.20.0.11"), person(1));
    assert_eq!(told.who("10.20.0.12"), None);
    let lease = told.bindings.lease(subscriber("10.20.0.11")).expect("a lease");
    let wanted = Lease {
        block: block("10.20.0.11/32"),
        identity: person(1),
        session: Some("a".into()),
        since: after(1),
        source: Source::Radius,
    };
    assert_eq!(lease, wanted);
    assert_eq!(told.ended("a"), ["10.20.0.11/32 1 -"]);
    assert_eq!(told.who("10.20.0.11"), None);
    assert_eq!(told.bindings.status(), BindingStatus::default());
}

#[test]
fn an_interim_update_binds_where_the_start_was_lost_and_else_changes_nothing() {
    let mut told = Told::new();
    assert_eq!(told.alive("a", person(1), &["10.20.0.11/32"]), ["10.20.0.11/32 - 1"]);
    let nothing: [&str; 0] = [];
    assert_eq!(told.alive("a", person(1), &["10.20.0.11/32"]), nothing);
    // It need not repeat who has what.
    assert_eq!(told.alive("a", None, &["10.20.0.11/32"]), nothing);
    assert_eq!(told.alive("a", person(1), &[]), nothing);
    let lease = told.bindings.lease(subscriber("10.20.0.11")).expect("a lease");
    assert_eq!((lease.identity, lease.since), (person(1), after(1)));
}

#[test]
fn a_late_stop_of_the_holder_before_does_not_unbind_the_holder_now() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    assert_eq!(told.alive("b", person(2), &["10.20.0.11/32"]), ["10.20.0.11/32 1 2"]);
    assert!(told.ended("a").is_empty());
    assert_eq!(told.who("10.20.0.11"), person(2));
}

#[test]
fn a_stop_of_another_access_servers_session_of_the_same_name_ends_nothing() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    let mut report = told.report("a", None, &["10.20.0.11/32"]);
    report.session.nas = nas("pgw2");
    assert!(told.apply(&Event::Ended(report)).is_empty());
    assert_eq!(told.who("10.20.0.11"), person(1));
}

#[test]
fn a_session_that_lost_an_address_does_not_take_it_back() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32", "2001:db8:20:11::/64"]);
    told.alive("b", person(2), &["10.20.0.11/32"]);
    // Its Interim-Update was on the way when the address changed hands.
    assert!(told.alive("a", person(1), &["10.20.0.11/32", "2001:db8:20:11::/64"]).is_empty());
    assert_eq!((told.who("10.20.0.11"), told.who("2001:db8:20:11::1")), (person(2), person(1)));
    assert_eq!(told.bindings.status().late, 1);
}

#[test]
fn a_session_that_ended_does_not_come_back_while_its_messages_may_still_come() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    told.ended("a");
    assert!(told.alive("a", person(1), &["10.20.0.11/32"]).is_empty());
    // Its Start may be sent again only after the Stop was.
    told.ended("b");
    assert!(told.alive("b", person(2), &["10.20.0.12/32"]).is_empty());
    assert_eq!(told.bindings.status().late, 2);
    told.seconds += 600;
    assert_eq!(told.alive("a", person(1), &["10.20.0.11/32"]), ["10.20.0.11/32 - 1"]);
}

#[test]
fn a_message_that_says_it_is_late_changes_nothing_that_is_newer() {
    let mut told = Told::new();
    let old = told.report("a", person(1), &["10.20.0.11/32"]);
    told.seconds = 100;
    told.alive("b", person(2), &["10.20.0.11/32"]);
    // Told 60 s after it was so, when 101 s had passed.
    let late = Report { moment: Moment::new(after(101), 60, None), ..old.clone() };
    assert!(told.apply(&Event::Alive(late)).is_empty());
    // By the access server's own clock, even if it does not say how late it is.
    let stamped = |seconds, stamp| Moment::new(after(seconds), 0, Some(stamp));
    let newer = Report { moment: stamped(102, 50), ..told.report("c", person(3), &["10.20.0.11/32"]) };
    assert_eq!(told.apply(&Event::Alive(newer)), ["10.20.0.11/32 2 3"]);
    let late = Report { moment: stamped(103, 49), ..old.clone() };
    assert!(told.apply(&Event::Alive(late)).is_empty());
    // Another access server's clock may be wrong.
    let mut other = Report { moment: stamped(104, 1), ..old };
    other.session.nas = nas("pgw2");
    assert_eq!(told.apply(&Event::Alive(other)), ["10.20.0.11/32 3 1"]);
}

#[test]
fn an_older_message_of_a_session_does_not_undo_a_newer_one() {
    let mut told = Told::new();
    let old = told.report("a", person(1), &["10.20.0.11/32"]);
    told.seconds = 100;
    told.alive("a", person(1), &["10.20.0.12/32"]);
    let late = Report { moment: Moment::new(after(101), 60, None), ..old };
    assert!(told.apply(&Event::Alive(late)).is_empty());
    assert_eq!((told.who("10.20.0.11"), told.who("10.20.0.12")), (None, person(1)));
}

#[test]
fn a_session_has_the_addresses_that_it_named_last_in_each_family() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    assert_eq!(told.alive("a", None, &["2001:db8:20:11::/64"]), ["2001:db8:20:11::/64 - 1"]);
    let moved = told.alive("a", None, &["10.20.0.12/32"]);
    assert_eq!(moved, ["10.20.0.11/32 1 -", "10.20.0.12/32 - 1"]);
    // To an address that this gateway does not serve.
    assert_eq!(told.alive("a", None, &["10.21.0.1/32"]), ["10.20.0.12/32 1 -"]);
    assert_eq!(told.who("2001:db8:20:11::1"), person(1));
    assert_eq!(told.ended("a"), ["2001:db8:20:11::/64 1 -"]);
}

#[test]
fn a_session_of_somebody_unknown_is_not_the_one_befores() {
    let mut told = Told::new();
    told.file("10.20.0.11,84901234567,\n");
    assert_eq!(told.alive("a", None, &["10.20.0.11/32"]), ["10.20.0.11/32 7 -"]);
    // It says later who it is.
    assert_eq!(told.alive("a", person(1), &[]), ["10.20.0.11/32 - 1"]);
}

#[test]
fn an_identity_is_filled_in_and_corrected() {
    let mut told = Told::new();
    let (msisdn, imsi) = ("84901234561".parse().ok(), "452011234567891".parse().ok());
    told.alive("a", Identity::new(msisdn, None), &["10.20.0.11/32"]);
    told.alive("a", Identity::new(None, imsi), &[]);
    assert_eq!(told.who("10.20.0.11"), Identity::new(msisdn, imsi));
    assert_eq!(told.alive("a", person(2), &[]), ["10.20.0.11/32 1 2"]);
}

#[test]
fn a_new_session_of_the_same_person_is_no_change() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    assert!(told.alive("b", person(1), &["10.20.0.11/32"]).is_empty());
    let lease = told.bindings.lease(subscriber("10.20.0.11")).expect("a lease");
    assert_eq!(lease.session.as_deref(), Some("b"));
}

#[test]
fn an_access_server_that_starts_anew_has_no_sessions() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    told.alive("b", person(2), &["10.20.0.12/32"]);
    told.ended("b");
    let mut elsewhere = told.report("c", person(3), &["10.20.0.13/32"]);
    elsewhere.session.nas = nas("pgw2");
    told.apply(&Event::Alive(elsewhere));
    assert_eq!(told.reset("pgw1"), ["10.20.0.11/32 1 -"]);
    assert_eq!(told.who("10.20.0.13"), person(3));
    // It counts its sessions from the beginning again.
    assert_eq!(told.alive("b", person(2), &["10.20.0.12/32"]), ["10.20.0.12/32 - 2"]);
}

#[test]
fn a_late_restart_does_not_end_the_sessions_after_it() {
    let mut told = Told::new();
    told.seconds = 100;
    told.alive("a", person(1), &["10.20.0.11/32"]);
    let moment = Moment::new(after(102), 60, None);
    assert!(told.apply(&Event::Reset { nas: nas("pgw1"), moment }).is_empty());
}

#[test]
fn an_access_server_is_described_by_what_it_says_of_itself() {
    let address = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
    let both = Nas { address: address(65), identifier: Some("pgw1".into()) };
    assert!(nas("pgw1").describes(&both) && both.describes(&both));
    assert!(!nas("pgw2").describes(&both) && !both.describes(&nas("pgw1")));
    assert!(!Nas { address: address(66), identifier: None }.describes(&both));
}

#[test]
fn addresses_in_no_pool_are_ignored() {
    let mut told = Told::new();
    assert!(told.alive("a", person(1), &["10.21.0.11/32", "2001:db8:21::/64"]).is_empty());
    let status = BindingStatus { out_of_pool: 2, ..BindingStatus::default() };
    assert_eq!(told.bindings.status(), status);
    // A delegation of which a part is in a pool.
    assert_eq!(told.alive("b", person(2), &["2001:db8:20::/47"]), ["2001:db8:20::/47 - 2"]);
}

#[test]
fn a_delegated_prefix_is_its_holders_until_somebody_else_has_a_part_of_it() {
    let mut told = Told::new();
    assert_eq!(told.alive("a", person(1), &["2001:db8:20:1100::/56"]), ["2001:db8:20:1100::/56 - 1"]);
    assert_eq!(told.who("2001:db8:20:11ff::1"), person(1));
    assert_eq!(told.who("2001:db8:20:1200::1"), None);
    let changes = told.alive("b", person(2), &["2001:db8:20:1180::/64"]);
    assert!(changes.contains(&"2001:db8:20:1180::/64 1 2".to_owned()), "{changes:?}");
    assert!(changes.contains(&"2001:db8:20:1100::/57 1 -".to_owned()), "{changes:?}");
    // One part for each bit between the two, and the address itself.
    assert_eq!(changes.len(), 9);
    assert_eq!(told.alive("c", person(3), &["2001:db8:20:1100::/56"]).len(), 9);
    assert_eq!(told.who("2001:db8:20:1180::1"), person(3));
}

#[test]
fn a_prefix_and_one_inside_of_it_are_one_lease() {
    let mut told = Told::new();
    let changes = told.alive("a", person(1), &["2001:db8:20:1101::/64", "2001:db8:20:1100::/56"]);
    assert_eq!(changes, ["2001:db8:20:1100::/56 - 1"]);
    assert_eq!(told.bindings.status().leases, 1);
    assert!(told.alive("a", person(1), &["2001:db8:20:1101::/64", "2001:db8:20:1100::/56"]).is_empty());
}

#[test]
fn a_session_that_is_silent_for_a_day_is_taken_for_dead() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32"]);
    told.alive("b", person(2), &["10.20.0.12/32"]);
    told.alive("a", person(1), &[]);
    let day = 24 * 60 * 60;
    assert!(told.bindings.expire(after(day + 1)).is_empty());
    let changes: Vec<_> = told.bindings.expire(after(day + 2)).iter().map(words).collect();
    assert_eq!(changes, ["10.20.0.12/32 2 -"]);
    assert_eq!(told.bindings.status().expired, 1);
    assert_eq!(told.bindings.expire(after(day + 3)).len(), 1);
    // It lived after all.
    told.seconds = day + 4;
    assert_eq!(told.alive("b", person(2), &["10.20.0.12/32"]), ["10.20.0.12/32 - 2"]);
}

#[test]
fn leases_are_bounded_and_a_full_table_bills_nobody_wrongly() {
    let mut told = Told::with(SessionLimits { leases_max: 2, ..SessionLimits::default() });
    told.alive("a", person(1), &["10.20.0.11/32"]);
    told.alive("b", person(2), &["10.20.0.12/32"]);
    assert!(told.alive("c", person(3), &["10.20.0.13/32"]).is_empty());
    assert_eq!((told.bindings.status().full, told.bindings.status().sessions), (1, 2));
    // There is room for who takes an address over.
    assert_eq!(told.alive("d", person(4), &["10.20.0.11/32"]), ["10.20.0.11/32 1 4"]);
    told.ended("b");
    assert_eq!(told.alive("c", person(3), &["10.20.0.13/32"]), ["10.20.0.13/32 - 3"]);
}

#[test]
fn a_session_wins_over_the_file_while_it_lives() {
    let mut told = Told::new();
    let changes =
        told.file("10.20.0.0/24,84901234561,452011234567891\n10.20.0.11,84901234562,452011234567892\n");
    assert_eq!(changes.len(), 9, "{changes:?}");
    assert_eq!((told.who("10.20.0.10"), told.who("10.20.0.11")), (person(1), person(2)));
    assert_eq!(told.alive("a", person(3), &["10.20.0.11/32"]), ["10.20.0.11/32 2 3"]);
    assert_eq!(told.ended("a"), ["10.20.0.11/32 3 2"]);
    let lease = told.bindings.lease(subscriber("10.20.0.10")).expect("a lease");
    let wanted = Lease {
        block: block("10.20.0.0/24"),
        identity: person(1),
        session: None,
        since: after(1),
        source: Source::File,
    };
    assert_eq!(lease, wanted);
}

#[test]
fn another_file_changes_only_what_differs_and_no_sessions_address() {
    let mut told = Told::new();
    told.file("10.20.0.10,84901234561,\n10.20.0.12/31,84901234562,\n10.21.0.1,84901234563,\n");
    assert_eq!(told.bindings.status().file_out_of_pool, 1);
    told.alive("a", person(4), &["10.20.0.13/32"]);
    let changes = told.file("10.20.0.10,84901234561,\n10.20.0.12/31,84901234565,\n10.20.0.14,84901234566,\n");
    assert_eq!(changes, ["10.20.0.12/32 2 5", "10.20.0.14/32 - 6"]);
    let since = |address: &str| told.bindings.lease(subscriber(address)).expect("a lease").since;
    assert_eq!([since("10.20.0.10"), since("10.20.0.12")], [after(1), after(3)]);
    assert_eq!(told.file("").len(), 3);
}

/// Blocks that overlap in every way, of sixteen IPv4 addresses and a /60.
fn any_block() -> impl Strategy<Value = Block> {
    let v4 = (0..16_u8, 28..=32_u8).prop_map(|(last, length)| format!("10.20.0.{last}/{length}"));
    let v6 = (0..16_u8, 60..=64_u8).prop_map(|(last, length)| format!("2001:db8:20:{last:x}::/{length}"));
    let outside = Just("10.21.0.1/32".to_owned());
    prop_oneof![4 => v4, 4 => v6, 1 => outside].prop_map(|text| block(&text))
}

#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    File(Vec<(Block, u8)>),
    Expire,
}

fn any_step() -> impl Strategy<Value = Step> {
    let moment = (0..3_u32, prop::option::of(0..5_u32))
        .prop_map(|(delay, stamp)| Moment::new(after(50), delay, stamp));
    let session = ("[a-d]", prop::sample::select(vec!["pgw1", "pgw2"]))
        .prop_map(|(id, name)| SessionKey { nas: nas(name), id: id.into() });
    let identity = prop::option::of(0..4_u8).prop_map(|number| number.and_then(person));
    let report = (session, identity, prop::collection::vec(any_block(), 0..4), moment.clone())
        .prop_map(|(session, identity, blocks, moment)| Report { session, identity, blocks, moment })
        .boxed();
    prop_oneof![
        8 => report.clone().prop_map(|report| Step::Event(Event::Alive(report))),
        2 => report.prop_map(|report| Step::Event(Event::Ended(report))),
        1 => moment.prop_map(|moment| Step::Event(Event::Reset { nas: nas("pgw1"), moment })),
        2 => prop::collection::btree_map(any_block(), 0..4_u8, 0..5).prop_map(|file| Step::File(file.into_iter().collect())),
        1 => Just(Step::Expire),
    ]
}

fn file_of(entries: &[(Block, u8)]) -> SubscriberFile {
    let line = |(block, number): &(Block, u8)| format!("{block},8490123456{number},45201123456789{number}\n");
    let text = format!("prefix,msisdn,imsi\n{}", entries.iter().map(line).collect::<String>());
    SubscriberFile::parse("x", text.as_bytes()).expect("a file without fault")
}

proptest! {
    /// Whatever is told: who follows the changes knows at every time who has every address.
    #[test]
    fn changes_are_exactly_what_changed(steps in prop::collection::vec((0..300_i64, any_step()), 1..40)) {
        let limits = SessionLimits { leases_max: 6, silence_max: SignedDuration::from_secs(1000) };
        let pools = POOLS.map(|pool| pool.parse().expect("a network"));
        let mut bindings = Bindings::new(&pools, limits);
        let mut followed: BTreeMap<SubscriberId, Option<Identity>> =
            all_subscribers().into_iter().map(|subscriber| (subscriber, None)).collect();
        let mut at = after(0);
        for (seconds, step) in steps {
            at += SignedDuration::from_secs(seconds);
            let changes = match step {
                Step::Event(event) => bindings.apply(&event, at),
                Step::File(entries) => bindings.set_file(&file_of(&entries), at),
                Step::Expire => bindings.expire(at),
            };
            for (&subscriber, known) in &mut followed {
                let of_him: Vec<_> = changes.iter().filter(|change| change.block.holds(subscriber)).collect();
                prop_assert!(of_him.len() <= 1, "{:?}", of_him);
                if let Some(change) = of_him.first() {
                    prop_assert_eq!(change.before, *known);
                    prop_assert_ne!(change.before, change.after);
                    *known = change.after;
                }
                prop_assert_eq!(bindings.identity(subscriber), *known);
                let lease = bindings.lease(subscriber);
                prop_assert!(lease.as_ref().is_none_or(|lease| lease.block.holds(subscriber) && lease.since <= at));
                prop_assert_eq!(lease.and_then(|lease| lease.identity), *known);
            }
            prop_assert!(bindings.status().leases <= 6);
        }
    }
}

/// All addresses that [`any_block`] can give.
fn all_subscribers() -> Vec<SubscriberId> {
    let v4 = (0..18).map(|last| format!("10.20.0.{last}"));
    let v6 = (0..18).map(|last| format!("2001:db8:20:{last:x}::1"));
    v4.chain(v6).map(|address| subscriber(&address)).collect()
}

proptest! {
    /// Who is restored from what another one kept, whenever that was, hears on as if he were the other one.
    #[test]
    fn what_is_kept_is_all_that_is_known(
        before in prop::collection::vec((0..300_i64, any_step()), 0..30),
        after_it in prop::collection::vec((0..300_i64, any_step()), 0..20),
    ) {
        let limits = SessionLimits { leases_max: 6, silence_max: SignedDuration::from_secs(1000) };
        let pools = POOLS.map(|pool| pool.parse().expect("a network"));
        let (mut one, mut other) = (Bindings::new(&pools, limits), Bindings::new(&pools, limits));
        let mut at = after(0);
        for (seconds, step) in before {
            at += SignedDuration::from_secs(seconds);
            match step {
                Step::Event(event) => drop(one.apply(&event, at)),
                // The file is read anew by whoever starts.
                Step::File(_) => {}
                Step::Expire => drop(one.expire(at)),
            }
        }
        for kept in one.kept() {
            let text = serde_json::to_string(&kept).expect("text");
            other.restore(serde_json::from_str(&text).expect("the same"));
        }
        one.reset_counts();
        for (seconds, step) in after_it {
            at += SignedDuration::from_secs(seconds);
            let (changes, same) = match step {
                Step::Event(event) => (one.apply(&event, at), other.apply(&event, at)),
                Step::File(entries) => (one.set_file(&file_of(&entries), at), other.set_file(&file_of(&entries), at)),
                Step::Expire => (one.expire(at), other.expire(at)),
            };
            prop_assert_eq!(changes, same);
        }
        prop_assert_eq!(one.kept(), other.kept());
        prop_assert_eq!(one.status(), other.status());
        for subscriber in all_subscribers() {
            prop_assert_eq!(one.lease(subscriber), other.lease(subscriber));
        }
    }
}

#[test]
fn what_is_in_no_pool_any_longer_or_is_held_twice_is_not_restored() {
    let mut told = Told::new();
    told.alive("a", person(1), &["10.20.0.11/32", "2001:db8:20:11::/64"]);
    told.alive("b", person(2), &["10.20.0.12/32"]);
    let kept = told.bindings.kept();
    let limits = SessionLimits { leases_max: 1, ..SessionLimits::default() };
    let mut elsewhere = Bindings::new(&["10.20.0.0/16".parse().expect("a network")], limits);
    // The second time over.
    kept.iter().chain(&kept).for_each(|kept| elsewhere.restore(kept.clone()));
    let status = BindingStatus { sessions: 1, leases: 1, ..BindingStatus::default() };
    assert_eq!(elsewhere.status(), status);
    assert_eq!(elsewhere.identity(subscriber("10.20.0.11")), person(1));
}

mod of_the_file {
    use super::*;

    fn faults(text: &str) -> String {
        SubscriberFile::parse("s.csv", text.as_bytes()).expect_err(text).to_string()
    }

    #[test]
    fn entries_are_read_with_comments_quotes_and_blanks() {
        let text = "\u{feff}prefix,msisdn,imsi\r\n# the ministry\r\n10.20.0.11,+84901234561,452011234567891\r\n\r\n\
                    \"2001:db8:20:1100::/56\",\"84901234562\",\r\n 10.20.8.0/24 ,,452011234567893";
        let file = SubscriberFile::parse("s.csv", text.as_bytes()).expect("a file without fault");
        let wanted = [
            (block("10.20.0.11/32"), person(1).expect("somebody")),
            (
                block("2001:db8:20:1100::/56"),
                Identity::new("84901234562".parse().ok(), None).expect("somebody"),
            ),
            (block("10.20.8.0/24"), Identity::new(None, "452011234567893".parse().ok()).expect("somebody")),
        ];
        assert_eq!(file.entries(), wanted);
        assert_eq!(SubscriberFile::parse("s.csv", b"prefix,msisdn,imsi\n").expect("nobody").entries(), []);
    }

    #[test]
    fn every_fault_is_told_with_line_and_column() {
        let text = "prefix,msisdn,imsi\n10.20.0.11/24,0901,45201x\n\n# comment\n10.20.0.1,84901234567\n\
                    \"10.20.0.2\",,\n2001:db8::1,84901234567,\n2001:db8::/65,,452011\n::/64,,452011\n\
                    10.20.0.3,\"8,4\",452011\n10.20.0.4,,452011\n10.20.0.4/32,,452012\n";
        let wanted = [
            (2, 1, "10.20.0.11/24: bits past the prefix length are set"),
            (2, 15, "0901: this is not a telephone number in international form"),
            (2, 20, "45201x: this is not an IMSI"),
            (5, 1, "10.20.0.1,84901234567: the line has 2 fields, not 3"),
            (6, 13, "the line has neither an MSISDN nor an IMSI"),
            (7, 1, "2001:db8::1: this is not a network"),
            (8, 1, "2001:db8::/65: the network is longer than /64, and an IPv6 subscriber is a /64"),
            (9, 1, "::/64: the network has the unspecified address (RFC 4291, section 2.5.2) in it"),
            (10, 11, "8,4: this is not a telephone number in international form"),
            (12, 1, "10.20.0.4/32: line 11 has the same network"),
        ];
        let faults = SubscriberFile::parse("s.csv", text.as_bytes()).expect_err("many faults");
        let found: Vec<_> = faults
            .as_slice()
            .iter()
            .map(|fault| (fault.line, fault.column, fault.message.as_str()))
            .collect();
        assert_eq!(found, wanted);
        assert!(faults.as_slice().iter().all(|fault| !fault.help.is_empty()));
    }

    #[test]
    fn the_header_must_be_there() {
        for text in ["", "# nothing else\n", "10.20.0.1,84901234567,\n", "prefix,imsi,msisdn\n"] {
            assert!(faults(text).contains("the first line is not the columns' names"), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_utf8_is_told_where() {
        let octets = b"prefix,msisdn,imsi\n10.20.0.1,\xff,\n";
        let faults = SubscriberFile::parse("s.csv", octets).expect_err("not UTF-8").to_string();
        assert!(faults.starts_with("s.csv:2:11: the file is not UTF-8"), "{faults}");
    }

    #[test]
    fn faults_are_bounded() {
        let text = format!("prefix,msisdn,imsi\n{}", "x,,452011\n".repeat(1000));
        assert_eq!(faults(&text).matches("help:").count(), file::FAULTS_MAX);
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let directory = tempfile::TempDir::new().expect("a temporary directory");
        let path = directory.path().join("subscribers.csv");
        assert!(SubscriberFile::load(&path).expect_err("none").to_string().contains("cannot be read"));
        std::fs::write(&path, "prefix,msisdn,imsi\n10.20.0.11,84901234567,\n").expect("it is written");
        assert_eq!(SubscriberFile::load(&path).expect("a file").entries().len(), 1);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            prop_assert!(SubscriberFile::parse("x", &octets).is_err());
        }

        #[test]
        fn any_lines_are_read_or_told_where_they_are(text in "([0-9./:,\"# ab\\r\\n]|\\PC){0,80}") {
            let text = format!("prefix,msisdn,imsi\n{text}");
            if let Err(faults) = SubscriberFile::parse("x", text.as_bytes()) {
                let lines = text.lines().count();
                prop_assert!(!faults.as_slice().is_empty());
                for fault in faults.as_slice() {
                    prop_assert!((2..=lines).contains(&fault.line) && fault.column >= 1, "{}", fault);
                }
            }
        }

        #[test]
        fn what_is_written_is_read(entries in prop::collection::btree_map(any_block(), 0..10_u8, 0..10)) {
            let entries: Vec<_> = entries.into_iter().collect();
            let wanted: Vec<_> =
                entries.iter().map(|(block, number)| (*block, person(*number).expect("somebody"))).collect();
            let file = file_of(&entries);
            prop_assert_eq!(file.entries(), wanted);
        }
    }
}
