//! Several files in one input: each a length in two bytes, little-endian, and so many bytes; what
//! is cut off at the end is a shorter last file.

/// Most files of an input.
const FILES_MAX: usize = 8;

/// The files of an input.
pub fn split(mut input: &[u8]) -> Vec<&[u8]> {
    let mut files = Vec::new();
    while let Some((len, rest)) = input.split_first_chunk::<2>() {
        if files.len() == FILES_MAX {
            break;
        }
        let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
        let (file, rest) = rest.split_at(len);
        files.push(file);
        input = rest;
    }
    files
}

/// The input of some files, each cut at 65,535 bytes.
pub fn join(files: &[Vec<u8>]) -> Vec<u8> {
    let mut input = Vec::new();
    for file in files {
        let len = u16::try_from(file.len()).unwrap_or(u16::MAX);
        input.extend(len.to_le_bytes());
        input.extend(&file[..usize::from(len)]);
    }
    input
}
