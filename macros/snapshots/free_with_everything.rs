/// The companions of [`search()`]: its keys, and its body without the cache.
enum search {}
#[doc(hidden)]
impl ::cached_aside::__private::Companion for search {
    const SHAPE: ::core::primitive::u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        __Shape::<io::Result<()>>::OPTION + __Shape::<io::Result<()>>::RESULT
            + __Shape::<io::Result<()>>::RESULT_OPTION
    };
    fn function() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "search",
                ::core::concat!(
                    ::core::module_path!(), "::search:{T}:{N}:{page}:{_tenant}"
                ),
                {
                    let duration = TTL;
                    __aside::duration(&duration).of(duration)
                },
            )
            .none_ttl(__aside::Duration::new(0u64, 500000000u32))
            .jitter(0u16)
            .lease(__aside::Duration::from_secs(2u64))
            .wait(__aside::Duration::from_secs(0u64))
            .verify(0.001f64)
            .local(__aside::Duration::from_secs(1u64))
            .local_bounded();
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        &__READ
    }
}
impl search {
    #[allow(clippy::too_many_lines)]
    #[allow(clippy::used_underscore_binding)]
    #[cfg(doc)]
    /// The key of `search(page, _tenant)`.
    fn key<T: Row, const N: usize>(
        page: u32,
        _tenant: &str,
    ) -> ::cached_aside::Key<Page<T, N>, ::cached_aside::Unplaced>
    where
        T: DeserializeOwned,
    {
        use ::cached_aside::__private as __aside;
        __aside::key_without_cache(
            <search as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new(__aside::type_name::<search>())
                .literal(":")
                .value(&__aside::type_name::<T>())
                .literal(":")
                .value(&N)
                .literal(":")
                .integer(page)
                .literal(":")
                .part(&_tenant)
                .finish(),
            __aside::coding::<_, ::cached_aside::Json>(const { VERSION }).local(),
        )
    }
    #[allow(clippy::too_many_lines)]
    #[allow(clippy::used_underscore_binding)]
    #[cfg(not(doc))]
    /// The key of `search(page, _tenant)`.
    fn key<T: Row, const N: usize>(
        page: u32,
        _tenant: &str,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            io::Result<Page<T, N>>,
            { <Self as ::cached_aside::__private::Companion>::SHAPE },
        >,
        ::cached_aside::Unplaced,
    >
    where
        T: DeserializeOwned,
    {
        use ::cached_aside::__private as __aside;
        __aside::key_without_cache(
            <search as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new(__aside::type_name::<search>())
                .literal(":")
                .value(&__aside::type_name::<T>())
                .literal(":")
                .value(&N)
                .literal(":")
                .integer(page)
                .literal(":")
                .part(&_tenant)
                .finish(),
            __aside::coding::<_, ::cached_aside::Json>(const { VERSION }).local(),
        )
    }
    /// `search` without the cache.
    #[expect(clippy::too_many_lines)]
    async fn uncached<'a, D: Db, T: Row, const N: usize>(
        db: &'a D,
        mut page: u32,
        Filter { text, kind }: Filter,
        _tenant: &str,
    ) -> io::Result<Page<T, N>>
    where
        T: DeserializeOwned,
    {
        let _ = (&_tenant);
        page += 1;
        db.search(page, text, kind).await
    }
    #[allow(clippy::too_many_lines)]
    #[allow(clippy::used_underscore_binding)]
    #[doc(hidden)]
    #[cfg(not(miri))]
    fn __in_batch() {}
}
#[tracing::instrument]
#[allow(clippy::too_many_lines)]
#[allow(clippy::used_underscore_binding)]
async fn search<'a, D: Db, T: Row, const N: usize>(
    db: &'a D,
    page: u32,
    __arg2: Filter,
    _tenant: &str,
) -> io::Result<Page<T, N>>
where
    T: DeserializeOwned,
{
    use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
    const {
        __aside::assert_shape(
            {
                use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
                __Shape::<io::Result<Page<T, N>>>::OPTION
                    + __Shape::<io::Result<Page<T, N>>>::RESULT
                    + __Shape::<io::Result<Page<T, N>>>::RESULT_OPTION
            },
            { <search as ::cached_aside::__private::Companion>::SHAPE },
        )
    };
    __aside::assert_none::<
        { <search as ::cached_aside::__private::Companion>::SHAPE },
    >();
    let __key = __aside::KeyWriter::new(__aside::type_name::<search>())
        .literal(":")
        .value(&__aside::type_name::<T>())
        .literal(":")
        .value(&N)
        .literal(":")
        .integer(page)
        .literal(":")
        .part(&_tenant)
        .finish();
    let __cache: &::cached_aside::Cache = &db.cache;
    let __body = ::core::pin::pin!(
        search::uncached:: < D, T, N > (db, page, __arg2, _tenant)
    );
    let __returned = __aside::load_in(
            __cache,
            <search as ::cached_aside::__private::Companion>::function(),
            __key,
            __aside::coding::<_, ::cached_aside::Json>(const { VERSION }).local(),
            __aside::ReturnAdapter::<
                io::Result<Page<T, N>>,
                { <search as ::cached_aside::__private::Companion>::SHAPE },
            >::SHARED
                .or_absent(),
            __body,
        )
        .await;
    __returned
}
