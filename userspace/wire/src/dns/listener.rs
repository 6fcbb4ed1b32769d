//! Questions and answers, put together.

use hickory_proto::op::{MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::DNSClass;

use super::alias::{self, Answer};
use super::asked::{Conversation, Questions};
use super::direction::Direction;
use super::lesson::Lesson;
use super::limits::Limits;
use super::message::{self, Front};
use super::name::presentation;
use super::reader::{Checksums, Letter, Reader};
use super::refusal::Refusal;
use super::stats::Stats;

/// Hears what passes between subscribers and trusted resolvers, and says what their answers teach.
#[derive(Debug)]
pub struct Listener {
    reader: Reader,
    ear: Ear,
}

/// What is remembered of messages.
#[derive(Debug)]
struct Ear {
    questions: Questions,
    stats: Stats,
}

impl Listener {
    /// One that has heard nothing, and remembers as much as `limits` say.
    pub fn new(limits: Limits) -> Self {
        Self {
            reader: Reader::new(limits, Checksums::Verified),
            ear: Ear { questions: Questions::new(limits.questions), stats: Stats::default() },
        }
    }

    /// Hears one packet: `ip` from its innermost IP header on (what follows the packet's own end is passed over), to or
    /// from a *trusted* resolver; that it is one, the caller knows. `at_ns` is of a clock that never goes back.
    ///
    /// Mostly nothing or one lesson; several where a TCP segment ends several messages.
    pub fn take(
        &mut self,
        at_ns: u64,
        direction: Direction,
        ip: &[u8],
    ) -> impl Iterator<Item = Lesson> + use<> {
        let mut lessons = Vec::new();
        let ear = &mut self.ear;
        self.reader.take(at_ns, Some(direction), ip, &mut |letter| {
            let heard = letter.and_then(|letter| ear.hear(&letter, direction, at_ns));
            match heard {
                Ok(lesson) => lessons.extend(lesson),
                Err(refusal) => ear.stats.refuse(refusal),
            }
        });
        lessons.into_iter()
    }

    /// What was done since the listener was made.
    pub const fn stats(&self) -> &Stats {
        &self.ear.stats
    }
}

impl Ear {
    fn hear(
        &mut self,
        letter: &Letter<'_>,
        direction: Direction,
        at_ns: u64,
    ) -> Result<Option<Lesson>, Refusal> {
        let front = message::front(letter.octets).map_err(|_| Refusal::MalformedMessage)?;
        let question = question(&front, direction)?;
        let (subscriber, resolver) = match direction {
            Direction::Uplink => (letter.source, letter.destination),
            Direction::Downlink => (letter.destination, letter.source),
        };
        let conversation = Conversation { subscriber, resolver, transport: letter.transport };
        let id = front.header.id;
        if direction == Direction::Uplink {
            self.stats.questions += 1;
            if self.questions.ask(conversation, id, question, at_ns) {
                self.stats.refuse(Refusal::Full);
            }
            return Ok(None);
        }
        self.questions.expect(conversation, id, question, at_ns)?;
        let answer = answer(letter.octets, question);
        if !matches!(answer, Err(Refusal::MalformedMessage)) {
            // A malformed message is no answer: the subscriber goes on waiting.
            self.questions.answer(conversation, id, question, at_ns);
        }
        let Answer { chain, addresses, hints } = answer?;
        self.stats.lessons += 1;
        Ok(Some(Lesson {
            subscriber: subscriber.ip(),
            resolver: resolver.ip(),
            name: presentation(question.name()),
            chain,
            addresses,
            hints,
        }))
    }
}

/// The message's question, if it is one that can teach something and goes the right way.
fn question(front: &Front, direction: Direction) -> Result<&Query, Refusal> {
    let expected = match direction {
        Direction::Uplink => MessageType::Query,
        Direction::Downlink => MessageType::Response,
    };
    if front.header.message_type != expected {
        return Err(Refusal::WrongDirection);
    }
    if front.header.op_code != OpCode::Query {
        return Err(Refusal::Opcode);
    }
    let question = front.question.as_ref().ok_or(Refusal::NotOneQuestion)?;
    if question.query_class() != DNSClass::IN {
        return Err(Refusal::Class);
    }
    if !alias::is_of_use(question.query_type()) {
        return Err(Refusal::OtherType);
    }
    Ok(question)
}

/// What an awaited answer says.
fn answer(octets: &[u8], question: &Query) -> Result<Answer, Refusal> {
    let message = message::decode(octets).map_err(|_| Refusal::MalformedMessage)?;
    if message.truncation {
        return Err(Refusal::Truncated);
    }
    if message.response_code != ResponseCode::NoError {
        return Err(Refusal::Failed);
    }
    let answer = alias::follow(question, &message.answers)?;
    if answer.addresses.is_empty() && answer.hints.is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(answer)
}
