impl Repo {
    #[doc(hidden)]
    fn prices_key<__Ids, __Arg2, __Value>(
        _: __Ids,
        _: __Arg2,
    ) -> ::cached_aside::Key<__Value>
    where
        Self: ::cached_aside::__private::batch::OneKey<__Ids>,
    {
        ::cached_aside::__private::batch::no_key()
    }
    #[doc(hidden)]
    fn __prices_key<__Ids, __Arg2, __Value>(
        &self,
        _: __Ids,
        _: __Arg2,
    ) -> ::cached_aside::Key<__Value>
    where
        Self: ::cached_aside::__private::batch::OneKey<__Ids>,
    {
        ::cached_aside::__private::batch::no_key()
    }
    /// `prices` without the cache.
    async fn prices_uncached(
        &self,
        pairs: HashSet<(u64, String)>,
        day: Day,
    ) -> Vec<Option<Price>> {
        self.db.prices(pairs, day).await
    }
    async fn prices(
        &self,
        pairs: HashSet<(u64, String)>,
        day: Day,
    ) -> Vec<Option<Price>> {
        use ::cached_aside::__private::{
            self as __aside, ItemTarget as _, ItemCopy as _, ItemRef as _,
        };
        use ::cached_aside::__private::batch::{
            NotAgain as _, NotSharedByBatch as _, NoError as _, NotGivenUp as _,
        };
        let __cache: &::cached_aside::Cache = &self.cache;
        let (__ids, __list_of) = __aside::batch::ids_of(pairs);
        let __ids = __aside::batch::keys_in_cache(
            __ids,
            |__item| {
                let (product, currency) = __item;
                let product = (&&__aside::Item(&product)).item();
                let currency = (&&__aside::Item(&currency)).item();
                {
                    trait CachedMethod {
                        fn __price_key(&self) {}
                    }
                    impl<
                        T: ::cached_aside::__private::CachedMethod
                            + ?::core::marker::Sized,
                    > CachedMethod for T {}
                    #[cfg(not(miri))]
                    if false {
                        trait NothingInBatch {
                            fn __price_in_batch(&self) {}
                        }
                        impl<T: ?::core::marker::Sized> NothingInBatch for T {}
                        (*self).__price_in_batch();
                    }
                    (*self).__price_key(product, currency, &day)
                }
            },
        );
        let mut __kept2 = ::core::option::Option::Some(day);
        let mut __batch = __ids
            .answered_by::<
                Vec<Option<Price>>,
                _,
            >(
                __aside::batch::ErrorOf::<Vec<Option<Price>>>::ERRORS
                    .shared()
                    .or_given_up(),
            )
            .in_cache(__cache)
            .wait(__aside::Duration::from_secs(1u64))
            .twice(__aside::batch::Again(&mut __kept2).is_cloned());
        while let ::core::option::Option::Some(__missing) = __batch.missing().await {
            let __body = ::core::pin::pin!(
                Self::prices_uncached(self, __list_of(& __missing),
                __aside::batch::Again(& mut __kept2).again())
            );
            __batch.load(&__missing, __body).await;
        }
        __batch.finish()
    }
}
