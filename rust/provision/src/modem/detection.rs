//! Finding out how a line wants to be talked to, and whose answer is whose.
//!
//! An answer does not say which question it belongs to, and it may come late: from a board that is
//! busy, over a slow adapter. So each framing is tried with a question of its own, whose answer is
//! recognised whenever it comes; and a line counts as in step only when the last of the questions
//! that were asked has been answered.

use std::time::Duration;

use crate::error::{Error, Kind};
use crate::modem::session::{ALIVE, Ending, Framing, Session, ending};

/// What is asked, and how its answer begins.
type Question = (&'static str, &'static str);

impl Session {
    pub(super) fn detect(&mut self) -> Result<(), Error> {
        let mut time_limit = PROBE;
        loop {
            self.refusals = 0;
            if self.has_found_framing(time_limit)? {
                return Ok(());
            }
            if self.refusals > 0 && time_limit == PROBE {
                time_limit = SLOW;
            } else if self.was_wedged {
                break;
            } else {
                self.framing = CANDIDATES[0].0;
                self.was_wedged = true;
                if self.free(&DOUBTFUL)? {
                    return Ok(());
                }
            }
        }
        let what = format!("nothing on {} answers AT commands", self.name);
        Err(Error::new(Kind::NoAnswer, what).advise(
            "is the board on, is it the right port, and does its firmware have the AT client? \
             see modem ports and docs/provisioning.md",
        ))
    }

    fn has_found_framing(&mut self, time_limit: Duration) -> Result<bool, Error> {
        for (framing, question) in CANDIDATES {
            self.framing = framing;
            let found = self.answering(question, time_limit)?;
            if self.is_settled(found, found != Some(framing))? {
                return Ok(true);
            }
        }
        let found = self.mark_until(LAST_CALL, "")?.framing();
        self.is_settled(found, true)
    }

    /// Takes the framing that was found, and gets the line in step.
    fn is_settled(&mut self, found: Option<Framing>, is_late: bool) -> Result<bool, Error> {
        let Some(framing) = found else {
            return Ok(false);
        };
        self.framing = framing;
        self.marks_heard = 0;
        if !self.get_in_step(&ALIVE)? {
            return Ok(false);
        }
        if framing == Framing::AtHost(Ending::CrLf) {
            if self.command("AT#XSLMVER").is_ok() {
                self.framing = Framing::Slm;
            } else if is_late || self.marks_heard > 0 {
                return self.is_narrowed();
            }
        }
        Ok(true)
    }

    /// A firmware that ends commands with CR or with LF alone takes both together as well. If it is
    /// slow, the answer to its own question comes after that to both.
    fn is_narrowed(&mut self) -> Result<bool, Error> {
        for ending in [Ending::Lf, Ending::Cr, Ending::CrLf] {
            self.framing = Framing::AtHost(ending);
            if self.get_in_step(&ALIVE[..2])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks, twice if the first is lost in what stood on the line before, and returns the framing
    /// whose question was answered: it may be an earlier one.
    fn answering(
        &mut self,
        question: Question,
        time_limit: Duration,
    ) -> Result<Option<Framing>, Error> {
        for _ in 0..2 {
            self.say(question.0)?;
            match self.mark_until(time_limit, question.0)? {
                Heard::Mark(framing) => return Ok(Some(framing)),
                Heard::Refusal => {}
                Heard::Nothing => return Ok(None),
            }
        }
        Ok(None)
    }

    fn mark_until(&mut self, time_limit: Duration, asked: &str) -> Result<Heard, Error> {
        let deadline = self.deadline(time_limit);
        while let Some(line) = self.line_until(deadline, asked)? {
            if let Some(framing) = framing_of(&line) {
                return Ok(Heard::Mark(framing));
            }
            if let Some(Err(_)) = ending(&line) {
                self.refusals += 1;
                return Ok(Heard::Refusal);
            }
        }
        Ok(Heard::Nothing)
    }

    /// Empties the command buffer of a board that hangs in an unfinished quote, or has overrun, and
    /// closes the quote, so that nothing of what stood there is carried out. Whether the quote is
    /// open cannot be seen from here: so the second attempt; and the second opens it again if the
    /// first was right and only its answer late: so a third.
    pub(super) fn free(&mut self, time_limit: &[Duration]) -> Result<bool, Error> {
        self.is_in_step = false;
        self.send(&[BACKSPACE; BUFFER])?;
        for time_limit in time_limit {
            self.send(CLOSE_QUOTE)?;
            if self.has_last_word(*time_limit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks until the last of all questions is answered.
    pub(super) fn get_in_step(&mut self, time_limit: &[Duration]) -> Result<bool, Error> {
        for time_limit in time_limit {
            if self.has_last_word(*time_limit)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks what was not asked for a while and reads over everything up to the end of its answer.
    fn has_last_word(&mut self, time_limit: Duration) -> Result<bool, Error> {
        let (question, mark) = LAST_WORDS[self.questions_asked % LAST_WORDS.len()];
        self.questions_asked += 1;
        self.say(question)?;
        let deadline = self.deadline(time_limit);
        let mut is_answered = false;
        while let Some(line) = self.line_until(deadline, question)? {
            match ending(&line) {
                None if line.starts_with(mark) => is_answered = true,
                None => self.marks_heard += usize::from(framing_of(&line).is_some()),
                Some(_) if is_answered => {
                    self.is_in_step = true;
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
        Ok(false)
    }
}

/// The framing whose question this line answers.
fn framing_of(line: &str) -> Option<Framing> {
    let found = CANDIDATES
        .iter()
        .find(|(_, (_, mark))| line.starts_with(mark));
    found.map(|(framing, _)| *framing)
}

enum Heard {
    Mark(Framing),
    Refusal,
    Nothing,
}

impl Heard {
    fn framing(self) -> Option<Framing> {
        match self {
            Heard::Mark(framing) => Some(framing),
            _ => None,
        }
    }
}

/// In an order in which none answers to what is meant for another: LF before CR LF, since a
/// firmware that ends commands with LF takes the CR for part of the command.
const CANDIDATES: [(Framing, Question); 5] = [
    (Framing::AtHost(Ending::Cr), ("AT+CGSN=1", "+CGSN:")),
    (Framing::AtHost(Ending::Lf), ("AT+CFUN?", "+CFUN:")),
    (Framing::AtHost(Ending::CrLf), ("AT+CGEREP?", "+CGEREP:")),
    (Framing::AtShell, ("AT%XSYSTEMMODE?", "%XSYSTEMMODE:")),
    (Framing::AtHost(Ending::Null), ("AT+COPS?", "+COPS:")),
];
/// Questions that change nothing, that no application has answered unasked, and that are none of
/// the above.
const LAST_WORDS: [Question; 4] = [
    ("AT+CMEE?", "+CMEE:"),
    ("AT+CGATT?", "+CGATT:"),
    ("AT+CPSMS?", "+CPSMS:"),
    ("AT+CESQ", "+CESQ:"),
];
const BACKSPACE: u8 = 0x08;
/// at_host's CONFIG_AT_HOST_CMD_MAX_LEN.
const BUFFER: usize = 4096;
/// A quote that is taken back at once, and every terminator: a command without a character is
/// dropped.
const CLOSE_QUOTE: &[u8] = b"\"\x08\r\n\0";
const PROBE: Duration = Duration::from_millis(700);
/// For a line on which something refuses, but too late to be asked again in time.
const SLOW: Duration = Duration::from_secs(5);
/// How long answers that may still be on their way are waited for.
const LAST_CALL: Duration = Duration::from_secs(1);
/// For a line on which nothing has answered so far.
const DOUBTFUL: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
