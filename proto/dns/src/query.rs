//! One question and what counts as its answer.

use crate::answer::Answer;
use crate::name::Name;
use crate::reader::Reader;

/// What is asked about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// IPv6 addresses.
    Aaaa = 28,
    /// Servers of a service.
    Srv = 33,
}

/// The Internet, the one class of names there is.
pub(crate) const CLASS_IN: u16 = 1;

/// Bits of the header's second word. Source: RFC 1035, 4.1.1.
const RESPONSE: u16 = 1 << 15;
const OPCODE: u16 = 15 << 11;
const TRUNCATED: u16 = 1 << 9;
const RECURSION_DESIRED: u16 = 1 << 8;
const RCODE: u16 = 15;

/// One question, as sent once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// What ties the answer to it: a number that nobody can guess.
    pub id: u16,
    /// The name in question.
    pub name: Name,
    /// What about it.
    pub kind: Kind,
}

/// Why a message is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It answers something else: it is late, or forged. Waiting for the answer goes on.
    Foreign,
    /// It answers the question, and is broken.
    Malformed,
}

impl Query {
    /// The message to send. Over TCP its length goes before it, see [`Query::encode_stream`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let name = self.name.as_wire();
        let mut out = Vec::with_capacity(12 + name.len() + 4);
        for word in [self.id, RECURSION_DESIRED, 1, 0, 0, 0] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(name);
        out.extend_from_slice(&(self.kind as u16).to_be_bytes());
        out.extend_from_slice(&CLASS_IN.to_be_bytes());
        out
    }

    /// The message as TCP carries it, its length before it. Source: RFC 1035, 4.2.2.
    #[must_use]
    pub fn encode_stream(&self) -> Vec<u8> {
        let message = self.encode();
        let len = u16::try_from(message.len()).expect("a header, one name and four bytes");
        [&len.to_be_bytes()[..], &message].concat()
    }

    /// Reads `message` as the answer to this question. What follows the records that it
    /// announces is not looked at.
    ///
    /// # Errors
    ///
    /// [`Rejected::Foreign`] unless it is a response with this id that repeats this question
    /// and no other (RFC 5452, 9.1); [`Rejected::Malformed`] when it is, and what follows is
    /// broken. A truncated answer cannot be malformed: it is asked for again anyway.
    pub fn read(&self, message: &[u8]) -> Result<Answer, Rejected> {
        let mut reader = Reader::new(message);
        let flags = self.read_question(&mut reader).ok_or(Rejected::Foreign)?;
        let is_truncated = flags & TRUNCATED != 0;
        let rcode = flags & RCODE;
        match Answer::read(reader, message, rcode) {
            _ if is_truncated => Ok(Answer::truncated(rcode)),
            Some(answer) => Ok(answer),
            None => Err(Rejected::Malformed),
        }
    }

    /// The flags of a message that answers this question.
    fn read_question(&self, reader: &mut Reader<'_>) -> Option<u16> {
        let id = reader.u16()?;
        let flags = reader.u16()?;
        let questions = reader.u16()?;
        // The other counts are read where the records are.
        reader.bytes(6)?;
        if id != self.id || flags & (RESPONSE | OPCODE) != RESPONSE || questions != 1 {
            return None;
        }
        let name = reader.name()?;
        let kind = reader.u16()?;
        let class = reader.u16()?;
        let is_ours = name == self.name && kind == self.kind as u16 && class == CLASS_IN;
        is_ours.then_some(flags)
    }
}
