//! A chain of annotated functions is `Send` without a word about the recursion limit.

#![deny(warnings)]

use cached_aside::{Cache, cached_aside, invalidates};

macro_rules! chain {
    ($($attribute:tt $name:ident $next:ident)*) => {
        $(chain! { @ $attribute $name $next })*
    };
    (@ read $name:ident $next:ident) => {
        #[cached_aside(ttl = "1m")]
        async fn $name(n: u64) -> u64 {
            $next(n).await
        }
    };
    (@ write $name:ident $next:ident) => {
        #[invalidates(last(n))]
        async fn $name(n: u64) -> u64 {
            $next(n).await
        }
    };
}

#[cached_aside(ttl = "1m")]
async fn last(n: u64) -> u64 {
    n
}

chain! {
    read f2 last read f3 f2 read f4 f3 read f5 f4 read f6 f5 read f7 f6 read f8 f7 read f9 f8
    write w1 last write w2 w1 write w3 w2 write w4 w3 write w5 w4 write w6 w5 write w7 w6 write w8 w7 write w9 w8
    read m1 last write m2 m1 read m3 m2 write m4 m3 read m5 m4 write m6 m5 read m7 m6 write m8 m7 read m9 m8
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    Cache::in_process().install().unwrap();
    assert_eq!(is_send(f9(1)).await, 1);
    assert_eq!(is_send(w9(2)).await, 2);
    assert_eq!(tokio::spawn(m9(3)).await.unwrap(), 3);
}
