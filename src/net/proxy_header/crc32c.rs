//! CRC-32C (Castagnoli; RFC 3720, appendix B.4).

/// Reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// Of `bytes`, the four at `gap` taken for zeros: there the sum itself stands.
pub(super) fn with_gap(bytes: &[u8], gap: usize) -> u32 {
    let step = |sum: u32, (at, byte): (usize, &u8)| {
        let byte = if (gap..gap + 4).contains(&at) { 0 } else { *byte };
        let entry = TABLE.get(usize::from(sum as u8 ^ byte)).copied().unwrap_or_default();
        sum >> 8 ^ entry
    };
    !bytes.iter().enumerate().fold(!0, step)
}
