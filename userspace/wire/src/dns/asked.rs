//! Questions that await their answers.

use std::net::SocketAddr;

use hickory_proto::op::Query;
use hickory_proto::rr::{Name, RecordType};

use super::name::is_mixed;
use super::reader::Transport;
use super::refusal::Refusal;
use crate::share::{Bound, Share};

/// Who asks whom, and over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conversation {
    pub(super) subscriber: SocketAddr,
    pub(super) resolver: SocketAddr,
    pub(super) transport: Transport,
}

/// What an answer must repeat. Names are equal whatever their case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    conversation: Conversation,
    id: u16,
    name: Name,
    query_type: RecordType,
}

#[derive(Debug)]
struct Asked {
    /// In the case in which it was asked for.
    name: Name,
    is_answered: bool,
}

/// Questions that await their answers, and some that had one.
#[derive(Debug)]
pub(super) struct Questions {
    share: Share<Key, Asked>,
}

impl Questions {
    pub(super) fn new(bound: Bound) -> Self {
        Self { share: Share::new(bound) }
    }

    /// Remembers a question; one that is asked again may be answered again. Says whether another had to be forgotten.
    pub(super) fn ask(&mut self, conversation: Conversation, id: u16, question: &Query, now_ns: u64) -> bool {
        let asked = Asked { name: question.name().clone(), is_answered: false };
        self.share.insert(conversation.subscriber.ip(), key(conversation, id, question), asked, now_ns)
    }

    /// Whether an answer to `question` is awaited; why not.
    pub(super) fn expect(
        &mut self,
        conversation: Conversation,
        id: u16,
        question: &Query,
        now_ns: u64,
    ) -> Result<(), Refusal> {
        let Some((asked, is_past)) = self.share.get_mut(&key(conversation, id, question), now_ns) else {
            return Err(self.stranger(conversation, id));
        };
        if is_past {
            return Err(Refusal::TooOld);
        }
        if is_mixed(&asked.name) && !asked.name.eq_case(question.name()) {
            return Err(Refusal::WrongCase);
        }
        if asked.is_answered { Err(Refusal::Answered) } else { Ok(()) }
    }

    /// Takes note that the subscriber has his answer.
    pub(super) fn answer(&mut self, conversation: Conversation, id: u16, question: &Query, now_ns: u64) {
        if let Some((asked, _)) = self.share.get_mut(&key(conversation, id, question), now_ns) {
            asked.is_answered = true;
        }
    }

    /// What is wrong with an answer that fits no question.
    fn stranger(&self, conversation: Conversation, id: u16) -> Refusal {
        let keys = self.share.keys_of(conversation.subscriber.ip());
        let worst = keys
            .filter(|key| key.conversation == conversation)
            .map(|key| if key.id == id { Refusal::WrongQuestion } else { Refusal::WrongId });
        worst.max().unwrap_or(Refusal::Unasked)
    }
}

fn key(conversation: Conversation, id: u16, question: &Query) -> Key {
    Key { conversation, id, name: question.name().clone(), query_type: question.query_type() }
}
