//! Dialogs in all their forms: early, forked, changed, timed, gone on with after a restart.

use super::*;

const NONE: &[&str] = &[];
/// The stream that [`fork_answer`] comes to.
const FORK_GRANT: &str = "grant 10.20.0.11:40000 198.51.100.8:6000";
const FORK_REVOKE: &str = "revoke 10.20.0.11:40000 198.51.100.8:6000";
const CHANGE: &str = "change 10.20.0.11:40000 198.51.100.7:5000";

fn fork_answer() -> String {
    audio("198.51.100.8", 6000)
}

/// A response to the first INVITE from the second end.
fn fork(status: &str, body: &str) -> String {
    response(status, body).replace("desk1", "desk2")
}

fn prack(number: u32, body: &str) -> String {
    from_an("PRACK", number, "p", body)
}

fn prack_ok(number: u32, body: &str) -> String {
    sip("SIP/2.0 200 OK", &format!("{number} PRACK"), "p", AN, DESK, body)
}

/// RFC 3960: media before the answer, up to a bound that the kernel holds.
#[test]
fn early_media_is_free_for_a_while() {
    let mut lab = Lab::with(&[(Uplink, invite())]);
    let actions = lab.see(Downlink, &response("183 Session Progress", &answer()));
    let Some(Action::Grant { grant, .. }) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(grant.valid_until_ns, (2 + 90) * SECOND_NS);
    assert_eq!(lab.see(Downlink, &response("183 Session Progress", &answer())), []);
    let actions = lab.see(Downlink, &ok());
    let [Action::Change { grant, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(grant.valid_until_ns, (4 + 4 * 3600) * SECOND_NS);

    // A call that is never answered, with early media for an hour.
    let mut lab = Lab::with(&[(Uplink, invite()), (Downlink, response("183 x", &answer()))]);
    assert_eq!(lab.tracker.expire(at(91)), []);
    assert_eq!(short(&lab.tracker.expire(at(92))), [REVOKE]);
    for minute in 2..60 {
        lab.second = minute * 60;
        assert_eq!(lab.see(Downlink, &response("183 x", &answer())), [], "minute {minute}");
    }
    assert_eq!(short(&lab.see(Downlink, &ok())), [GRANT]);
}

/// RFC 3261, section 13.2.2.4; RFC 3262: each end has an early dialog of its own.
#[test]
fn forks_are_dialogs_of_their_own() {
    let dialogs: Vec<(&str, Vec<Row>)> = vec![
        (
            "one of two answers",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, response("183 x", &answer()), &[GRANT]),
                (Downlink, fork("183 x", &fork_answer()), &[FORK_GRANT]),
                (
                    Downlink,
                    fork("200 OK", &fork_answer()),
                    &[REVOKE, "change 10.20.0.11:40000 198.51.100.8:6000"],
                ),
                (Downlink, response("183 x", &answer()), NONE),
                (Downlink, bye(), NONE),
                (Downlink, bye().replace("desk1", "desk2"), &[FORK_REVOKE, "ended hangup-remote"]),
            ],
        ),
        (
            "both answer, the caller hangs up on one",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, ok(), &[GRANT]),
                (Downlink, fork("200 OK", &fork_answer()), &[FORK_GRANT]),
                (Uplink, from_an("BYE", 2, "b", ""), &[REVOKE]),
                (
                    Uplink,
                    from_an("BYE", 2, "b", "").replace("desk1", "desk2"),
                    &[FORK_REVOKE, "ended hangup-subscriber"],
                ),
            ],
        ),
        (
            "all are refused",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, response("183 x", &answer()), &[GRANT]),
                (Downlink, fork("486 Busy Here", ""), &[REVOKE, "ended rejected"]),
            ],
        ),
    ];
    play_all(Lab::new, &dialogs);

    let mut lab = Lab::with(&[(Uplink, invite())]);
    for end in 0..20 {
        lab.see(Downlink, &response("180 x", "").replace("desk1", &format!("fork{end}")));
    }
    assert_eq!(lab.tracker.stats().refusals[Refusal::TooManyDialogs.number()], 12, "eight are followed");
}

/// RFC 3262, section 5, and RFC 3311: offers and answers before the 2xx.
#[test]
fn reliable_responses_negotiate() {
    let moved = audio("198.51.100.7", 5010);
    let moved_grant: &[&str] = &[REVOKE, "grant 10.20.0.11:40000 198.51.100.7:5010"];
    let dialogs: Vec<(&str, Vec<Row>)> = vec![
        (
            "the answer in a 183, another description in the 200",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, reliable(&response("183 x", &answer())), &[GRANT]),
                (Uplink, prack(2, ""), NONE),
                (Downlink, prack_ok(2, ""), NONE),
                (Downlink, response("200 OK", &moved), &[CHANGE]),
            ],
        ),
        (
            "no description in the 200",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, reliable(&response("183 x", &answer())), &[GRANT]),
                (Uplink, prack(2, ""), NONE),
                (Downlink, response("200 OK", ""), &[CHANGE]),
            ],
        ),
        (
            "an offer in the 183, its answer in the PRACK",
            vec![
                (Uplink, invite_to(HOTLINE, ""), NONE),
                (Downlink, reliable(&response("183 x", &answer())), NONE),
                (Uplink, prack(2, &offer()), NONE),
                (Downlink, prack_ok(2, ""), NONE),
                (Downlink, response("200 OK", ""), &[GRANT]),
            ],
        ),
        (
            "a new offer in the PRACK",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, reliable(&response("183 x", &answer())), &[GRANT]),
                (Uplink, prack(2, &offer()), NONE),
                (Downlink, prack_ok(2, &moved), moved_grant),
            ],
        ),
        (
            "the called end changes the early session",
            vec![
                (Uplink, invite(), NONE),
                (Downlink, reliable(&response("183 x", &answer())), &[GRANT]),
                (Downlink, from_desk("UPDATE", 1, "r", &moved), NONE),
                (Uplink, ok_to("1 UPDATE", DESK, AN, &offer()), moved_grant),
            ],
        ),
    ];
    play_all(Lab::new, &dialogs);
}

/// RFC 3261, section 14.1: both ends change the session at once; each refuses, and one tries again.
#[test]
fn glare_leaves_the_session_as_it_was() {
    let rows: Vec<Row> = vec![
        (Uplink, from_an("INVITE", 2, "r", &audio("10.20.0.11", 40010)), NONE),
        (Downlink, from_desk("INVITE", 7, "r", &audio("198.51.100.7", 5010)), NONE),
        (Downlink, sip("SIP/2.0 491 Request Pending", "2 INVITE", "r", AN, DESK, ""), NONE),
        (Uplink, sip("SIP/2.0 491 Request Pending", "7 INVITE", "r", DESK, AN, ""), NONE),
        (Downlink, ok_to("2 INVITE", AN, DESK, &answer()), NONE),
        (Uplink, from_an("INVITE", 3, "r", &audio("10.20.0.11", 40010)), NONE),
        (
            Downlink,
            ok_to("3 INVITE", AN, DESK, &answer()),
            &[REVOKE, "grant 10.20.0.11:40010 198.51.100.7:5000"],
        ),
    ];
    Lab::talking().play("glare", &rows);
}

/// RFC 3261, section 12.2.1.2.
#[test]
fn a_dialog_that_the_other_end_lost_is_over() {
    for status in ["408 Request Timeout", "481 Call/Transaction Does Not Exist"] {
        let mut lab = Lab::talking();
        lab.see(Uplink, &from_an("UPDATE", 2, "r", ""));
        let lost = sip(&format!("SIP/2.0 {status}"), "2 UPDATE", "r", AN, DESK, "");
        assert_eq!(lab.see(Downlink, &lost.replace("z9hG4bKr", "z9hG4bKx")), [], "of another transaction");
        assert_eq!(short(&lab.see(Downlink, &lost)), [REVOKE, "ended dialog-lost"], "{status}");
    }
}

/// RFC 4028: a session that is not refreshed ends by itself, in the kernel too.
#[test]
fn sessions_end_unless_they_are_refreshed() {
    let timed = |text: String| text.replacen("Max-Forwards: 70", "Session-Expires: 90;refresher=uac", 1);
    let mut lab = Lab::with(&[(Uplink, invite())]);
    let actions = lab.see(Downlink, &timed(ok()));
    let Some(Action::Grant { grant, .. }) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(grant.valid_until_ns, (2 + 90 + 32) * SECOND_NS);
    lab.second = 49;
    lab.see(Uplink, &from_an("UPDATE", 2, "r", ""));
    let actions = lab.see(Downlink, &timed(ok_to("2 UPDATE", AN, DESK, "")));
    let [Action::Change { grant, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(grant.valid_until_ns, (51 + 122) * SECOND_NS);
    lab.hear(172);
    assert_eq!(lab.tracker.expire(at(172)), []);
    assert_eq!(short(&lab.tracker.expire(at(173))), [REVOKE, "ended session-expired"]);

    // A refresh without an interval takes the timer off (section 7.2).
    let mut lab = Lab::with(&[(Uplink, invite()), (Downlink, timed(ok()))]);
    lab.see(Uplink, &from_an("UPDATE", 2, "r", ""));
    assert_eq!(short(&lab.see(Downlink, &ok_to("2 UPDATE", AN, DESK, ""))), [CHANGE]);
    lab.hear(3000);
    assert_eq!(lab.tracker.expire(at(3000)), []);
}

#[test]
fn silence_ends_a_call() {
    let mut lab = Lab::talking();
    assert_eq!(lab.tracker.expire(at(61)), []);
    lab.hear(30);
    assert_eq!(lab.tracker.expire(at(89)), []);
    assert_eq!(short(&lab.tracker.expire(at(90))), [REVOKE, "ended silence"]);
    // On hold nothing is expected to pass.
    let mut lab = Lab::talking();
    let held = offer().replace("a=rtcp-mux", "a=inactive");
    lab.see(Uplink, &from_an("INVITE", 2, "r", &held));
    assert_eq!(short(&lab.see(Downlink, &ok_to("2 INVITE", AN, DESK, &answer()))), [REVOKE]);
    assert_eq!(lab.tracker.expire(at(3000)), []);
    lab.second = 3000;
    lab.see(Uplink, &from_an("INVITE", 3, "r", &offer()));
    assert_eq!(short(&lab.see(Downlink, &ok_to("3 INVITE", AN, DESK, &answer()))), [GRANT]);
    assert_eq!(record(&lab.see(Downlink, &bye())).refusals, []);
}

/// A call transferred by REFER, or sent elsewhere by 3xx, is a new INVITE, and its own number decides.
#[test]
fn transferred_calls_are_judged_anew() {
    let refer =
        from_desk("REFER", 231, "x", "").replace("Max-Forwards: 70", "Refer-To: <sip:0912345678@example.vn>");
    let second = |text: String| text.replace("call1@", "call2@");
    let replaces = "Replaces: call1@10.20.0.11;to-tag=desk1;from-tag=an1";
    let to_other =
        second(invite_to("sip:0912345678@example.vn", &offer())).replace("Max-Forwards: 70", replaces);
    let mut lab = Lab::talking();
    assert_eq!(lab.see(Downlink, &refer), []);
    assert_eq!(lab.see(Uplink, &to_other), []);
    assert_eq!(lab.see(Downlink, &second(ok())), [], "the number of the new call is not listed");
    assert_eq!(lab.tracker.stats().not_hotline, 1);
    let diverted = invite_to("sip:0912345678@example.vn", &offer()).replace(
        "Max-Forwards: 70",
        "Diversion: <sip:19003228@example.vn>\r\nHistory-Info: <sip:19003228@example.vn>;index=1",
    );
    assert_eq!(Lab::with(&[(Uplink, diverted)]).tracker.stats().not_hotline, 1);
}

#[test]
fn control_has_ports_of_its_own_unless_it_is_multiplexed() {
    let control = |text: String, line: &str| text.replace("a=rtcp-mux\r\n", line);
    let next = "grant 10.20.0.11:40001 198.51.100.7:5001";
    for (ours, theirs, expected) in [
        ("", "", vec![GRANT, next]),
        ("a=rtcp-mux\r\n", "", vec![GRANT, next]),
        ("a=rtcp-mux\r\n", "a=rtcp-mux\r\n", vec![GRANT]),
        (
            "a=rtcp:41000\r\n",
            "a=rtcp:5500 IN IP4 198.51.100.9\r\n",
            vec![GRANT, "grant 10.20.0.11:41000 198.51.100.9:5500"],
        ),
        ("a=rtcp:0\r\n", "", vec![GRANT]),
        ("a=rtcp:41000 IN IP4 10.20.0.12\r\n", "", vec![GRANT]),
        ("", "a=rtcp:5500 IN IP4 203.0.113.66\r\n", vec![GRANT]),
    ] {
        let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, &control(offer(), ours)))]);
        let actions = lab.see(Downlink, &response("200 OK", &control(answer(), theirs)));
        assert_eq!(short(&actions), expected, "{ours} {theirs}");
        let rates: Vec<u32> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Grant { grant, .. } => Some(grant.rate_octets_per_second),
                _ => None,
            })
            .collect();
        assert_eq!(rates, [16_000, 2_000][..rates.len()], "5 %, but not less than 16 kbit/s");
    }
    let edge = audio("10.20.0.11", 65535).replace("a=rtcp-mux\r\n", "");
    let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, &edge))]);
    assert_eq!(short(&lab.see(Downlink, &response("200 OK", &control(answer(), "")))).len(), 1);
}

#[test]
fn video_is_free_only_where_the_policy_says_so() {
    let both = |address, port: u16| {
        description(address, &[&format!("audio {port} RTP/AVP 0"), &format!("video {} RTP/AVP 96", port + 2)])
    };
    let play = |lab: &mut Lab| {
        lab.see(Uplink, &invite_to(HOTLINE, &both("10.20.0.11", 40000)));
        lab.see(Downlink, &response("200 OK", &both("198.51.100.7", 5000)))
    };
    let mut lab = Lab::new();
    assert_eq!(short(&play(&mut lab)), [GRANT]);
    assert_eq!(record(&lab.see(Downlink, &bye())).refusals, [Refusal::NotAudio]);
    let mut lab = Lab::new();
    lab.policy.terms.video_octets_per_second = Some(250_000);
    let actions = play(&mut lab);
    assert_eq!(short(&actions), [GRANT, "grant 10.20.0.11:40002 198.51.100.7:5002"]);
    let Some(Action::Grant { stream, grant }) = actions.last() else { panic!("{actions:?}") };
    assert_eq!((stream.kind, grant.rate_octets_per_second), (StreamKind::Video, 250_000));
}

#[test]
fn candidates_count_inside_media_networks_alone() {
    let ours = offer()
        + "a=candidate:1 1 UDP 9 10.20.0.11 40000 typ host\r\na=candidate:1 1 UDP 8 10.20.0.12 40000 typ host\r\n"
        + "a=candidate:2 1 UDP 7 10.20.0.11 40500 typ host\r\n";
    let theirs = answer()
        + "a=candidate:1 1 UDP 9 198.51.100.9 5000 typ host\r\na=candidate:2 1 UDP 8 203.0.113.66 5000 typ srflx\r\n"
        + "a=candidate:3 1 TCP 8 198.51.100.9 5000 typ host\r\n";
    let mut lab = Lab::with(&[(Uplink, invite_to(HOTLINE, &ours))]);
    assert_eq!(
        short(&lab.see(Downlink, &response("200 OK", &theirs))),
        [GRANT, "grant 10.20.0.11:40000 198.51.100.9:5000", "grant 10.20.0.11:40500 198.51.100.9:5000"]
    );
}

/// RFC 3325, section 4: who is not trusted asserts nothing.
#[test]
fn identities_are_asserted_by_the_operator_alone() {
    let asserted = "P-Asserted-Identity: <tel:+84912345678>\r\nP-Charging-Vector: icid-value=icid1";
    let claimed = invite().replacen("Max-Forwards: 70", asserted, 1);
    for (trusted, caller, charging_id) in
        [(vec![], AN, None), (vec![socket(SUBSCRIBER).ip()], "<tel:+84912345678>", Some("icid1"))]
    {
        let is_trusted = !trusted.is_empty();
        let mut lab = Lab::new();
        lab.policy.trusted = trusted;
        lab.see(Uplink, &claimed);
        lab.see(Downlink, &ok());
        let record = record(&lab.see(Downlink, &bye()));
        assert_eq!((record.caller.as_str(), record.is_caller_asserted), (caller, is_trusted));
        assert_eq!(record.charging_id.as_deref(), charging_id);
    }
    // What the proxy says of charging is true.
    let vector = "P-Charging-Vector: icid-value=\"icid2\";orig-ioi=home1.net";
    let mut lab = Lab::with(&[(Uplink, invite()), (Downlink, ok().replacen("Max-Forwards: 70", vector, 1))]);
    assert_eq!(record(&lab.see(Downlink, &bye())).charging_id.as_deref(), Some("icid2"));
}

#[test]
fn emergency_calls_are_not_counted() {
    let mut lab = Lab::new();
    lab.policy.is_emergency = true;
    lab.policy.terms.calls_per_subscriber_max = 1;
    for call in 1..=3 {
        lab.see(Uplink, &invite().replace("call1@", &format!("call{call}@")));
    }
    assert_eq!((lab.tracker.stats().invited, lab.tracker.stats().subscriber_full), (3, 0));
}

#[test]
fn calls_to_emergency_numbers_have_room_of_their_own_that_is_bounded_too() {
    let limits = TrackerLimits {
        calls_max: 10,
        emergency_calls_max: 5,
        emergency_calls_per_subscriber_max: 8,
        ..TrackerLimits::default()
    };
    let mut lab = Lab { tracker: Tracker::new(limits), ..Lab::new() };
    lab.policy.terms.calls_per_subscriber_max = 20;
    let see = |lab: &mut Lab, subscriber: &str, calls: std::ops::Range<u32>| {
        for call in calls {
            lab.see_between(Uplink, subscriber, PROXY, &invite().replace("call1@", &format!("call{call}@")));
        }
        let stats = lab.tracker.stats();
        (stats.invited, stats.full, stats.subscriber_full)
    };
    assert_eq!(see(&mut lab, "10.20.0.11:5060", 0..12), (10, 2, 0));
    lab.policy.is_emergency = true;
    assert_eq!(see(&mut lab, "10.20.0.11:5060", 12..13), (10, 2, 1), "he has more than eight");
    assert_eq!(see(&mut lab, "10.20.0.12:5060", 20..26), (15, 3, 1));
}

#[test]
fn text_messages_are_told_where_the_policy_frees_them() {
    let text = sip("MESSAGE sip:19003228@example.vn SIP/2.0", "1 MESSAGE", "m", AN, TO, "");
    let mut lab = Lab::with(&[(Uplink, text.clone())]);
    assert_eq!((lab.tracker.stats().text_messages, lab.tracker.stats().untracked), (0, 1));
    lab.policy.terms.has_messages = true;
    assert_eq!(short(&lab.see(Uplink, &text)), ["text 7"]);
    assert_eq!(lab.see(Uplink, &text.replace("sip:19003228@", "sip:1900322@")), []);
    assert_eq!(lab.see(Downlink, &text), []);
    assert_eq!(lab.tracker.stats().text_messages, 1);
}

#[test]
fn changed_terms_change_the_grants() {
    let mut lab = Lab::talking();
    lab.policy.terms.audio_octets_per_second = 8_000;
    lab.policy.terms.duration_max = Duration::from_mins(10);
    let actions = lab.tracker.policy_changed(at(9), &lab.policy);
    let [Action::Change { grant, .. }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((grant.rate_octets_per_second, grant.valid_until_ns), (8_000, 602 * SECOND_NS));
}

/// What a controller before this one knew.
fn restarted(lab: &mut Lab) -> Lab {
    let saved: Vec<SavedCall> = lab.tracker.take_changes();
    let texts: Vec<String> = saved.iter().map(|call| serde_json::to_string(call).expect("JSON")).collect();
    let saved = texts.iter().map(|text| serde_json::from_str(text).expect("a call")).collect();
    let mut after = Lab { second: lab.second, ..Lab::new() };
    after.tracker.restore(saved);
    after
}

#[test]
fn a_call_goes_on_after_a_restart() {
    // After each message of a call, the controller is killed.
    let rows: [Row; 7] = [
        (Uplink, invite(), NONE),
        (Downlink, reliable(&response("183 x", &answer())), &[GRANT]),
        (Uplink, prack(2, ""), NONE),
        (Downlink, ok(), &[CHANGE]),
        (Uplink, from_an("INVITE", 3, "r", &audio("10.20.0.11", 40010)), NONE),
        (
            Downlink,
            ok_to("3 INVITE", AN, DESK, &answer()),
            &[REVOKE, "grant 10.20.0.11:40010 198.51.100.7:5000"],
        ),
        (Downlink, bye(), &["revoke 10.20.0.11:40010 198.51.100.7:5000", "ended hangup-remote"]),
    ];
    for killed in 0..rows.len() {
        let mut lab = Lab::new();
        for (index, (direction, message, expected)) in rows.iter().enumerate() {
            if index == killed {
                lab = restarted(&mut lab);
            }
            assert_eq!(
                short(&lab.see(*direction, message)),
                *expected,
                "killed before {killed}, row {index}"
            );
        }
    }
}

#[test]
fn a_call_that_ended_meanwhile_is_partial() {
    let mut lab = restarted(&mut Lab::talking());
    let uid = lab.tracker.active().next().map(|call| call.uid.to_owned());
    assert_eq!(lab.tracker.stats().restored, 1);
    assert_eq!(lab.tracker.expire(at(61)), []);
    let actions = lab.tracker.expire(at(62));
    assert_eq!(short(&actions), [REVOKE, "ended partial"]);
    assert_eq!(Some(record(&actions).uid), uid, "it has the name that it had before");
    assert_eq!(
        (lab.tracker.calls.len(), lab.tracker.subscribers.len(), lab.tracker.holders.len()),
        (0, 0, 0)
    );
    // A message shows that it goes on: then it ends as any other.
    let mut lab = restarted(&mut Lab::talking());
    lab.see(Uplink, &from_an("UPDATE", 2, "r", ""));
    assert_eq!(short(&lab.tracker.expire(at(90))), [REVOKE, "ended silence"]);
}

#[test]
fn only_what_changed_is_saved() {
    let mut lab = Lab::talking();
    assert_eq!(lab.tracker.take_changes().len(), 1);
    assert_eq!(lab.tracker.take_changes(), []);
    lab.see(Downlink, &ok());
    assert_eq!(lab.tracker.take_changes(), [], "a retransmission changes nothing");
    lab.see(Downlink, &bye());
    assert_eq!(lab.tracker.take_changes(), [], "what ended has a record");
}
