//! Functions of which the text around them looks like that of another place.
#![allow(dead_code, unused_variables, unused_macros, unused_braces)]

mod unit_structs_in_a_repetition {
    use cached_aside::{cached_aside, invalidates};

    macro_rules! repositories {
        ($($name:ident, $key:literal, $gone:literal;)*) => {
            $(
                pub struct $name;

                impl $name {
                    #[cached_aside(ttl = "5m", key = $key)]
                    pub async fn find(id: u64) -> Option<u64> {
                        Some(id)
                    }

                    #[cached_aside(ttl = "5m", key = $gone, skip(self))]
                    pub async fn count(&self, id: u64) -> u64 {
                        id
                    }

                    #[invalidates(Self::find(id), self.count(id))]
                    pub async fn remove(&self, id: u64) {}
                }
            )*
        };
    }

    repositories! {
        Authors, "a2-author:{id}", "a2-author-count:{id}";
        Books, "a2-book:{id}", "a2-book-count:{id}";
    }

    pub async fn check() {
        assert_eq!((Authors::find(1).await, Books.count(1).await, Books::find(1).await), (Some(1), 1, Some(1)));
        Authors.remove(1).await;
        assert_eq!(Authors::find_key(1).peek().await.unwrap(), None);
        assert_eq!(Books::find_key(1).peek().await.unwrap(), Some(1));
        Books.remove(1).await;
        assert_eq!(Books::find_key(1).peek().await.unwrap(), None);
        assert_eq!(Books::count_key(1).peek().await.unwrap(), None);
    }
}

mod items_in_parentheses {
    use cached_aside::{cached_aside, invalidates};

    macro_rules! as_it_is {
        ($($item:item)*) => { $($item)* };
    }

    as_it_is!(
        use std::num::NonZeroU64;

        impl Depot {
            #[cached_aside(ttl = "5m", key = "a2-depot:{id}")]
            pub async fn parcel(id: NonZeroU64) -> u64 {
                id.get()
            }

            #[invalidates(Self::parcel(id))]
            pub async fn send(&self, id: NonZeroU64) {}
        }
    );

    pub struct Depot;

    pub async fn check() {
        let id = NonZeroU64::new(5).unwrap();
        assert_eq!(Depot::parcel(id).await, 5);
        Depot.send(id).await;
        assert_eq!(Depot::parcel_key(id).peek().await.unwrap(), None);
    }
}

mod methods_behind_an_arrow {
    use cached_aside::{cached_aside, invalidates};

    macro_rules! methods {
        ($($of:ident => { $($methods:tt)* })*) => { $(impl $of { $($methods)* })* };
    }

    pub struct Drivers {
        fleet: u64,
    }

    methods! {
        Drivers => {
            #[cached_aside(ttl = "5m", key = "a2-driver:{self.fleet}:{id}")]
            pub async fn driver(&self, id: u64) -> u64 {
                self.fleet + id
            }

            #[invalidates(self.driver(id))]
            pub async fn retire(&self, id: u64) {}
        }
    }

    pub async fn check() {
        let drivers = Drivers { fleet: 3 };
        assert_eq!(drivers.driver(1).await, 4);
        drivers.retire(1).await;
        assert_eq!(drivers.driver_key(1).peek().await.unwrap(), None);
    }
}

mod methods_behind_a_name {
    use cached_aside::cached_aside;

    macro_rules! methods_of {
        ($of:ident { $($methods:tt)* }) => { impl $of { $($methods)* } };
    }

    pub struct Riders;

    methods_of!(Riders {
        #[cached_aside(ttl = "5m", key = "a2-rider:{id}", skip(self))]
        pub async fn rider(&self, id: u64) -> u64 {
            id
        }
    });

    pub async fn check() {
        assert_eq!(Riders.rider(1).await, 1);
        assert_eq!(Riders::rider_key(1).peek().await.unwrap(), Some(1));
    }
}

mod braces_in_a_header {
    use cached_aside::{cached_aside, invalidates};

    pub struct Slots<T>(T);

    impl Slots<[u8; { 2 + 2 }]> {
        #[cached_aside(ttl = "5m", key = "a2-slot:{id}", skip(self))]
        async fn slot(&self, id: usize) -> Option<u8> {
            self.0.get(id).copied()
        }

        #[cached_aside(ttl = "5m", key = "a2-slots:{of}")]
        async fn whole(of: u8) -> Vec<u8> {
            vec![of; 4]
        }

        #[invalidates(self.slot(id), Self::whole(1))]
        async fn put(&mut self, id: usize, to: u8) {
            self.0[id] = to;
        }
    }

    pub async fn check() {
        let mut slots = Slots([1, 2, 3, 4]);
        assert_eq!((slots.slot(1).await, Slots::whole(1).await), (Some(2), vec![1; 4]));
        slots.put(1, 9).await;
        assert_eq!(slots.slot(1).await, Some(9));
        assert_eq!(Slots::whole_key(1).peek().await.unwrap(), None);
    }
}

mod braces_in_a_where_clause {
    use cached_aside::cached_aside;

    pub struct Bounded<T>(T);

    impl<T: Sync> Bounded<T>
    where
        [u8; { 1 + 1 }]: Default,
    {
        #[cached_aside(ttl = "5m", key = "a2-bounded:{T}:{id}")]
        async fn bounded(id: u64) -> u64 {
            id
        }
    }

    pub async fn check() {
        assert_eq!(Bounded::<u8>::bounded(1).await, 1);
        assert_eq!(Bounded::<u8>::bounded_key(1).peek().await.unwrap(), Some(1));
    }
}


mod macro_in_parentheses {
    use cached_aside::cached_aside;

    macro_rules! method_or_not (
        () => {};
        ($this:ident, $name:ident) => {
            #[cached_aside(ttl = "5m", key = "a2-arm:{id}", skip($this))]
            pub async fn $name(&$this, id: u64) -> u64 {
                id
            }
        };
    );

    pub struct Arms;

    impl Arms {
        method_or_not!();
        method_or_not!(self, arm);
    }

    pub async fn check() {
        assert_eq!(Arms.arm(1).await, 1);
        assert_eq!(Arms::arm_key(1).peek().await.unwrap(), Some(1));
    }
}

mod odd_places {
    use cached_aside::{cached_aside, invalidates};

    pub struct Odd;

    const _: () = {
        impl Odd {
            #[cached_aside(ttl = "5m", key = "a2-odd:{id}")]
            pub async fn of_a_constant(id: u64) -> u64 {
                id
            }
        }
    };

    pub async fn check() {
        assert_eq!(Odd::of_a_constant(1).await, 1);
        assert_eq!(Odd::of_a_constant_key(1).peek().await.unwrap(), Some(1));

        let in_a_closure = async |id: u64| {
            struct Local;

            impl Local {
                #[cached_aside(ttl = "5m")]
                async fn get(id: u64) -> u64 {
                    id
                }

                #[invalidates(Self::get(get))]
                async fn forget(get: u64) {}
            }

            assert_eq!(Local::get(id).await, id);
            Local::forget(id).await;
            Local::get_key(id).peek().await.unwrap()
        };
        assert_eq!(in_a_closure(1).await, None);

        let of_an_arm = match (1, "a") {
            (1, _) => {
                #[cached_aside(ttl = "5m")]
                async fn of_this_arm(of_this_arm: u64) -> u64 {
                    of_this_arm
                }

                // The parameter has the name of the function.
                #[invalidates(of_this_arm(of_this_arm))]
                async fn forget(of_this_arm: u64) {}

                of_this_arm(1).await;
                forget(1).await;
                of_this_arm::key(1).peek().await.unwrap()
            }
            _ => unreachable!(),
        };
        assert_eq!(of_an_arm, None);
    }
}


mod functions_called_like_options {
    use cached_aside::{cached_aside, invalidates};

    pub async fn check() {
        #[cached_aside(ttl = "5m", key = "looked-when:{id}")]
        async fn when(id: u64) -> u64 {
            id
        }

        struct Clock;

        impl Clock {
            #[invalidates(when(id))]
            async fn change(&self, id: u64) {}
        }

        assert_eq!(when(1).await, 1);
        Clock.change(1).await;
        assert_eq!(when::key(1).peek().await.unwrap(), None);
    }
}

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() {
    cached_aside::Cache::in_process().install().unwrap();
    unit_structs_in_a_repetition::check().await;
    items_in_parentheses::check().await;
    methods_behind_an_arrow::check().await;
    methods_behind_a_name::check().await;
    braces_in_a_header::check().await;
    braces_in_a_where_clause::check().await;
    macro_in_parentheses::check().await;
    odd_places::check().await;
    functions_called_like_options::check().await;
}
