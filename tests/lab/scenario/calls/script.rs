//! What a subscriber's telephone does, as `SIPp` reads it.

use std::fmt::Write as _;

use super::clip;

/// One thing that it does, or that it waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Offers audio, in this direction (RFC 3264, section 5.1), on the call's port or `ahead` of it.
    Invite {
        direction: &'static str,
        ahead: u8,
    },
    /// Waits for a response; provisional ones before it may come.
    Expect(u16),
    /// A response that may come, or come later.
    Maybe(u16),
    /// Confirms a 2xx: a transaction of its own.
    Ack,
    /// Confirms another final response: of the INVITE's transaction (RFC 3261, section 17.1.1.3).
    AckFailure,
    Cancel,
    Bye,
    /// Plays a clip, and goes on meanwhile.
    Talk,
    /// In milliseconds.
    Pause(u32),
}

/// The parts of a request that differ.
struct Request<'a> {
    method: &'a str,
    is_in_dialog: bool,
    /// How many elements before this one the transaction began.
    back: usize,
    sequence: u32,
    retransmits: bool,
    body: String,
}

/// Renders the steps of the kind `kind`, which the far end reads in `From`.
pub(super) fn render(kind: &str, steps: &[Step]) -> String {
    let mut script = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"{kind}\">\n");
    // Elements so far; where the last INVITE stands among them; how many INVITEs; whether there is a dialog.
    let (mut elements, mut invite, mut sequence, mut is_in_dialog) = (0, 0, 0, false);
    for step in steps {
        let request = |method, is_in_dialog, back, sequence, body| Request {
            method,
            is_in_dialog,
            back,
            sequence,
            retransmits: method != "ACK",
            body,
        };
        elements += match step {
            Step::Invite { direction, ahead } => {
                (invite, sequence) = (elements, sequence + 1);
                let body = description(sequence, direction, *ahead);
                send(&mut script, kind, &request("INVITE", is_in_dialog, 0, sequence, body))
            }
            Step::Expect(status) => {
                is_in_dialog |= *status == 200;
                expect(&mut script, *status)
            }
            Step::Maybe(status) => maybe(&mut script, *status),
            Step::Ack => send(&mut script, kind, &request("ACK", true, 0, sequence, String::new())),
            Step::AckFailure => {
                let failure = request("ACK", false, elements - invite, sequence, String::new());
                send(&mut script, kind, &failure)
            }
            Step::Cancel => {
                let cancel = request("CANCEL", false, elements - invite, sequence, String::new());
                send(&mut script, kind, &cancel)
            }
            Step::Bye => send(&mut script, kind, &request("BYE", true, 0, sequence + 1, String::new())),
            Step::Talk => {
                let action = format!("<exec play_pcap_audio=\"{}\"/>", clip::FILE);
                element(&mut script, &format!("<nop><action>{action}</action></nop>"))
            }
            Step::Pause(milliseconds) => {
                element(&mut script, &format!("<pause milliseconds=\"{milliseconds}\"/>"))
            }
        };
    }
    script + "</scenario>\n"
}

/// One element; returns how many that are.
fn element(script: &mut String, text: &str) -> usize {
    // Writing to a string does not fail, here and below.
    let _ = writeln!(script, "  {text}");
    1
}

fn maybe(script: &mut String, status: u16) -> usize {
    element(script, &format!("<recv response=\"{status}\" optional=\"true\"/>"))
}

fn expect(script: &mut String, status: u16) -> usize {
    let early = [100, 180].into_iter().filter(|early| *early < status);
    let optional = early.map(|early| maybe(script, early));
    let routes = if status == 200 { " rrs=\"true\"" } else { "" };
    optional.sum::<usize>() + element(script, &format!("<recv response=\"{status}\"{routes}/>"))
}

fn send(script: &mut String, kind: &str, request: &Request<'_>) -> usize {
    let Request { method, back, sequence, body, .. } = request;
    let uri = if request.is_in_dialog { "[next_url]" } else { "sip:[service]@[remote_ip]:[remote_port]" };
    let tag = if request.is_in_dialog || *method == "ACK" { "[peer_tag_param]" } else { "" };
    let routes = if request.is_in_dialog { "\n[routes]" } else { "" };
    let branch = if *back == 0 { "[branch]".to_owned() } else { format!("[branch-{back}]") };
    let retransmits = if request.retransmits { " retrans=\"500\"" } else { "" };
    let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
    let text = format!(
        "<send{retransmits}><![CDATA[
{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}
From: <sip:{kind}@[local_ip]:[local_port]>;tag=[pid]caller[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {sequence} {method}
Contact: <sip:{kind}@[local_ip]:[local_port]>
Max-Forwards: 70{routes}
{content}Content-Length: [len]

{body}]]></send>"
    );
    element(script, &text)
}

/// RFC 8866. A port of its own for each call, with room for another, and for control.
fn description(version: u32, direction: &str, ahead: u8) -> String {
    format!(
        "v=0
o=subscriber 1 {version} IN IP[media_ip_type] [media_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port+{ahead}] RTP/AVP 8
a=rtpmap:8 PCMA/8000
a={direction}
"
    )
}
