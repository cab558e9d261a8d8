//! Attestation tokens: what a device says of itself, signed by the identity key that Nordic has put
//! into it, and the list in which they are handed over. The device is claimed with its token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::Decoder;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Kind};

/// A line of the list: IMEI, device UUID, token and the time at which the token was read, as
/// Nordic's nrfcloud-utils writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// The IMEI.
    pub imei: String,
    /// The device UUID that stands in the token.
    pub uuid: String,
    /// `<body>.<signature>`, both base64url.
    pub token: String,
}

impl Attestation {
    /// Reads the answer of `AT%ATTESTTOKEN`. The signature is nRF Cloud's to verify: only Nordic
    /// has the public key.
    ///
    /// # Errors
    /// [`Kind::Content`] if it holds no token.
    pub fn read(imei: &str, answer: &str) -> Result<Self, Error> {
        let token = answer.strip_prefix("%ATTESTTOKEN:").unwrap_or(answer);
        let token = token.trim().trim_matches('"');
        let uuid = uuid_of(token).ok_or_else(|| {
            Error::new(Kind::Content, "this is not an attestation token")
                .advise("read it again: AT%ATTESTTOKEN, modem firmware 1.3.0 or later")
        })?;
        Ok(Self {
            imei: imei.to_owned(),
            uuid,
            token: token.to_owned(),
        })
    }
}

/// Adds a device to the text of a list, in place of an older token of the same device.
///
/// # Errors
/// [`Kind::Content`] if the text is another list.
pub fn with_attestation(
    list: &str,
    added: &Attestation,
    now: OffsetDateTime,
) -> Result<String, Error> {
    let kept: Vec<Attestation> = attestations(list)?;
    let mut text: String = list
        .lines()
        .zip(&kept)
        .filter(|(_, found)| found.uuid != added.uuid)
        .map(|(line, _)| format!("{line}\n"))
        .collect();
    let at = now.format(&Rfc3339).unwrap_or_default();
    let Attestation { imei, uuid, token } = added;
    text.push_str(&format!("{imei},{uuid},{token},{at}\n"));
    Ok(text)
}

/// The devices of a list.
///
/// # Errors
/// [`Kind::Content`] with the line that is none.
pub fn attestations(list: &str) -> Result<Vec<Attestation>, Error> {
    let rows = list.lines().enumerate().map(|(place, line)| {
        let fields: Vec<&str> = line
            .split(',')
            .map(|field| field.trim_matches('"'))
            .collect();
        let [imei, uuid, token, ..] = fields.as_slice() else {
            return Err(no_row(place));
        };
        let found = Attestation::read(imei, token).map_err(|_| no_row(place))?;
        match found.uuid.eq_ignore_ascii_case(uuid) {
            true => Ok(found),
            false => Err(no_row(place)),
        }
    });
    rows.collect()
}

/// The UUID in the body: CBOR tag 55799 around `[1, device UUID, device type, firmware UUID,
/// nonce]`.
fn uuid_of(token: &str) -> Option<String> {
    let (body, signature) = token.split_once('.')?;
    URL_SAFE_NO_PAD.decode(signature).ok()?;
    let body = URL_SAFE_NO_PAD.decode(body).ok()?;
    let mut decoder = Decoder::new(&body);
    decoder.tag().ok().filter(|tag| tag.as_u64() == 55799)?;
    decoder.array().ok()?.filter(|length| *length == 5)?;
    decoder.u8().ok().filter(|kind| *kind == 1)?;
    let uuid: [u8; 16] = decoder.bytes().ok()?.try_into().ok()?;
    Some(dashed(&uuid))
}

/// A UUID in its usual form.
pub(crate) fn dashed(octets: &[u8; 16]) -> String {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

fn no_row(place: usize) -> Error {
    Error::new(
        Kind::Content,
        format!("line {} is not IMEI,UUID,TOKEN,TIME", place + 1),
    )
    .advise("iothub-provision nrfcloud attestation-csv writes such a list")
}
