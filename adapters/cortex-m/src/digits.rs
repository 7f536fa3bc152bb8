//! Scalars as few odd digits, so that few points are added.

/// Digits of a scalar of up to `N - 1` bits, the lowest first: 0, or odd and of less than `width` bits with their
/// sign; of `width` digits in a row one is not 0 at most (Handbook of Elliptic and Hyperelliptic Curve Cryptography,
/// section 9.1.4).
pub(crate) struct Digits<const N: usize>([i8; N]);

impl<const N: usize> Digits<N> {
    /// The digits of little-endian bytes; `width` is 2 to 8.
    pub(crate) fn new(scalar: &[u8], width: usize) -> Self {
        let mut digits = [0; N];
        let (mut at, mut carry) = (0, 0);
        while let Some(digit) = digits.get_mut(at) {
            if window(scalar, at, 1) == carry {
                at += 1;
                continue;
            }
            let value = window(scalar, at, width) + carry;
            carry = value >> (width - 1);
            // Odd, and between -2^(width - 1) and 2^(width - 1): 8 bits hold it.
            let signed = value.cast_signed() - (carry << width).cast_signed();
            *digit = i8::try_from(signed).unwrap_or_default();
            at += width;
        }
        Self(digits)
    }

    /// The digit at a power of two: which of the odd multiples `[1, 3, 5, ..]`, and whether it is negative.
    pub(crate) fn at(&self, power: usize) -> Option<(usize, bool)> {
        let digit = *self.0.get(power)?;
        let multiple = usize::from(digit.unsigned_abs()) / 2;
        (digit != 0).then_some((multiple, digit < 0))
    }
}

/// `length` bits of a little-endian number from bit `at` on, 8 at most; beyond its end they are 0.
fn window(scalar: &[u8], at: usize, length: usize) -> u32 {
    let byte = |index: usize| u32::from(scalar.get(index).copied().unwrap_or_default());
    let both = byte(at / 8) | byte(at / 8 + 1) << 8;
    (both >> (at % 8)) & ((1 << length) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scalar: u64, width: usize) {
        let digits = Digits::<72>::new(&scalar.to_le_bytes(), width);
        let mut sum = 0_i128;
        let mut last = None;
        for power in 0..72 {
            let Some((multiple, is_negative)) = digits.at(power) else {
                continue;
            };
            let digit = i128::try_from(2 * multiple + 1).unwrap_or_default();
            assert!(digit < 1 << (width - 1), "{scalar} {width}");
            sum += if is_negative { -digit } else { digit } << power;
            assert!(last.is_none_or(|last| power - last >= width), "{scalar}");
            last = Some(power);
        }
        assert_eq!(sum, i128::from(scalar), "{width}");
    }

    #[test]
    fn digits_come_to_the_scalar() {
        for width in 2..=8 {
            for scalar in [
                0,
                1,
                2,
                3,
                0x5555,
                0xffff_ffff,
                0x8000_0000_0000_0000,
                u64::MAX,
            ] {
                check(scalar, width);
            }
            let mut scalar = 1_u64;
            for _ in 0..500 {
                scalar = scalar
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                check(scalar, width);
            }
        }
    }
}
