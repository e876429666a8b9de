//! Which flipped bit explains a wrong checksum.
//!
//! A checksum is linear: the difference between the stored and the computed one depends only on
//! what changed and on how many bytes follow it. So the bit is found without trying.

const POLYNOMIAL: u32 = 0x82F6_3B78;
/// Data beyond this are not searched: a chance hit becomes likely.
const DATA_BYTES_MAX: usize = 4 << 20;

/// The byte, counted from the start, and the bit in it that differ if one alone does.
pub(super) fn flipped_bit(data: &[u8], difference: u32) -> Option<(u64, u8)> {
    if data.len() > DATA_BYTES_MAX || difference == 0 {
        return None;
    }
    let mut effects: [u32; 8] = std::array::from_fn(|bit| shift(1 << bit));
    for (at, _) in data.iter().enumerate().rev() {
        if let Some(bit) = effects.iter().position(|effect| *effect == difference) {
            return Some((at as u64, u8::try_from(bit).expect("one of eight")));
        }
        effects = effects.map(shift);
    }
    None
}

/// The register after one more byte of zeros.
fn shift(mut register: u32) -> u32 {
    for _ in 0..8 {
        let is_odd = register & 1 == 1;
        register >>= 1;
        if is_odd {
            register ^= POLYNOMIAL;
        }
    }
    register
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flipped_bit_is_named() {
        let data: Vec<u8> = (0..=255).collect();
        let sum = crc32c::crc32c_append(0x1234, &data);
        for (byte, bit) in [(0, 0), (100, 3), (255, 7)] {
            let mut changed = data.clone();
            changed[byte] ^= 1 << bit;
            let difference = sum ^ crc32c::crc32c_append(0x1234, &changed);
            assert_eq!(flipped_bit(&changed, difference), Some((byte as u64, bit)), "{byte}");
        }
        assert_eq!(flipped_bit(&data, 0xdead_beef), None, "no single bit");
    }
}
