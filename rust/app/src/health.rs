//! How the device is: the last fault, stacks, heap, radio and core dump; and faults on purpose,
//! where the build has them.

use core::{
    fmt::{Result, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use iothub::twin;
use ncs::board::{self, FaultReason, TestFault};

use crate::{configuration::Plain, documents::Text};

/// What `diagnostics` tells of it, as further members of an object.
pub(crate) fn write(out: &mut Text<'_>) -> Result {
    if let Ok(radio) = board::radio() {
        let (seconds, connections) = (radio.seconds, radio.connections);
        write!(
            out,
            ",\"radio\":{{\"seconds\":{seconds},\"connections\":{connections}}}"
        )?;
    }
    if let Ok((size, most)) = board::heap() {
        write!(out, ",\"heap\":{{\"size\":{size},\"most\":{most}}}")?;
    }
    if let Ok(size) = board::coredump_size() {
        write!(out, ",\"coredump\":{size}")?;
    }
    let mut name = [0; NAME];
    if let Ok(fault) = board::last_fault(&mut name) {
        out.write_str(",\"fault\":")?;
        write_fault(out, &fault)?;
    }
    Ok(())
}

/// As many as there is room for.
pub(crate) fn write_stacks<E>(
    out: &mut Text<'_>,
    stack: impl for<'n> Fn(u32, &'n mut [u8]) -> core::result::Result<board::Stack<'n>, E>,
) -> Result {
    let mut separator = ",\"stacks\":{";
    for index in 0..STACKS {
        let mut name = [0; NAME];
        let Ok(stack) = stack(index, &mut name) else {
            break;
        };
        let used = stack.size.saturating_sub(stack.unused);
        let mut entry = heapless::String::<{ NAME + 32 }>::new();
        let name = Plain(stack.thread);
        write!(entry, "\"{name}\":[{used},{}]", stack.size)?;
        if out.room() < separator.len() + entry.len() + "}}".len() {
            break;
        }
        write!(out, "{separator}{entry}")?;
        separator = ",";
    }
    match separator {
        "," => out.write_str("}"),
        _ => Ok(()),
    }
}

/// Of a thread.
const NAME: usize = 24;

/// More threads than a device has.
const STACKS: u32 = 64;

/// As an object.
pub(crate) fn write_fault(out: &mut dyn Write, fault: &board::Fault<'_>) -> Result {
    let reason = match fault.reason {
        FaultReason::Watchdog => "watchdog",
        FaultReason::Kernel(0) => "cpu exception",
        FaultReason::Kernel(1) => "spurious interrupt",
        FaultReason::Kernel(2) => "stack",
        FaultReason::Kernel(3) => "oops",
        FaultReason::Kernel(4) => "panic",
        FaultReason::Kernel(_) => "architecture",
    };
    let thread = Plain(fault.thread);
    write!(out, "{{\"reason\":\"{reason}\"")?;
    if let FaultReason::Kernel(number) = fault.reason {
        write!(out, ",\"number\":{number}")?;
    }
    write!(out, ",\"thread\":\"{thread}\"")?;
    if fault.pc != 0 {
        let (pc, lr) = (fault.pc, fault.lr);
        write!(out, ",\"pc\":\"0x{pc:08x}\",\"lr\":\"0x{lr:08x}\"")?;
    }
    out.write_str("}")
}

/// Method `coredump`: a piece, or its end.
pub(crate) fn coredump<'b>(payload: &[u8], buffer: &'b mut [u8]) -> (i32, &'b [u8]) {
    const NONE: (i32, &[u8]) = (404, br#"{"error":"no core dump is stored"}"#);
    const FAILED: (i32, &[u8]) = (500, br#"{"error":"the flash does not work"}"#);
    let view = twin::View::new(payload);
    let text = |name| {
        view.raw(name)
            .and_then(|value: &[u8]| core::str::from_utf8(value).ok())
    };
    if text("erase").map(str::trim) == Some("true") {
        return match board::coredump_erase() {
            Ok(()) => (200, br#"{"coredump":"erased"}"#),
            Err(errno) if board::is_missing(errno) => NONE,
            Err(_) => FAILED,
        };
    }
    let offset = match text("offset").map(|offset| offset.trim().parse::<u32>()) {
        None => 0,
        Some(Ok(offset)) => offset,
        Some(Err(_)) => {
            return (
                400,
                br#"{"error":"coredump takes {\"offset\":0} or {\"erase\":true}"}"#,
            );
        }
    };
    let Ok(size) = board::coredump_size() else {
        return NONE;
    };
    let mut piece = [0; PIECE];
    let left = u32::try_from(size).unwrap_or(0).saturating_sub(offset);
    let wanted = usize::try_from(left).unwrap_or(0).min(most(buffer.len()));
    let Some(room) = piece.get_mut(..wanted) else {
        return FAILED;
    };
    let read = match wanted {
        0 => Ok(0),
        _ => board::coredump(offset, room),
    };
    let Some(piece) = read.ok().and_then(|read| piece.get(..read)) else {
        return FAILED;
    };
    let mut out = Text::new(buffer);
    let mut write = || -> Result {
        write!(out, "{{\"size\":{size},\"offset\":{offset},\"data\":\"")?;
        write_base64(&mut out, piece)?;
        out.write_str("\"}")
    };
    match write() {
        Ok(()) => (200, out.finish()),
        Err(_) => FAILED,
    }
}

/// Bytes of a core dump that an answer has room for, in base64: fewer with a small
/// `CONFIG_IOTHUB_MESSAGE_SIZE`.
fn most(room: usize) -> usize {
    PIECE.min(room.saturating_sub(AROUND) / 4 * 3)
}

/// Bytes of a core dump in one answer.
const PIECE: usize = 384;

/// What the answer has beside them, at the most.
const AROUND: usize = r#"{"size":4294967295,"offset":4294967295,"data":""}"#.len();

fn write_base64(out: &mut dyn Write, bytes: &[u8]) -> Result {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| chunk.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            let character = match digit <= chunk.len() {
                true => DIGITS.get(index as usize).copied().unwrap_or(b'='),
                false => b'=',
            };
            out.write_char(char::from(character))?;
        }
    }
    Ok(())
}

/// A hang of the driver that is asked for.
static HANG_DRIVER: AtomicBool = AtomicBool::new(false);

/// Lets the driver's thread hang, once it comes by.
pub(crate) fn hang_driver() {
    HANG_DRIVER.store(true, Ordering::Relaxed);
}

/// On the driver's thread.
pub(crate) fn on_driver() {
    if iothub::FAULT_COMMAND && HANG_DRIVER.load(Ordering::Relaxed) {
        cause(TestFault::Hang);
    }
}

/// Brings a fault about, and returns only where it cannot.
pub(crate) fn cause(kind: TestFault) {
    log::warn!("a fault, as a method asks: {kind:?}");
    if let Err(errno) = board::fault(kind) {
        log::warn!("this board cannot: {errno}");
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;

    use super::*;

    #[test]
    fn base64_as_rfc_4648_has_it() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut text = String::new();
            write_base64(&mut text, bytes.as_bytes()).unwrap();
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_piece_fits_into_an_answer() {
        for room in [AROUND + 4, 192, 960, 1280] {
            let mut answer = std::vec![0; room];
            let mut out = Text::new(&mut answer);
            write!(out, "{{\"size\":{},\"offset\":{0},\"data\":\"", u32::MAX).unwrap();
            write_base64(&mut out, &[0xff; PIECE][..most(room)]).unwrap();
            out.write_str("\"}").unwrap();
        }
    }

    #[test]
    fn stacks_come_by_their_names_as_many_as_there_is_room_for() {
        fn stack(index: u32, _: &mut [u8]) -> core::result::Result<board::Stack<'_>, ()> {
            match index {
                0..=2 => Ok(board::Stack {
                    thread: ["main", "a\"b", "idle"][index as usize],
                    size: 1000 + index,
                    unused: 400,
                }),
                _ => Err(()),
            }
        }
        let written = |room: usize| {
            let mut buffer = std::vec![0; room];
            let mut out = Text::new(&mut buffer);
            write_stacks(&mut out, stack).unwrap();
            String::from_utf8(out.finish().to_vec()).unwrap()
        };
        let whole = r#","stacks":{"main":[600,1000],"a?b":[601,1001],"idle":[602,1002]}"#;
        assert_eq!(written(200), whole);
        // One more bracket is to follow.
        assert_eq!(written(whole.len() + 1), whole);
        let two = r#","stacks":{"main":[600,1000],"a?b":[601,1001]}"#;
        assert_eq!(written(whole.len()), two);
        assert_eq!(written(two.len() + 1), two);
        assert_eq!(written(20), "");
        let mut buffer = [0; 100];
        let mut out = Text::new(&mut buffer);
        write_stacks(&mut out, |index, name| stack(index + 3, name)).unwrap();
        assert_eq!(out.finish(), b"", "a board that does not count them");
    }

    #[test]
    fn a_fault_is_an_object_whatever_its_thread_is_called() {
        let mut text = String::new();
        let fault = board::Fault {
            reason: FaultReason::Kernel(4),
            thread: "a\"b\\c\n",
            pc: 0x1234,
            lr: 0x5679,
        };
        write_fault(&mut text, &fault).unwrap();
        let expected = "{\"reason\":\"panic\",\"number\":4,\"thread\":\"a?b?c?\",\"pc\":\"0x00001234\",\"lr\":\"0x00005679\"}";
        assert_eq!(text, expected);
        for (reason, name) in [
            (FaultReason::Kernel(0), "cpu exception"),
            (FaultReason::Kernel(1), "spurious interrupt"),
            (FaultReason::Kernel(2), "stack"),
            (FaultReason::Kernel(3), "oops"),
            (FaultReason::Kernel(5), "architecture"),
        ] {
            let FaultReason::Kernel(number) = reason else {
                continue;
            };
            let mut text = String::new();
            let fault = board::Fault {
                reason,
                thread: "t",
                pc: 0,
                lr: 9,
            };
            write_fault(&mut text, &fault).unwrap();
            let expected = std::format!(r#"{{"reason":"{name}","number":{number},"thread":"t"}}"#);
            assert_eq!(text, expected);
        }
        let mut text = String::new();
        let fault = board::Fault {
            reason: FaultReason::Watchdog,
            thread: "t",
            pc: 0,
            lr: 0,
        };
        write_fault(&mut text, &fault).unwrap();
        assert_eq!(text, r#"{"reason":"watchdog","thread":"t"}"#);
    }
}
