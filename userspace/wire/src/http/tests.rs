#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;

use super::{HEAD_OCTETS_MAX, read};
use crate::inspect::{Hidden, HostName, Reading};

fn named(name: &str) -> Result<HostName, Hidden> {
    HostName::parse(name.as_bytes()).map_err(Hidden::from)
}

fn said(head: &str) -> Result<HostName, Hidden> {
    match read(head.as_bytes()) {
        Reading::Complete { said, .. } => said,
        Reading::Incomplete => panic!("not complete: {head}"),
    }
}

#[test]
fn the_host_is_the_name() {
    for head in [
        "GET / HTTP/1.1\r\nHost: ncov.moh.gov.vn\r\n\r\n",
        "POST /a?b HTTP/1.1\r\nAccept: */*\r\nhOsT:NCOV.moh.gov.vn:80  \r\nContent-Length: 3\r\n\r\nabc",
        "GET http://ncov.moh.gov.vn/ HTTP/1.1\r\nHost: ncov.moh.gov.vn\r\n\r\n",
        "GET HTTP://ncov.moh.gov.vn:8080?q HTTP/1.0\r\n\r\n",
        "GET http://ncov.moh.gov.vn HTTP/1.1\r\nHost: ncov.moh.gov.vn:8080\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: ncov.moh.gov.vn.\r\n\r\n",
        "\r\nGET / HTTP/1.1\nHost: ncov.moh.gov.vn\n\n",
        "BREW / HTTP/1.1\r\nHost: ncov.moh.gov.vn\r\n\r\nGET / HTTP/1.1\r\nHost: other.example\r\n\r\n",
    ] {
        assert_eq!(said(head), named("ncov.moh.gov.vn"), "{head}");
    }
}

#[test]
fn the_head_ends_with_an_empty_line() {
    let head = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    for octets in 0..head.len() {
        assert_eq!(read(&head[..octets]), Reading::Incomplete);
    }
    let more = [head, &b"body"[..]].concat();
    assert_eq!(read(&more), Reading::Complete { octets: head.len(), said: named("a.example") });
}

#[test]
fn two_hosts_are_hidden() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nhost: a.example\r\n\r\n",
        "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://192.0.2.1/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET http://a.example/ HTTP/1.1\r\nHost: \r\n\r\n",
    ] {
        assert_eq!(said(head), Err(Hidden::ConflictingHosts), "{head}");
    }
}

#[test]
fn connect_is_hidden() {
    assert_eq!(said("CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"), Err(Hidden::Connect));
}

#[test]
fn no_name_and_no_valid_name() {
    for (head, why) in [
        ("GET / HTTP/1.0\r\n\r\n", Hidden::NoName),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Hidden::NoName),
        ("GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n\r\n", Hidden::NoName),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]\r\n\r\n", Hidden::NoName),
        ("GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n", Hidden::InvalidName),
        ("GET / HTTP/1.1\r\nHost: a.example@b.example\r\n\r\n", Hidden::InvalidName),
        ("GET http://a.example@b.example/ HTTP/1.1\r\n\r\n", Hidden::InvalidName),
    ] {
        assert_eq!(said(head), Err(why), "{head}");
    }
}

#[test]
fn what_servers_read_differently_is_not_recognised() {
    for head in [
        "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nX: y\r\n Host: a.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\rHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.exam\0ple\r\n\r\n",
        "GET a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a.example\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{1}\u{2}\u{3}",
    ] {
        assert_eq!(said(head), Err(Hidden::NotRecognised), "{head}");
    }
}

#[test]
fn a_head_that_does_not_end_is_too_long() {
    let endless = format!("GET /{}", "a".repeat(HEAD_OCTETS_MAX));
    assert_eq!(said(&endless), Err(Hidden::TooLong));
    let many = format!("GET / HTTP/1.1\r\n{}Host: a.example\r\n\r\n", "A: b\r\n".repeat(100));
    assert_eq!(said(&many), Err(Hidden::TooLong));
}

proptest! {
    #[test]
    fn any_octets_make_no_panic(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&octets);
    }

    #[test]
    fn any_text_makes_no_panic(text in "GET (http://)?[ -~]{0,20} HTTP/1.1\r\n([Hh]ost ?:[ -~]{0,20}\r\n){0,3}\r\n") {
        let _ = read(text.as_bytes());
    }
}
