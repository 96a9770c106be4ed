//! What channel binding needs of a certificate.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// `tls-server-end-point` ([RFC 5929 section 4](https://www.rfc-editor.org/rfc/rfc5929#section-4)): the hash of the server's
/// certificate, by the hash function of its signature, and SHA-256 in place of MD5 and SHA-1. `None` if the signature has no single one,
/// as Ed25519, for which it is not defined.
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    Some(match signature_hash(certificate)? {
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, parameters }, signature }`
/// ([RFC 5280 section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
fn signature_hash(certificate: &[u8]) -> Option<Hash> {
    const SEQUENCE: u8 = 0x30;
    const OID: u8 = 0x06;
    let (whole, _) = element(SEQUENCE, certificate)?;
    let (_, rest) = element(SEQUENCE, whole)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    let (oid, parameters) = element(OID, algorithm)?;
    // The first two numbers of 1.2.840.113549.1.1.n (RSA) and 1.2.840.10045.4.3.n (ECDSA) as DER has them.
    Some(match oid {
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n] => match n {
            // MD5, SHA-1, SHA-256
            4 | 5 | 11 => Hash::Sha256,
            12 => Hash::Sha384,
            13 => Hash::Sha512,
            // PSS names its hash in the first parameter; SHA-1 if it does not.
            10 => pss_hash(parameters)?,
            _ => return None,
        },
        // ECDSA with SHA-1
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => Hash::Sha256,
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n] => match n {
            2 => Hash::Sha256,
            3 => Hash::Sha384,
            4 => Hash::Sha512,
            _ => return None,
        },
        _ => return None,
    })
}

/// `RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] SEQUENCE { OID, … }, … }` (RFC 4055 section 3.1).
fn pss_hash(parameters: &[u8]) -> Option<Hash> {
    let (parameters, _) = element(0x30, parameters)?;
    let Some((tagged, _)) = element(0xa0, parameters) else { return Some(Hash::Sha256) };
    let (algorithm, _) = element(0x30, tagged)?;
    let (oid, _) = element(0x06, algorithm)?;
    match oid {
        // 2.16.840.1.101.3.4.2.n
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, n] => match n {
            1 => Some(Hash::Sha256),
            2 => Some(Hash::Sha384),
            3 => Some(Hash::Sha512),
            _ => None,
        },
        _ => None,
    }
}

/// The content of a DER element with this tag, and what comes after it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // Up to four bytes of length: a certificate comes in a record of 16 MiB at most.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let parameters = rcgen::CertificateParams::new(["h".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (why, algorithm, want) in [
            ("P-256", &rcgen::PKCS_ECDSA_P256_SHA256, Some(Hash::Sha256)),
            ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384, Some(Hash::Sha384)),
            ("Ed25519 has none", &rcgen::PKCS_ED25519, None),
        ] {
            let certificate = made(algorithm);
            assert_eq!(signature_hash(&certificate), want, "{why}");
            assert_eq!(end_point(&certificate).is_some(), want.is_some(), "{why}");
        }
    }

    #[test]
    fn rsa_by_its_number() {
        let certificate = |oid: &[u8], parameters: &[u8]| {
            let der =
                |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
            let algorithm = der(0x30, &[der(0x06, oid), parameters.to_vec()].concat());
            der(0x30, &[der(0x30, b"tbs"), algorithm].concat())
        };
        let rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
        let pss_sha512 = b"\x30\x11\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00";
        for (why, n, parameters, want) in [
            ("MD5 becomes SHA-256", 4, &b"\x05\x00"[..], Some(Hash::Sha256)),
            ("SHA-1 becomes SHA-256", 5, b"\x05\x00", Some(Hash::Sha256)),
            ("SHA-256", 11, b"\x05\x00", Some(Hash::Sha256)),
            ("SHA-384", 12, b"\x05\x00", Some(Hash::Sha384)),
            ("SHA-512", 13, b"\x05\x00", Some(Hash::Sha512)),
            ("PSS with SHA-512", 10, pss_sha512, Some(Hash::Sha512)),
            ("PSS with its default, SHA-1", 10, b"\x30\x00", Some(Hash::Sha256)),
            ("not known", 99, b"\x05\x00", None),
        ] {
            let oid = [&rsa[..], &[n]].concat();
            assert_eq!(signature_hash(&certificate(&oid, parameters)), want, "{why}");
        }
    }

    #[test]
    fn a_cut_certificate_has_none_and_does_no_harm() {
        let whole = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        for end in 0..whole.len() {
            assert_eq!(end_point(&whole[..end]), None, "cut at {end}");
        }
        for at in 0..whole.len().min(600) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x80;
            let _any = end_point(&damaged);
        }
    }
}
