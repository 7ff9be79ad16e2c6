//! Turns among the tasks of a worker.

use std::future::poll_fn;
use std::task::Poll;

/// Lets every task of this worker that is ready go first.
pub(crate) async fn give_way() {
    let mut asked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
