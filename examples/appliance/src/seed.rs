//! What makes 32 bytes a seed of random numbers.

/// As much entropy as a key of `ChaCha20`.
pub(crate) type Seed = [u8; 32];

/// Fewest different bytes in a seed: one more than hexadecimal text has. Random ones have 30 in the mean, and
/// practically never so few.
const MIN_DIFFERENT: usize = 17;

/// Whether `seed` may be random at all: memory that nobody has written to, or a placeholder, is not.
pub(crate) fn is_plausible(seed: &Seed) -> bool {
    let is_first = |(index, byte): &(usize, &u8)| !seed[..*index].contains(byte);
    seed.iter().enumerate().filter(is_first).count() >= MIN_DIFFERENT
}

/// One seed of two: as hard to guess as the better one, as long as neither was made from the other.
pub(crate) fn mixed(mut seed: Seed, other: Seed) -> Seed {
    for (byte, other) in seed.iter_mut().zip(other) {
        *byte ^= other;
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wrote_is_no_seed() {
        assert!(!is_plausible(&[0; 32]));
        assert!(!is_plausible(&[0xff; 32]));
        assert!(!is_plausible(&[0x5a; 32]));
        assert!(!is_plausible(b"gatepostgatepostgatepostgatepost"));
        assert!(!is_plausible(b"00112233445566778899aabbccddeef0"));
        let mut half = [0; 32];
        for (byte, value) in half.iter_mut().zip(1..17) {
            *byte = value;
        }
        assert!(is_plausible(&half), "seventeen values are the least");
        half[15] = 1;
        assert!(!is_plausible(&half));
    }

    #[test]
    fn the_same_seed_gives_another_one_with_what_was_left_behind() {
        let seed = *b"abcdefghijklmnopqrstuvwxyz012345";
        assert!(is_plausible(&seed));
        assert_ne!(mixed(seed, [1; 32]), mixed(seed, [2; 32]));
        assert_eq!(mixed(seed, [0; 32]), seed);
    }
}
