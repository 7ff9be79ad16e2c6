//! What the words and the mind take of time: `cargo bench --bench core`. What they take of memory
//! is in `heap.rs`.

mod steps;

use criterion::{Criterion, criterion_group, criterion_main};

fn core(c: &mut Criterion) {
    for mut step in steps::all() {
        c.bench_function(step.name, |b| b.iter(|| (step.run)()));
    }
}

criterion_group!(benches, core);
criterion_main!(benches);
