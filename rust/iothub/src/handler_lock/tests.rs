//! Apart from `handler_lock.rs`, which `tests/interleavings.rs` takes in with other primitives
//! below it.

extern crate std;

use std::thread;

use crate::handler_lock::HandlerLock;

#[test]
fn one_thread_is_inside_as_often_as_it_likes() {
    let lock = HandlerLock::new();
    assert!(!lock.is_mine());
    let outer = lock.lock();
    let inner = lock.lock();
    drop(inner);
    assert!(lock.is_mine(), "the outer one holds");
    thread::scope(|scope| {
        scope.spawn(|| assert!(!lock.is_mine(), "it is another's"));
    });
    drop(outer);
    assert!(!lock.is_mine());
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = lock.lock();
            assert!(lock.is_mine());
        });
    });
}
