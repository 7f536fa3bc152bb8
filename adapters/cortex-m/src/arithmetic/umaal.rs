//! The arithmetic by `UMAAL`, the multiplication with two additions of Cortex-M4, M7 and M33 (with DSP).
//!
//! **Why this is sound.** This is the one file of the crate that may hold `unsafe`, and all of it is functions that
//! consist of instructions alone. Each keeps to the procedure call standard (AAPCS32), by which the compiler calls
//! it: it restores `r4` to `r11` and the stack pointer, calls nothing, and touches neither floating point nor state
//! other than the flags. Memory is touched through the arguments only:
//!
//! - [`multiply`], [`square`], [`add`] and [`subtract`] read eight words behind each reference, and write the eight
//!   words of the result, whose place the standard passes in `r0`. They write it last, when nothing is read any more.
//! - `row` reads and writes what its raw pointers name. [`multiply_row`], its only caller, makes them of slices, of
//!   which it gives as many words as both have.
//!
//! What is computed is held to the portable twin, bit by bit, on an emulated board.
#![allow(
    unsafe_code,
    reason = "functions of instructions alone, as argued above"
)]

use core::arch::naked_asm;

use super::Words;

/// The processor, where the target may also be one without the DSP extension: link-time optimisation reads these
/// instructions by the target alone, whatever `target-cpu` says.
#[cfg(armv8m)]
macro_rules! processor {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(armv8m))]
macro_rules! processor {
    () => {
        ""
    };
}

/// A row of four products: `accumulators += factor * (r0, r11, r12, lr) + carry`. The lowest word is final then; the
/// carry is the highest word of the next row.
macro_rules! row {
    ($carry:literal, $factor:literal, $w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
        concat!(
            "umaal ", $w0, ", ", $carry, ", ", $factor, ", r0\n", "umaal ", $w1, ", ", $carry,
            ", ", $factor, ", r11\n", "umaal ", $w2, ", ", $carry, ", ", $factor, ", r12\n",
            "umaal ", $w3, ", ", $carry, ", ", $factor, ", lr\n",
        )
    };
}

/// `a b / 2^256` modulo the prime of P-256, below `2^256`.
///
/// Montgomery's multiplication. The prime is -1 modulo `2^96`, so that each of the eight lowest words, when it is
/// final, is the multiple `m` of the prime that makes it zero, and `m` is added three words above it, six words above
/// it, and `m (2^32 - 1)` seven words above it. Where a row begins, its carry is free to bring one of these.
#[unsafe(naked)]
pub(crate) extern "C" fn multiply(_a: &Words, _b: &Words) -> Words {
    naked_asm!(
        processor!(),
        // On the stack: m0 to m7, where the result goes, the upper half of b, registers.
        "add r2, #16",
        "push {{r0, r2, r4-r11, lr}}",
        "sub sp, #16",
        "ldmdb r2, {{r0, r11, r12, lr}}",
        "ldm r1!, {{r3-r6}}",
        // Lower half of a, lower half of b: words 0 to 3 are final in r7 to r10.
        "umull r7, r2, r3, r0",
        "mov r8, #0",
        "umaal r8, r2, r3, r11",
        "mov r9, #0",
        "umaal r9, r2, r3, r12",
        "mov r10, #0",
        "umaal r10, r2, r3, lr",
        "mov r3, #0",
        row!("r3", "r4", "r8", "r9", "r10", "r2"),
        "mov r4, #0",
        row!("r4", "r5", "r9", "r10", "r2", "r3"),
        "mov r5, r7", // m0
        row!("r5", "r6", "r10", "r2", "r3", "r4"),
        "push {{r7-r10}}",
        // Upper half of a, lower half of b: words 4 to 7 in r2 to r5, 8 to 11 in r6 to r9.
        "ldm r1, {{r7-r10}}",
        "ldr r6, [sp, #4]", // m1
        row!("r6", "r7", "r2", "r3", "r4", "r5"),
        "ldr r7, [sp, #8]", // m2
        row!("r7", "r8", "r3", "r4", "r5", "r6"),
        "ldr r8, [sp]", // m0
        row!("r8", "r9", "r4", "r5", "r6", "r7"),
        "ldr r9, [sp, #4]", // m1
        row!("r9", "r10", "r5", "r6", "r7", "r8"),
        "push {{r6-r9}}",
        // Lower half of a, upper half of b: words 4 to 7 are final in r2 to r5, 8 to 11 begun anew in r6 to r9.
        "ldr r0, [sp, #52]",
        "ldm r0, {{r0, r11, r12, lr}}",
        "ldmdb r1, {{r7-r10}}",
        "mov r6, #0",
        row!("r6", "r7", "r2", "r3", "r4", "r5"),
        "mov r7, #0",
        row!("r7", "r8", "r3", "r4", "r5", "r6"),
        "ldr r8, [sp, #28]", // m3
        row!("r8", "r9", "r4", "r5", "r6", "r7"),
        "mov r9, r2", // m4
        row!("r9", "r10", "r5", "r6", "r7", "r8"),
        // m0 (2^32 - 1) at word 7; r10 carries it on.
        "strd r2, r3, [sp, #32]",
        "mov r2, #0xffffffff",
        "ldr r3, [sp, #16]",
        "mov r10, #0",
        "umaal r5, r10, r3, r2",
        "strd r4, r5, [sp, #40]",
        // Upper half of a, upper half of b, and what was pushed: words 8 to 11 in r6 to r9, 12 to 15 in r1 to r4.
        "ldm r1, {{r2-r5}}",
        "ldr r1, [sp]",
        row!("r1", "r2", "r6", "r7", "r8", "r9"),
        "ldr r2, [sp, #4]",
        row!("r2", "r3", "r7", "r8", "r9", "r1"),
        "ldr r3, [sp, #8]",
        row!("r3", "r4", "r8", "r9", "r1", "r2"),
        "ldr r4, [sp, #12]",
        row!("r4", "r5", "r9", "r1", "r2", "r3"),
        // m1 to m4: times 2^32 - 1 from word 8 on; m2 to m4 from word 8 on.
        "add sp, #20",
        "pop {{r0, r11, r12, lr}}",
        "mov r5, #0xffffffff",
        "umaal r6, r10, r0, r5",
        "umaal r7, r10, r11, r5",
        "umaal r8, r10, r12, r5",
        "umaal r9, r10, lr, r5",
        "mov r0, #0", // word 16
        "adds r6, r6, r11",
        "adcs r7, r7, r12",
        "adcs r8, r8, lr",
        "bcc 2f",
        "adcs r9, r9, #0",
        "bcc 2f",
        "adcs r1, r1, #0",
        "adcs r2, r2, #0",
        "adcs r3, r3, #0",
        "adcs r4, r4, #0",
        "adc r0, r0, #0",
        "2:",
        // m5 to m7: times 2^32 - 1 from word 12 on; from word 8 on, and from word 11 on.
        "pop {{r11, r12, lr}}",
        "umaal r1, r10, r11, r5",
        "umaal r2, r10, r12, r5",
        "umaal r3, r10, lr, r5",
        "adds r6, r6, r11",
        "adcs r7, r7, r12",
        "adcs r8, r8, lr",
        "adcs r9, r9, r11",
        "adcs r1, r1, r12",
        "adcs r2, r2, lr",
        "adcs r3, r3, #0",
        "adcs r4, r4, r10",
        "adcs r0, r0, #0",
        "bne 4f",
        "3:",
        "pop {{r11, r12}}",
        "stm r11!, {{r6-r9}}",
        "stm r11, {{r1-r4}}",
        "pop {{r4-r11, pc}}",
        // 2^256 or more: less the prime, once.
        "4:",
        "subs r6, r6, #0xffffffff",
        "sbcs r7, r7, #0xffffffff",
        "sbcs r8, r8, #0xffffffff",
        "sbcs r9, r9, #0",
        "sbcs r1, r1, #0",
        "sbcs r2, r2, #0",
        "sbcs r3, r3, #1",
        "sbc r4, r4, #0xffffffff",
        "b 3b",
    )
}

/// `a + b` modulo the prime of P-256, below `2^256`.
#[unsafe(naked)]
pub(crate) extern "C" fn add(_a: &Words, _b: &Words) -> Words {
    naked_asm!(
        processor!(),
        "push {{r4-r11, lr}}",
        "ldm r1, {{r3-r10}}",
        "ldm r2!, {{r1, r11, r12, lr}}",
        "adds r3, r3, r1",
        "adcs r4, r4, r11",
        "adcs r5, r5, r12",
        "adcs r6, r6, lr",
        "ldm r2, {{r1, r11, r12, lr}}",
        "adcs r7, r7, r1",
        "adcs r8, r8, r11",
        "adcs r9, r9, r12",
        "adcs r10, r10, lr",
        "bcs 3f",
        "2:",
        "stm r0, {{r3-r10}}",
        "pop {{r4-r11, pc}}",
        // 2^256 or more: less the prime.
        "3:",
        "adds r3, r3, #1",
        "adcs r4, r4, #0",
        "adcs r5, r5, #0",
        "adcs r6, r6, #0xffffffff",
        "adcs r7, r7, #0xffffffff",
        "adcs r8, r8, #0xffffffff",
        "sbcs r9, r9, #1",
        "adcs r10, r10, #0",
        "bcs 3b",
        "b 2b",
    )
}

/// `a - b` modulo the prime of P-256, below `2^256`.
#[unsafe(naked)]
pub(crate) extern "C" fn subtract(_a: &Words, _b: &Words) -> Words {
    naked_asm!(
        processor!(),
        "push {{r4-r11, lr}}",
        "ldm r1, {{r3-r10}}",
        "ldm r2!, {{r1, r11, r12, lr}}",
        "subs r3, r3, r1",
        "sbcs r4, r4, r11",
        "sbcs r5, r5, r12",
        "sbcs r6, r6, lr",
        "ldm r2, {{r1, r11, r12, lr}}",
        "sbcs r7, r7, r1",
        "sbcs r8, r8, r11",
        "sbcs r9, r9, r12",
        "sbcs r10, r10, lr",
        "bcc 3f",
        "2:",
        "stm r0, {{r3-r10}}",
        "pop {{r4-r11, pc}}",
        // Below 0: more by the prime.
        "3:",
        "subs r3, r3, #1",
        "sbcs r4, r4, #0",
        "sbcs r5, r5, #0",
        "sbcs r6, r6, #0xffffffff",
        "sbcs r7, r7, #0xffffffff",
        "sbcs r8, r8, #0xffffffff",
        "adcs r9, r9, #1",
        "sbcs r10, r10, #0",
        "bcc 3b",
        "b 2b",
    )
}

/// `a^2 / 2^256` modulo the prime of P-256, below `2^256`.
pub(crate) fn square(a: &Words) -> Words {
    multiply(a, a)
}

/// Adds `numbers * factor` to as many words of `sum`, and gives the carry. All beyond the shorter one, or beyond a
/// multiple of four words, is left out.
pub(crate) fn multiply_row(sum: &mut [u32], numbers: &[u32], factor: u32) -> u32 {
    let blocks = sum.len().min(numbers.len()) / 4;
    if blocks == 0 {
        return 0;
    }
    // SAFETY: both slices have that many blocks of four words, and the exclusive one is no part of the other.
    unsafe { row(sum.as_mut_ptr(), numbers.as_ptr(), blocks, factor) }
}

/// [`multiply_row`] of one or more blocks of four words.
#[unsafe(naked)]
unsafe extern "C" fn row(
    _sum: *mut u32,
    _numbers: *const u32,
    _blocks: usize,
    _factor: u32,
) -> u32 {
    naked_asm!(
        processor!(),
        "push {{r4-r11, lr}}",
        "mov r12, #0",
        "2:",
        "ldm r0, {{r4-r7}}",
        "ldm r1!, {{r8-r11}}",
        "umaal r4, r12, r3, r8",
        "umaal r5, r12, r3, r9",
        "umaal r6, r12, r3, r10",
        "umaal r7, r12, r3, r11",
        "stm r0!, {{r4-r7}}",
        "subs r2, r2, #1",
        "bne 2b",
        "mov r0, r12",
        "pop {{r4-r11, pc}}",
    )
}
