//! Sessions over real sockets, with a server and a client that do what the test says.

mod flow;
mod hostile;
mod house;
mod output;
mod secrets;
mod tunnel;

/// What an idle session costs beside its sockets: a copy of the driver in it would double that.
#[test]
fn a_session_is_a_small_task() {
    fn size<A, B, C, D, E, F: Future>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }
    let (task, driver) = (size(super::serve), size_of::<super::Driver>());
    assert!(task <= driver + 128, "{task} bytes, {driver} of them the driver");
    assert!(driver <= 1536, "{driver} bytes");
}
