//! Which characters a user's name may hold, and where.
//!
//! What leaves here becomes a folder (`%d/%n`), a line of a log or of a passwd-file, a part of a query and
//! an address. So a name has the grammar of an unquoted address (RFC 5321 section 4.1.2, RFC 6531 section
//! 3.3), without the slash that paths are made of; and nothing in it is invisible, or turns into a separator
//! where somebody normalises it.

use super::Violation;

/// Where the domain of a name begins, if it has one: nothing about its characters is wrong then.
///
/// Dots separate and neither begin nor end a part, so no part is a path's `.` or `..`; a mark has something
/// to combine with (RFC 5891 section 4.2.3.2).
pub(super) fn check(name: &str) -> Result<Option<usize>, Violation> {
    if name.is_ascii() {
        check_each(name.bytes().map(char::from).enumerate())
    } else {
        check_each(name.char_indices())
    }
}

#[inline]
fn check_each(name: impl Iterator<Item = (usize, char)>) -> Result<Option<usize>, Violation> {
    let mut is_at_start = true;
    let mut domain = None;
    for (at, c) in name {
        if is_atext(c) {
            is_at_start = false;
            continue;
        }
        if !may_stand(c, is_at_start) {
            return Err(Violation::UnusableUserName);
        }
        if c == '@' && domain.replace(at.saturating_add(1)).is_some() {
            return Err(Violation::UnusableUserName);
        }
        is_at_start = matches!(c, '.' | '@');
    }
    if is_at_start {
        return Err(Violation::UnusableUserName);
    }
    Ok(domain)
}

/// Whether `c`, which is not of the atext of ASCII, may stand in a name; at the start of one of its parts, if it is.
fn may_stand(c: char, is_at_start: bool) -> bool {
    match c {
        '.' | '@' => !is_at_start,
        _ => !c.is_ascii() && !is_refused(c, is_at_start),
    }
}

/// Whether a name may not hold `c`, which is not ASCII.
#[cold]
#[inline(never)]
fn is_refused(c: char, is_at_start: bool) -> bool {
    is_in(&REFUSED, c) || is_at_start && is_in(&MARKS, c)
}

// atext = ALPHA / DIGIT / one of these (RFC 5322 section 3.2.3), and "/", which no name has here
/// A bit for each character of ASCII that is an atext.
const ATEXT: [u64; 2] = {
    let mut characters = b"!#$%&'*+-=?^_`{|}~\
        0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        .as_slice();
    let (mut low, mut high) = (0, 0);
    while let [character, rest @ ..] = characters {
        let half = if *character < 64 { &mut low } else { &mut high };
        *half |= 1 << (*character & 63);
        characters = rest;
    }
    [low, high]
};

fn is_atext(c: char) -> bool {
    let c = u32::from(c);
    let bits = match c {
        ..64 => ATEXT[0],
        64..128 => ATEXT[1],
        _ => 0,
    };
    bits >> (c & 63) & 1 == 1
}

fn is_in(ranges: &[(char, char)], c: char) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= c);
    let last = after.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|(_, last)| c <= *last)
}

/// Outside ASCII, in order. Unicode 17.0: the categories Cc, Cf, Co, Zl, Zp and Zs, noncharacters,
/// `Default_Ignorable_Code_Point`, what looks like a blank, and of what NFKC turns into a separator the
/// forms that imitate one. The joiners are among them: two names that differ by one look alike.
const REFUSED: [(char, char); 41] = [
    ('\u{80}', '\u{a0}'),        // controls, no-break space
    ('\u{ad}', '\u{ad}'),        // soft hyphen
    ('\u{34f}', '\u{34f}'),      // combining grapheme joiner
    ('\u{37e}', '\u{37e}'),      // Greek question mark, a semicolon
    ('\u{600}', '\u{605}'),      // Arabic number signs
    ('\u{61c}', '\u{61c}'),      // Arabic letter mark
    ('\u{6dd}', '\u{6dd}'),      // Arabic end of ayah
    ('\u{70f}', '\u{70f}'),      // Syriac abbreviation mark
    ('\u{890}', '\u{891}'),      // Arabic pound and piastre marks
    ('\u{8e2}', '\u{8e2}'),      // Arabic disputed end of ayah
    ('\u{115f}', '\u{1160}'),    // Hangul fillers
    ('\u{1680}', '\u{1680}'),    // Ogham space
    ('\u{17b4}', '\u{17b5}'),    // Khmer inherent vowels
    ('\u{180b}', '\u{180f}'),    // Mongolian variation selectors
    ('\u{2000}', '\u{200f}'),    // spaces, joiners, direction marks
    ('\u{2024}', '\u{202f}'),    // dot leaders, separators, embeddings
    ('\u{205f}', '\u{206f}'),    // invisible operators, isolates
    ('\u{2100}', '\u{2101}'),    // a/c, a/s
    ('\u{2105}', '\u{2106}'),    // c/o, c/u
    ('\u{2800}', '\u{2800}'),    // blank Braille pattern
    ('\u{2a74}', '\u{2a74}'),    // ::=
    ('\u{3000}', '\u{3002}'),    // ideographic space, comma and full stop
    ('\u{3164}', '\u{3164}'),    // Hangul filler
    ('\u{e000}', '\u{f8ff}'),    // private use
    ('\u{fdd0}', '\u{fdef}'),    // noncharacters
    ('\u{fe00}', '\u{fe6f}'),    // variation selectors, vertical and small forms
    ('\u{feff}', '\u{feff}'),    // byte order mark
    ('\u{ff01}', '\u{ff65}'),    // fullwidth ASCII, halfwidth punctuation
    ('\u{ffa0}', '\u{ffa0}'),    // halfwidth Hangul filler
    ('\u{ffe3}', '\u{ffe3}'),    // fullwidth macron, a space and a mark
    ('\u{fff0}', '\u{ffff}'),    // annotations, replacement, noncharacters
    ('\u{110bd}', '\u{110bd}'),  // Kaithi number sign
    ('\u{110cd}', '\u{110cd}'),  // Kaithi number sign above
    ('\u{13430}', '\u{1343f}'),  // Egyptian format controls
    ('\u{1bca0}', '\u{1bca3}'),  // shorthand format controls
    ('\u{1d159}', '\u{1d159}'),  // null note head
    ('\u{1d173}', '\u{1d17a}'),  // musical beams and slurs
    ('\u{1fffe}', '\u{1ffff}'),  // noncharacters
    ('\u{2fffe}', '\u{2ffff}'),  // noncharacters
    ('\u{3fffe}', '\u{dffff}'),  // noncharacters, planes without characters
    ('\u{e0000}', '\u{10ffff}'), // tags, variation selectors, private use
];

/// Marks that combine with letters of any script, in order: the blocks of combining marks in Unicode 17.0.
const MARKS: [(char, char); 7] = [
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{302a}', '\u{302f}'),
    ('\u{3099}', '\u{309a}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_in_order_and_apart() {
        for ranges in [REFUSED.as_slice(), &MARKS] {
            assert!(ranges.iter().all(|(first, last)| first <= last));
            let mut pairs = ranges.windows(2);
            assert!(pairs.all(|pair| matches!(pair, [(_, last), (first, _)] if last < first)));
        }
    }

    #[test]
    fn what_the_standard_library_calls_blank_or_control_is_refused() {
        for c in '\0'..=char::MAX {
            if c.is_whitespace() || c.is_control() {
                assert!(!may_follow(c), "{c:?}");
            }
            if c.is_alphabetic() && !is_in(&[('\u{ff01}', '\u{ff65}')], c) {
                assert!(may_follow(c) || FILLERS.contains(&c), "{c:?}");
            }
        }
    }

    fn may_follow(c: char) -> bool {
        check(&std::format!("a{c}")).is_ok()
    }

    /// Letters by their category that nobody sees.
    const FILLERS: [char; 4] = ['\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];
}
