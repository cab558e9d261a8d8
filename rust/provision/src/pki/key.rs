//! Private keys: made, read in every form that tools write, written as PKCS#8.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::fill;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
};
use pkcs8::der::Decode as _;
use pkcs8::pkcs5::{self, pbes2::Parameters};
use pkcs8::{EncryptedPrivateKeyInfo, PrivateKeyInfo};
use rcgen::{KeyPair, PublicKeyData as _, SigningKey as _};
use zeroize::Zeroizing;

use crate::error::{Error, Kind};
use crate::files;
use crate::pem;
use crate::secret::Secret;

/// Which kind of key is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// EC P-256 (prime256v1): what the modem makes itself, small and quick.
    #[default]
    #[value(name = "p256")]
    P256,
    /// EC P-384 (secp384r1).
    #[value(name = "p384")]
    P384,
    /// RSA with 2048 bits.
    #[value(name = "rsa2048")]
    Rsa2048,
}

/// A private key. Its `Debug` form says only which kind it is.
pub struct Key {
    pair: KeyPair,
}

impl Key {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the crypto library gives none.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let algorithm = match algorithm {
            KeyAlgorithm::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyAlgorithm::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        };
        KeyPair::generate_for(algorithm)
            .map(|pair| Self { pair })
            .map_err(|error| Error::new(Kind::Internal, format!("no key could be made: {error}")))
    }

    /// Reads a key from PEM: PKCS#8 (encrypted too), SEC1 (`EC PRIVATE KEY`, with or without the
    /// `EC PARAMETERS` that `openssl ecparam` puts in front) or PKCS#1 (`RSA PRIVATE KEY`).
    ///
    /// # Errors
    /// [`Kind::Content`] if there is no usable key, [`Kind::Passphrase`] if it is encrypted and
    /// the passphrase is missing or wrong.
    pub fn from_pem(text: &str, passphrase: Option<&Secret>) -> Result<Self, Error> {
        let blocks = pem::blocks(text)?;
        let Some(block) = blocks
            .iter()
            .find(|block| block.label.ends_with("PRIVATE KEY"))
        else {
            return Err(Error::new(Kind::Content, "no private key in it")
                .advise("give a PEM file with -----BEGIN PRIVATE KEY-----"));
        };
        let pkcs8 = match block.label.as_str() {
            "ENCRYPTED PRIVATE KEY" => decrypt(&block.der, passphrase)?,
            "EC PRIVATE KEY" => sec1_to_pkcs8(&block.der).ok_or_else(unusable)?,
            "RSA PRIVATE KEY" => pkcs1_to_pkcs8(&block.der).ok_or_else(unusable)?,
            _ => Zeroizing::new(block.der.clone()),
        };
        Self::from_pkcs8(&pkcs8)
    }

    /// Reads a key out of a file as people have it: PEM in any encoding of text, or DER of the same
    /// four forms.
    ///
    /// # Errors
    /// As [`Key::from_pem`].
    pub fn from_bytes(bytes: &[u8], passphrase: Option<&Secret>) -> Result<Self, Error> {
        if !files::is_der(bytes) {
            return Self::from_pem(Secret::new(files::text(bytes)?).expose(), passphrase);
        }
        if EncryptedPrivateKeyInfo::try_from(bytes).is_ok() {
            return Self::from_pkcs8(&decrypt(bytes, passphrase)?);
        }
        let other = sec1_to_pkcs8(bytes).or_else(|| pkcs1_to_pkcs8(bytes));
        Self::from_pkcs8(&other.unwrap_or_else(|| Zeroizing::new(bytes.to_vec())))
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        let pair = KeyPair::try_from(der).map_err(|_| unusable())?;
        Ok(Self { pair })
    }

    /// The key as PKCS#8 PEM, not encrypted.
    pub fn to_pem(&self) -> Secret {
        Secret::new(pem::encode("PRIVATE KEY", self.pair.serialized_der()))
    }

    /// The key as PKCS#8 PEM, encrypted with AES-256-CBC under PBKDF2-SHA-256.
    ///
    /// # Errors
    /// [`Kind::Internal`] if the crypto library fails.
    pub fn to_encrypted_pem(&self, passphrase: &Secret) -> Result<String, Error> {
        let internal = |_| Error::new(Kind::Internal, "the key cannot be encrypted");
        let (mut salt, mut iv) = ([0; 16], [0; 16]);
        fill(&mut salt)
            .and_then(|()| fill(&mut iv))
            .map_err(|_| Error::new(Kind::Internal, "the system gives no random numbers"))?;
        let parameters =
            Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv).map_err(internal)?;
        let document = PrivateKeyInfo::from_der(self.pair.serialized_der())
            .map_err(|_| Error::new(Kind::Internal, "the key is not PKCS#8"))?
            .encrypt_with_params(parameters, passphrase.expose())
            .map_err(|_| Error::new(Kind::Internal, "the key cannot be encrypted"))?;
        Ok(pem::encode("ENCRYPTED PRIVATE KEY", document.as_bytes()))
    }

    /// The public half as DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The public half as PEM, as `openssl x509 -pubkey` prints it.
    pub fn public_key_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.public_key())
    }

    /// Signs with ECDSA P-256 and SHA-256 in the fixed 64-byte form that JWT and COSE use
    /// (RFC 7518, section 3.4).
    ///
    /// # Errors
    /// [`Kind::Content`] if this is not a P-256 key.
    pub fn sign_es256(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.pair.serialized_der())
            .map_err(|_| {
                Error::new(
                    Kind::Content,
                    "the key is not an EC P-256 key, which ES256 asks for",
                )
                .advise("make one with: openssl ecparam -name prime256v1 -genkey")
            })?
            .sign(&random, message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| Error::new(Kind::Internal, "the crypto library cannot sign"))
    }

    /// Signs as a certificate or a request is signed.
    pub(crate) fn sign_sha256(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.pair
            .sign(message)
            .map_err(|_| Error::new(Kind::Internal, "the crypto library cannot sign"))
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.pair.algorithm())
    }
}

fn decrypt(der: &[u8], passphrase: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some(passphrase) = passphrase else {
        return Err(Error::new(
            Kind::Passphrase,
            "the key is encrypted and no passphrase is given",
        )
        .advise("give --passphrase-file FILE, or run it on a terminal to be asked"));
    };
    let encrypted = EncryptedPrivateKeyInfo::try_from(der).map_err(|_| other_encryption())?;
    let document = encrypted
        .decrypt(passphrase.expose())
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs5::Error::UnsupportedAlgorithm { .. } | pkcs5::Error::NoPbes1CryptSupport,
            ) => other_encryption(),
            _ => Error::new(Kind::Passphrase, "the passphrase does not open the key")
                .advise("check it for a missing character or another keyboard layout"),
        })?;
    Ok(Zeroizing::new(document.as_bytes().to_vec()))
}

fn sec1_to_pkcs8(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let curves: [&'static EcdsaSigningAlgorithm; 2] = [
        &ECDSA_P256_SHA256_ASN1_SIGNING,
        &ECDSA_P384_SHA384_ASN1_SIGNING,
    ];
    curves
        .into_iter()
        .find_map(|curve| EcdsaKeyPair::from_private_key_der(curve, der).ok())
        .and_then(|pair| pair.to_pkcs8v1().ok())
        .map(|document| Zeroizing::new(document.as_ref().to_vec()))
}

fn pkcs1_to_pkcs8(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let pair = RsaKeyPair::from_der(der).ok()?;
    let der = pair.as_der().ok()?;
    Some(Zeroizing::new(der.as_ref().to_vec()))
}

fn other_encryption() -> Error {
    Error::new(
        Kind::Content,
        "the private key is encrypted in a way that is not supported",
    )
    .advise("encrypt it anew: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW")
}

fn unusable() -> Error {
    Error::new(
        Kind::Content,
        "the private key is damaged or of a kind that is not supported",
    )
    .advise("use EC P-256, EC P-384 or RSA, as PKCS#8, SEC1 or PKCS#1")
}

const ITERATIONS: u32 = 100_000;
