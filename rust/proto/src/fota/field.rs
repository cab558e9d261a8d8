//! The parts of the desired object `firmware`, and what can be wrong with one.

/// A part of the desired object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Field {
    /// `firmware`, the object itself.
    Firmware,
    /// `jobId`: a text.
    JobId,
    /// `fwVersion`: a text or a number.
    Version,
    /// `fwFragmentSize`: bytes of a request, brought to 128 to 65535; 0 and absence leave it to the
    /// device.
    Fragment,
    /// `sha256`, ours: 64 hexadecimal digits.
    Sha256,
    /// `size`, ours: bytes.
    Size,
    /// `secTags`, ours: up to four numbers.
    SecTags,
    /// `fwLocation`: an object.
    Location,
    /// `fwLocation.host`: a name or an address; with a scheme before it and a port behind it, both
    /// count.
    Host,
    /// `fwLocation.path`: a text.
    Path,
    /// `fwLocation.protocol`: `https` (default) or `http`, with a colon or without.
    Protocol,
    /// `fwLocation.port`: 1 to 65535.
    Port,
    /// `byText`, ours: true or false.
    ByText,
}

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It is of another JSON type.
    Type,
    /// It is an empty text.
    Empty,
    /// It is longer than the device can keep.
    TooLong,
    /// It has a value that cannot be.
    Value,
}

/// A line for each [`Field`].
pub(super) const NAMES: &str = "firmware
jobId
fwVersion
fwFragmentSize
sha256
size
secTags
fwLocation
host
path
protocol
port
byText";
