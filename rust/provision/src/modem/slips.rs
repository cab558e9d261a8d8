//! A tag with a digit lost on the line is another tag. What was written or made there by mistake is
//! deleted again, and what was deleted there is named.

use crate::error::Error;
use crate::modem::credentials::name_of;
use crate::modem::device::{Modem, Stored};

impl Modem {
    /// What is under the tags that this one becomes when a digit of it is lost.
    pub(super) fn beside(&mut self, tag: u32) -> Result<Vec<Stored>, Error> {
        let mut found = Vec::new();
        for tag in with_a_digit_lost(tag) {
            found.extend(self.list(Some(tag))?);
        }
        Ok(found)
    }

    /// Deletes what has come to stand beside `meant` since then, if it is ours.
    pub(super) fn delete_strays(
        &mut self,
        before: &[Stored],
        meant: u32,
        is_ours: impl Fn(&Stored) -> bool,
    ) -> Result<(), Error> {
        for stray in self.beside(meant)? {
            if before.contains(&stray) || !is_ours(&stray) {
                continue;
            }
            let (tag, what) = (stray.tag, name_of(stray.kind));
            self.delete(tag, stray.kind)?;
            let is_same = |old: &Stored| old.tag == tag && old.kind == stray.kind;
            let over = match before.iter().any(is_same) {
                true => " over what was there, which is lost: write that again",
                false => "",
            };
            self.notices.push(format!(
                "a digit of tag {meant} was lost on the line: the {what} arrived under tag {tag}\
                 {over}; deleted there, written under {meant}"
            ));
        }
        Ok(())
    }

    /// Names what has vanished beside `meant` since then.
    pub(super) fn tell_what_is_gone(&mut self, before: &[Stored], meant: u32) -> Result<(), Error> {
        if before.is_empty() {
            return Ok(());
        }
        let now = self.beside(meant)?;
        for gone in before.iter().filter(|found| !now.contains(found)) {
            self.notices.push(format!(
                "a digit of tag {meant} was lost on the line: deleted was the {} under tag {}; \
                 write it there again",
                name_of(gone.kind),
                gone.tag
            ));
        }
        Ok(())
    }
}

fn with_a_digit_lost(tag: u32) -> Vec<u32> {
    let digits = tag.to_string();
    let mut found: Vec<u32> = (0..digits.len())
        .filter_map(|lost| {
            format!("{}{}", &digits[..lost], &digits[lost + 1..])
                .parse()
                .ok()
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|other| *other != tag);
    found
}

#[cfg(test)]
mod tests {
    use super::with_a_digit_lost;

    #[test]
    fn each_digit_can_be_the_one() {
        assert_eq!(with_a_digit_lost(10), [0, 1]);
        assert_eq!(with_a_digit_lost(111), [11]);
        assert_eq!(with_a_digit_lost(7), [0; 0]);
        assert_eq!(with_a_digit_lost(16_842_753).len(), 8);
    }
}
