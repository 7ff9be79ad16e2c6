//! Whatever a file and the environment hold, they are read or refused in words.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let input = String::from_utf8_lossy(input);
    // Variables, one a line, stand before a NUL if there is one.
    let (variables, file) = input.split_once('\0').unwrap_or(("", &input));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    match ftpgate::config::parse(file, "fuzz.toml", variables) {
        Ok((_, warnings)) => warnings.iter().for_each(|warning| drop(warning.to_string())),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
