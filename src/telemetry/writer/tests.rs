use super::*;

/// Keeps what it is given; writes only as often as it is let.
struct Gated {
    written: Arc<Mutex<Vec<u8>>>,
    gate: Receiver<io::Result<()>>,
}

/// Dropped: every write passes.
type Gate = SyncSender<io::Result<()>>;

impl Sink for Gated {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.gate.recv().unwrap_or(Ok(()))?;
        self.written.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }
}

fn gated() -> (Gated, Gate, Arc<Mutex<Vec<u8>>>) {
    let (open, gate) = sync_channel(10);
    let written = Arc::default();
    (Gated { written: Arc::clone(&written), gate }, open, written)
}

#[test]
fn every_line_is_written_in_order_before_the_end() {
    let (sink, open, written) = gated();
    drop(open);
    let writer = LineWriter::start("test", sink).unwrap();
    let expected: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    for line in expected.split_inclusive('\n') {
        writer.send(line.into());
    }
    drop(writer);
    assert!(*written.lock().unwrap() == expected.as_bytes());
}

/// The line is taken while nothing is finishing yet; the end comes while the thread collects.
#[test]
fn the_end_is_noticed_while_lines_are_collected() {
    for _ in 0..20 {
        let (sink, open, written) = gated();
        drop(open);
        let writer = LineWriter::start("test", sink).unwrap();
        writer.send(b"last words".to_vec());
        assert!(writer.finish());
        assert_eq!(*written.lock().unwrap(), b"last words");
    }
}

#[test]
fn more_than_a_batch_is_written_at_the_end_too() {
    let (sink, open, written) = gated();
    drop(open);
    let writer = LineWriter::start("test", sink).unwrap();
    let line = vec![b'x'; BATCH / 2];
    for _ in 0..9 {
        writer.send(line.clone());
    }
    writer.finish();
    assert_eq!(written.lock().unwrap().len(), 9 * line.len());
    writer.finish();
    writer.send(b"late".to_vec());
    assert_eq!(writer.shared.lost.load(Ordering::Relaxed), 1);
}

/// A sink that hangs: senders go on, what does not fit is lost and counted.
#[test]
fn a_full_queue_never_waits() {
    let (sink, open, written) = gated();
    let writer = LineWriter::start("test", sink).unwrap();
    for _ in 0..3 * QUEUE {
        writer.send(b"x\n".to_vec());
    }
    let lost = writer.shared.lost.load(Ordering::Relaxed);
    // The thread holds one batch at most, the queue the rest.
    assert!((QUEUE as u64..=2 * QUEUE as u64).contains(&lost), "{lost}");
    drop(open);
    drop(writer);
    let written = written.lock().unwrap().len() as u64 / 2;
    assert_eq!(written + lost, 3 * QUEUE as u64);
}

#[test]
fn lines_that_could_not_be_written_are_counted() {
    let (sink, open, written) = gated();
    let (_, lines) = sync_channel(1);
    let shared = Arc::new(Shared::default());
    let mut writing = Writing { name: "test", sink, lines, shared, lost: 0, told: None };
    writing.lost = 3;
    writing.tell(Some(io::ErrorKind::StorageFull.into()));
    assert_eq!(writing.lost, 0, "told");
    writing.lost = 2;
    writing.tell(None);
    assert_eq!(writing.lost, 2, "kept for the next time: told only now and then");
    drop((open, written));
}
