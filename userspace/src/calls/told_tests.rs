//! Calls that the API opens.

use super::*;
use crate::calls::told::{ToldCall, ToldFault, ToldMedia};

const STREAM: &str = "grant 10.20.0.11:40000 198.51.100.7:5000";

fn media(port: u16, remote: &str, kind: StreamKind) -> ToldMedia {
    ToldMedia { subscriber_port: port, remote: socket(remote), kind }
}

fn told() -> ToldCall {
    ToldCall {
        subscriber: socket(SUBSCRIBER).ip(),
        number: "+8419003228".to_owned(),
        caller: "tel:+84912345678".to_owned(),
        charging_id: Some("icid1".to_owned()),
        media: vec![media(40000, "198.51.100.7:5000", StreamKind::Audio)],
        duration: Duration::from_mins(10),
    }
}

fn open(lab: &mut Lab, id: &str, told: &ToldCall) -> Result<Vec<String>, ToldFault> {
    lab.second += 1;
    lab.tracker.open(at(lab.second), id, told, &lab.policy).map(|actions| short(&actions))
}

#[test]
fn a_told_call_is_free_until_it_is_closed() {
    let mut lab = Lab::new();
    assert_eq!(open(&mut lab, "a", &told()), Ok(vec![STREAM.to_owned()]));
    let moved = ToldCall { media: vec![media(40010, "198.51.100.7:5000", StreamKind::Audio)], ..told() };
    assert_eq!(
        open(&mut lab, "a", &moved),
        Ok(vec![REVOKE.to_owned(), "grant 10.20.0.11:40010 198.51.100.7:5000".to_owned()])
    );
    let actions = lab.tracker.close(at(9), "a").expect("it is open");
    let record = record(&actions);
    assert_eq!((record.cause, record.number.as_str(), record.proxy), (Cause::Closed, "19003228", None));
    assert_eq!((record.caller.as_str(), record.is_caller_asserted), ("tel:+84912345678", true));
    assert_eq!((record.charging_id.as_deref(), record.media.len()), (Some("icid1"), 2));
    assert_eq!(lab.tracker.close(at(10), "a"), None);
}

#[test]
fn told_twice_is_once() {
    let mut lab = Lab::new();
    open(&mut lab, "a", &told()).expect("it is free");
    // The same again only prolongs it.
    assert_eq!(
        open(&mut lab, "a", &told()),
        Ok(vec!["change 10.20.0.11:40000 198.51.100.7:5000".to_owned()])
    );
    assert_eq!((lab.tracker.active().len(), lab.tracker.stats().invited), (1, 1));
    lab.hear(601);
    assert_eq!(lab.tracker.expire(at(601)), []);
    assert_eq!(short(&lab.tracker.expire(at(602))), [REVOKE, "ended closed"]);
}

/// An edit of what is told.
type Edit = fn(&mut ToldCall);

#[test]
fn the_same_bounds_hold_as_for_signalling() {
    let refusals: [(Edit, ToldFault); 8] = [
        (|call| call.number = "1900322".into(), ToldFault::NotListed { number: "1900322".into() }),
        (|call| call.media.clear(), ToldFault::Streams),
        (|call| call.media.push(call.media[0]), ToldFault::Streams),
        (|call| call.media[0].kind = StreamKind::Control, ToldFault::Streams),
        (|call| call.media[0].kind = StreamKind::Video, ToldFault::Video),
        (|call| call.media[0].subscriber_port = 0, ToldFault::Port),
        (
            |call| call.media[0].remote = socket("203.0.113.66:5000"),
            ToldFault::Remote { remote: socket("203.0.113.66:5000") },
        ),
        (
            |call| call.media[0].remote = socket("[2001:db8:5bc::7]:5000"),
            ToldFault::Remote { remote: socket("[2001:db8:5bc::7]:5000") },
        ),
    ];
    for (edit, fault) in refusals {
        let (mut lab, mut call) = (Lab::new(), told());
        edit(&mut call);
        assert_eq!(open(&mut lab, "a", &call), Err(fault));
        assert_eq!(lab.tracker.active().len(), 0);
    }
    let mut lab = Lab::new();
    for id in ["", "a b", "é", &"x".repeat(257)] {
        assert_eq!(open(&mut lab, id, &told()), Err(ToldFault::Id), "{id}");
    }
    for id in ["a", "b", "c", "d"] {
        let port = 40000 + u16::from(id.as_bytes()[0]);
        let call = ToldCall { media: vec![media(port, "198.51.100.7:5000", StreamKind::Audio)], ..told() };
        assert!(open(&mut lab, id, &call).is_ok(), "{id}");
    }
    assert_eq!(open(&mut lab, "e", &told()), Err(ToldFault::Full));
    let other = ToldCall { subscriber: socket("10.20.0.12:1").ip(), ..told() };
    assert_eq!(open(&mut lab, "a", &other), Err(ToldFault::Conflict));
}

#[test]
fn signalling_does_not_touch_a_told_call() {
    let mut lab = Lab::new();
    let id = "call1@10.20.0.11";
    open(&mut lab, id, &told()).expect("it is free");
    assert_eq!(lab.see(Downlink, &bye()), []);
    assert_eq!(lab.tracker.active().len(), 1);
}
