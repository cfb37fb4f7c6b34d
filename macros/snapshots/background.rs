impl Repo {
    #[doc(hidden)]
    fn __report_read() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "Repo::report",
                "report:{name}:{day}",
                __aside::Duration::from_secs(60u64),
            )
            .integers(2)
            .stale_while_revalidate(__aside::Duration::from_secs(300u64))
            .stale_if_error(__aside::Duration::from_secs(3600u64))
            .refresh_in_background()
            .hard_limit(__aside::Duration::from_secs(2u64))
            .soft_limit(__aside::Duration::new(0u64, 100000000u32))
            .early_refresh(1.0)
            .stores(
                &__aside::coding::<
                    __aside::Value<
                        Result<Report, Failed>,
                        {
                            use ::cached_aside::__private::{
                                NoShape as _, Shape as __Shape,
                            };
                            __Shape::<Result<Report, Failed>>::OPTION
                                + __Shape::<Result<Report, Failed>>::RESULT
                                + __Shape::<Result<Report, Failed>>::RESULT_OPTION
                        },
                    >,
                    __aside::DefaultCodec,
                >(2)
                    .by_version(),
            );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        &__READ
    }
    #[cfg(doc)]
    /// The key of `report(name, day)`.
    fn report_key(
        name: &str,
        day: u32,
    ) -> ::cached_aside::Key<Report, ::cached_aside::Unplaced> {
        use ::cached_aside::__private as __aside;
        __aside::key_without_cache(
            Self::__report_read(),
            __aside::KeyWriter::new("report:")
                .value(&name)
                .literal(":")
                .integer(day)
                .finish(),
            __aside::coding::<_, __aside::DefaultCodec>(2).by_version(),
        )
    }
    #[cfg(not(doc))]
    #[forbid(dead_code)]
    /// The key of `report(name, day)`.
    fn report_key(
        name: &str,
        day: u32,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Result<Report, Failed>,
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Result<Report, Failed>>::OPTION
                    + __Shape::<Result<Report, Failed>>::RESULT
                    + __Shape::<Result<Report, Failed>>::RESULT_OPTION
            },
        >,
        ::cached_aside::Unplaced,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key_without_cache(
            Self::__report_read(),
            __aside::KeyWriter::new("report:")
                .value(&name)
                .literal(":")
                .integer(day)
                .finish(),
            __aside::coding::<_, __aside::DefaultCodec>(2).by_version(),
        )
    }
    #[doc(hidden)]
    #[allow(clippy::unused_self)]
    fn __report_key(
        &self,
        name: &str,
        day: u32,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Result<Report, Failed>,
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Result<Report, Failed>>::OPTION
                    + __Shape::<Result<Report, Failed>>::RESULT
                    + __Shape::<Result<Report, Failed>>::RESULT_OPTION
            },
        >,
    > {
        Self::report_key(name, day).in_cache(&self.cache)
    }
    /// `report` without the cache.
    async fn report_uncached(&self, name: &str, day: u32) -> Result<Report, Failed> {
        self.db.report(name, day).await
    }
    #[doc(hidden)]
    fn __report_owned(
        &self,
        name: &str,
        day: u32,
    ) -> ::cached_aside::__private::BoxedBody<Result<Report, Failed>> {
        use ::cached_aside::__private as __aside;
        let __arg0 = __aside::copy_arg(self);
        let __arg1 = __aside::copy_arg(name);
        let __arg2 = __aside::move_arg(day);
        ::std::boxed::Box::pin(async move {
            Self::report_uncached(__arg0.as_arg(), __arg1.as_arg(), __arg2).await
        })
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    #[allow(clippy::unused_self)]
    fn __report_in_batch(&self) {
        let _ = Self::report;
    }
    async fn report(&self, name: &str, day: u32) -> Result<Report, Failed> {
        use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
        __aside::assert_error::<
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<Result<Report, Failed>>::OPTION
                    + __Shape::<Result<Report, Failed>>::RESULT
                    + __Shape::<Result<Report, Failed>>::RESULT_OPTION
            },
        >();
        let __key = __aside::KeyWriter::new("report:")
            .value(&name)
            .literal(":")
            .integer(day)
            .finish();
        let __cache: ::cached_aside::Cache = ::core::clone::Clone::clone(&self.cache);
        let __returned = __aside::load_owned(
                ::core::option::Option::Some(&__cache),
                Self::__report_read(),
                __key,
                __aside::coding::<_, __aside::DefaultCodec>(2).by_version(),
                __aside::ReturnAdapter::<
                    Result<Report, Failed>,
                    {
                        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                        __Shape::<Result<Report, Failed>>::OPTION
                            + __Shape::<Result<Report, Failed>>::RESULT
                            + __Shape::<Result<Report, Failed>>::RESULT_OPTION
                    },
                >::SHARED
                    .or_given_up(__aside::given_up::<Result<Report, Failed>>)
                    .or_absent(),
                move || Self::__report_owned(self, name, day),
            )
            .await;
        __returned
    }
}
