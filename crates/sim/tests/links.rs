//! Links: what was shared once opens forever, and nothing that a stranger sends does harm.
#![cfg(not(target_arch = "wasm32"))]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use sim::Scenario;
use sim::link::{ENCODED_BYTES_MAX, Link, LinkError, PREFIX};

const TEXT: &str = "\
# Lost leader
cluster etcd nodes=3 seed=42
0s      load put key=user/{0..99} value=16B rate=200/s
2s      crash leader
expect leader within 3s
";

/// Frozen with format version 1: these must open for as long as there are links.
const GOLDEN: [&str; 1] = [
    "#s1=NY47CgIxFABJJabxCg_sszErwhZprL1ESB7sYtyseYkfxDOItVcQPImFXsTWUhR3-mGGjdY5RBObvCqkmAh5YmNYBErg0TiM3PpMCSNgsg7a4JB0CYTo9FRxSfDDB-OgywmWuNeZMBYHKURVHWFjfEY9mc0hmoRaSVkQV3_NRkN1H8Jdh7bPwrZJddNCSfw5ZK_L7f6-Ps5s8B3QrfoAwPS4Ag",
];

fn link() -> Link {
    let scenario = Scenario::parse(TEXT).expect("it is right");
    Link {
        engine: "quorarium/0.1.0".to_owned(),
        scenario,
        moment: 1_234,
        fingerprint: Some(0x0123_4567_89ab_cdef),
        view: "node=n2".to_owned(),
    }
}

/// A link around any content, with a right checksum.
fn link_around(plain: &[u8]) -> String {
    let mut bytes = miniz_oxide::deflate::compress_to_vec(plain, 9);
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn a_link_opens_as_it_was_shared() {
    let encoded = link().encode().expect("it is small");
    assert_eq!(Link::decode(&encoded), Ok(link()));
    assert_eq!(Link::decode(&format!("https://example.org/lab/?x=1{encoded}\n")), Ok(link()));
}

#[test]
fn golden_links_of_version_1_open() {
    for golden in GOLDEN {
        assert_eq!(Link::decode(golden), Ok(link()), "{:?}", link().encode());
    }
}

#[test]
fn what_is_wrong_with_a_link_is_named() {
    let encoded = link().encode().expect("it is small");
    let mut changed = encoded.clone();
    changed.replace_range(20..21, if &encoded[20..21] == "A" { "B" } else { "A" });
    let future = encoded.replacen("s1", "s2", 1);
    let long = format!("{PREFIX}{}", "A".repeat(ENCODED_BYTES_MAX));
    for (text, error) in [
        ("", LinkError::NotALink),
        ("#about", LinkError::NotALink),
        ("#x1=abcd", LinkError::NotALink),
        (&future, LinkError::UnknownFormat("s2".to_owned())),
        (&long, LinkError::TooLong { bytes: long.len() }),
        ("#s1=ab*d", LinkError::NotBase64 { position: 7 }),
        ("#s1=", LinkError::Checksum),
        (&changed, LinkError::Checksum),
        (&encoded[..encoded.len() - 4], LinkError::Checksum),
        (&link_around(b"\xff\xff"), LinkError::Malformed),
    ] {
        assert_eq!(Link::decode(text), Err(error), "{text}");
    }
}

#[test]
fn a_small_link_cannot_inflate_to_a_large_one() {
    let bomb = link_around(&vec![0; 8 << 20]);
    assert!(bomb.len() < ENCODED_BYTES_MAX);
    assert_eq!(Link::decode(&bomb), Err(LinkError::TooLarge));
}

#[test]
fn a_links_scenario_has_the_bounds_of_any_other() {
    let text = "cluster etcd nodes=5000 seed=1\n";
    let content = (1_u32, "quorarium/0.1.0", text, 0_u64, None::<u64>, "");
    let encoded = link_around(&postcard::to_allocvec(&content).expect("plain data"));
    let error = Link::decode(&encoded).expect_err("too many nodes");
    assert!(error.to_string().contains("line 1, column 20: out of range"), "{error}");
    let mut shared = link();
    shared.scenario.cluster.nodes = 5_000;
    assert!(shared.encode().is_err(), "nobody could open it");
}

proptest! {
    #[test]
    fn no_text_panics_the_decoder(text in "#s1=[A-Za-z0-9_-]{0,200}") {
        prop_assert!(Link::decode(&text).is_err());
    }

    #[test]
    fn no_content_panics_the_decoder(plain in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Link::decode(&link_around(&plain));
    }

    #[test]
    fn a_link_with_a_changed_character_never_opens_as_another(
        place in 4..100_usize, letter in "[A-Za-z0-9_-]",
    ) {
        let mut encoded = link().encode().expect("it is small");
        let place = place.min(encoded.len() - 1);
        encoded.replace_range(place..=place, &letter);
        let opened = Link::decode(&encoded);
        prop_assert!(opened.is_err() || opened == Ok(link()));
    }
}
