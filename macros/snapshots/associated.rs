impl<T: Row> Repo<T> {
    #[doc(hidden)]
    fn __load_read() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
            ::core::module_path!(),
            "Repo<T>::load",
            ::core::concat!(::core::module_path!(), "::Repo<T>::load:{id}"),
            __aside::Duration::from_secs(60u64),
        );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        &__READ
    }
    #[cfg(doc)]
    /// The key of `load(id)`.
    fn load_key(id: u64) -> ::cached_aside::Key<T> {
        use ::cached_aside::__private as __aside;
        __aside::key(
            Self::__load_read(),
            __aside::KeyWriter::new(__aside::type_name::<Self>())
                .literal("::load")
                .literal(":")
                .integer(id)
                .finish(),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    #[cfg(not(doc))]
    #[forbid(dead_code)]
    /// The key of `load(id)`.
    fn load_key(
        id: u64,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Result<T, Error>,
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Result<(), Error>>::OPTION
                    + __Shape::<Result<(), Error>>::RESULT
                    + __Shape::<Result<(), Error>>::RESULT_OPTION
            },
        >,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key(
            Self::__load_read(),
            __aside::KeyWriter::new(__aside::type_name::<Self>())
                .literal("::load")
                .literal(":")
                .integer(id)
                .finish(),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    /// `load` without the cache.
    async fn load_uncached(id: u64) -> Result<T, Error> {
        T::load(id).await
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    fn __load_in_batch() {
        let _ = Self::load;
    }
    async fn load(id: u64) -> Result<T, Error> {
        use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
        let __key = __aside::KeyWriter::new(__aside::type_name::<Self>())
            .literal("::load")
            .literal(":")
            .integer(id)
            .finish();
        let __body = ::core::pin::pin!(Self::load_uncached(id));
        let __returned = __aside::load(
                Self::__load_read(),
                __key,
                __aside::coding::<_, __aside::DefaultCodec>(0),
                __aside::ReturnAdapter::<
                    Result<T, Error>,
                    {
                        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                        __Shape::<Result<(), Error>>::OPTION
                            + __Shape::<Result<(), Error>>::RESULT
                            + __Shape::<Result<(), Error>>::RESULT_OPTION
                    },
                >::SHARED
                    .or_absent(),
                __body,
            )
            .await;
        __returned
    }
}
