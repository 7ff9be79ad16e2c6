//! To pass a line on takes no memory from the heap (`benches/heap.rs` tells what the rest takes).

#[path = "../benches/steps/mod.rs"]
mod steps;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

#[test]
fn a_line_that_is_parsed_or_relayed_allocates_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let free = ["a command parsed", "a reply parsed", "read", "relayed"];
    let mut seen = 0;
    for mut step in steps::all() {
        if !free.iter().any(|words| step.name.ends_with(words)) {
            continue;
        }
        seen += 1;
        // Once, so that the buffers are there.
        (step.run)();
        let before = dhat::HeapStats::get().total_blocks;
        (step.run)();
        assert_eq!(dhat::HeapStats::get().total_blocks - before, 0, "{}", step.name);
    }
    assert_eq!(seen, 8);
}
