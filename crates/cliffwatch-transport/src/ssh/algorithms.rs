use std::borrow::Cow;
use std::time::Duration;

use russh::client::{Config, GexParams};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, SshId, cipher, compression, kex, mac};

use super::host_key::KeyFamily;

/// OpenSSH's order: elliptic curves before finite fields, which cost a small device up to a second.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];
/// Deprecated by RFC 9142 section 1.1, and all that some appliances have.
const LEGACY_KEX: &[kex::Name] = &[kex::DH_GEX_SHA1, kex::DH_G14_SHA1, kex::DH_G1_SHA1];
/// Not algorithms: they ask for `server-sig-algs` (RFC 8308) and for the strict key exchange that closes
/// CVE-2023-48795.
const KEX_EXTENSIONS: &[kex::Name] =
    &[kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];

const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::AES_128_CTR,
    cipher::AES_192_CTR,
    cipher::AES_256_CTR,
];
const LEGACY_CIPHERS: &[cipher::Name] = &[cipher::AES_128_CBC, cipher::AES_192_CBC, cipher::AES_256_CBC];

const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM, mac::HMAC_SHA256, mac::HMAC_SHA512];
const LEGACY_MACS: &[mac::Name] = &[mac::HMAC_SHA1_ETM, mac::HMAC_SHA1];

/// A reply of one poll is a few kilobytes; the window is what may be under way unread, per channel.
const WINDOW_BYTES: u32 = 256 << 10;
/// Messages of one channel that wait for us. With the largest packet this is the window, rounded up.
const CHANNEL_MESSAGES: usize = 16;

/// The client's side of the negotiation. `families` orders the host keys that are asked for.
pub(super) fn config(legacy: bool, families: &[KeyFamily], keepalive: Duration) -> Config {
    Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-Cliffwatch_", env!("CARGO_PKG_VERSION")))),
        window_size: WINDOW_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred: preferred(legacy, families),
        keepalive_interval: Some(keepalive),
        // The first silent interval asks, the second one gives up.
        keepalive_max: 1,
        // 3072 bits match the strength of the ciphers; the library's wish of 8192 takes a small device
        // seconds. The smallest group of an old appliance that the library accepts is 2048.
        gex: GexParams::new(2048, 3072, 8192).unwrap_or_default(),
        nodelay: true,
        ..Config::default()
    }
}

fn preferred(legacy: bool, families: &[KeyFamily]) -> Preferred {
    Preferred {
        kex: Cow::Owned([KEX, either(legacy, LEGACY_KEX), KEX_EXTENSIONS].concat()),
        key: Cow::Owned(families.iter().flat_map(|family| host_keys(*family, legacy)).collect()),
        cipher: Cow::Owned([CIPHERS, either(legacy, LEGACY_CIPHERS)].concat()),
        mac: Cow::Owned([MACS, either(legacy, LEGACY_MACS)].concat()),
        // Polls are too small to gain from it, and each side would hold 100s of kilobytes for it.
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

fn either<T>(wanted: bool, list: &'static [T]) -> &'static [T] {
    if wanted { list } else { &[] }
}

fn host_keys(family: KeyFamily, legacy: bool) -> Vec<Algorithm> {
    match family {
        KeyFamily::Ed25519 => vec![Algorithm::Ed25519],
        KeyFamily::Ecdsa => [EcdsaCurve::NistP256, EcdsaCurve::NistP384, EcdsaCurve::NistP521]
            .map(|curve| Algorithm::Ecdsa { curve })
            .to_vec(),
        KeyFamily::Rsa => {
            let mut hashes = vec![Some(HashAlg::Sha512), Some(HashAlg::Sha256)];
            // `ssh-rsa` signs with SHA-1 (RFC 8332 section 1).
            hashes.extend(legacy.then_some(None));
            hashes.into_iter().map(|hash| Algorithm::Rsa { hash }).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<T: AsRef<str>>(list: &[T]) -> Vec<&str> {
        list.iter().map(AsRef::as_ref).collect()
    }

    #[test]
    fn nothing_with_sha1_or_cbc_is_offered_unless_asked_for() {
        for legacy in [false, true] {
            let offered = preferred(legacy, &KeyFamily::ALL);
            let mut all = names(&offered.kex);
            all.extend(names(&offered.cipher));
            all.extend(names(&offered.mac));
            let keys: Vec<String> = offered.key.iter().map(ToString::to_string).collect();
            all.extend(keys.iter().map(String::as_str));
            let old: Vec<_> = all
                .iter()
                .filter(|name| name.contains("sha1") || name.ends_with("-cbc") || **name == "ssh-rsa")
                .collect();
            assert_eq!(old.len(), if legacy { 9 } else { 0 }, "{old:?}");
        }
    }
}
