/// The companions of [`price()`]: its keys, and its body without the cache.
pub enum price {}
#[doc(hidden)]
impl ::cached_aside::__private::Companion for price {
    const SHAPE: ::core::primitive::u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        __Shape::<Option<Price>>::OPTION + __Shape::<Option<Price>>::RESULT
            + __Shape::<Option<Price>>::RESULT_OPTION
    };
    fn function() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "price",
                "price:{tenant}:{id}",
                __aside::Duration::from_secs(300u64),
            )
            .integers(3)
            .tags(
                &[
                    __aside::TagName::Template("tenant:{tenant}"),
                    __aside::TagName::Declared("catalog"),
                ],
            )
            .stores(
                &__aside::coding::<
                    __aside::Value<
                        Option<Price>,
                        { <price as ::cached_aside::__private::Companion>::SHAPE },
                    >,
                    __aside::DefaultCodec,
                >(0),
            );
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::Linked(& __READ)
        }
        &__READ
    }
}
impl price {
    #[cfg(doc)]
    /// The key of `price(tenant, id)`.
    pub fn key(tenant: u64, id: u64) -> ::cached_aside::Key<Price> {
        use ::cached_aside::__private as __aside;
        __aside::key(
            <price as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new("price:")
                .integer(tenant)
                .literal(":")
                .integer(id)
                .finish()
                .tagged([
                    __aside::KeyWriter::new("#tenant:").integer(tenant).finish_tag(),
                    __aside::tag(catalog(tenant)),
                ]),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    #[cfg(not(doc))]
    /// The key of `price(tenant, id)`.
    pub fn key(
        tenant: u64,
        id: u64,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Option<Price>,
            { <Self as ::cached_aside::__private::Companion>::SHAPE },
        >,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key(
            <price as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new("price:")
                .integer(tenant)
                .literal(":")
                .integer(id)
                .finish()
                .tagged([
                    __aside::KeyWriter::new("#tenant:").integer(tenant).finish_tag(),
                    __aside::tag(catalog(tenant)),
                ]),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    /// `price` without the cache.
    #[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]
    pub async fn uncached(db: &Db, tenant: u64, id: u64) -> Option<Price> {
        db.price(tenant, id).await
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    pub fn __in_batch() {
        let _ = price;
    }
}
pub async fn price(db: &Db, tenant: u64, id: u64) -> Option<Price> {
    use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
    let __key = __aside::KeyWriter::new("price:")
        .integer(tenant)
        .literal(":")
        .integer(id)
        .finish()
        .tagged([
            __aside::KeyWriter::new("#tenant:").integer(tenant).finish_tag(),
            __aside::tag(catalog(tenant)),
        ]);
    let __body = ::core::pin::pin!(price::uncached(db, tenant, id));
    let __returned = __aside::load(
            <price as ::cached_aside::__private::Companion>::function(),
            __key,
            __aside::coding::<_, __aside::DefaultCodec>(0),
            __aside::ReturnAdapter::<
                Option<Price>,
                { <price as ::cached_aside::__private::Companion>::SHAPE },
            >::SHARED
                .or_absent(),
            __body,
        )
        .await;
    __returned
}
