//! Proof of possession: whoever registers a CA has its key.

use super::chain::check_signature;
use super::x509::{check_validity, common_name, invalid, parse};
use crate::clock::UnixMs;
use crate::code::Refusal;

/// Checks a proof of possession: issued by the CA, valid now, and its CN is the verification code.
pub(crate) fn verify(ca: &[u8], proof: &[u8], code: &str, now: UnixMs) -> Result<(), Refusal> {
    let ca = parse(ca, "the CA certificate")?;
    let proof = parse(proof, "the verification certificate")?;
    let found = common_name(&proof);
    if found != code {
        return Err(invalid(format!(
            "the verification certificate's CN is '{found}', and not the verification code"
        )));
    }
    let not_by_the_ca = |why: String| {
        invalid(format!(
            "the verification certificate is not signed by the key of '{}'{why}",
            ca.subject()
        ))
    };
    if proof.issuer() != ca.subject() {
        return Err(not_by_the_ca(String::new()));
    }
    check_signature(&proof, &ca)
        .map_err(|refusal| not_by_the_ca(format!(": {}", refusal.reason)))?;
    check_validity(&proof, now).map_err(|refusal| invalid(refusal.reason))
}
