//! What the words and the mind allocate: `cargo bench --bench heap`.

mod steps;

use std::io::Write;

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

/// How often each step is taken: what is allocated once in a while shows too.
const TIMES: u32 = 1000;

fn main() -> std::io::Result<()> {
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:>12} {:>9}  step", "allocations", "bytes")?;
    for mut step in steps::all() {
        (step.run)();
        let before = dhat::HeapStats::get();
        for _ in 0..TIMES {
            (step.run)();
        }
        let after = dhat::HeapStats::get();
        let each = |after: u64, before: u64| (after - before) as f64 / f64::from(TIMES);
        let blocks = each(after.total_blocks, before.total_blocks);
        let bytes = each(after.total_bytes, before.total_bytes);
        writeln!(out, "{blocks:12.2} {bytes:9.1}  {}", step.name)?;
    }
    Ok(())
}
