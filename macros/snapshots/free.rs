/// The companions of [`load_user()`]: its keys, and its body without the cache.
pub(crate) enum load_user {}
#[doc(hidden)]
impl ::cached_aside::__private::Companion for load_user {
    const SHAPE: ::core::primitive::u8 = {
        use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
        __Shape::<Result<Option<User>, DbError>>::OPTION
            + __Shape::<Result<Option<User>, DbError>>::RESULT
            + __Shape::<Result<Option<User>, DbError>>::RESULT_OPTION
    };
    fn function() -> &'static ::cached_aside::__private::ReadFunction {
        use ::cached_aside::__private as __aside;
        static __READ: __aside::ReadFunction = __aside::ReadFunction::declare(
                ::core::module_path!(),
                "load_user",
                "user:{id}",
                __aside::Duration::from_secs(300u64),
            )
            .integers(1)
            .stores(
                &__aside::coding::<
                    __aside::Value<
                        Result<Option<User>, DbError>,
                        { <load_user as ::cached_aside::__private::Companion>::SHAPE },
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
impl load_user {
    #[cfg(doc)]
    /// The key of `load_user(id)`.
    pub(crate) fn key(id: u64) -> ::cached_aside::Key<User> {
        use ::cached_aside::__private as __aside;
        __aside::key(
            <load_user as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new("user:").integer(id).finish(),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    #[cfg(not(doc))]
    /// The key of `load_user(id)`.
    pub(crate) fn key(
        id: u64,
    ) -> ::cached_aside::Key<
        ::cached_aside::__private::Value<
            Result<Option<User>, DbError>,
            { <Self as ::cached_aside::__private::Companion>::SHAPE },
        >,
    > {
        use ::cached_aside::__private as __aside;
        __aside::key(
            <load_user as ::cached_aside::__private::Companion>::function(),
            __aside::KeyWriter::new("user:").integer(id).finish(),
            __aside::coding::<_, __aside::DefaultCodec>(0),
        )
    }
    /// `load_user` without the cache.
    #[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]
    pub(crate) async fn uncached(db: &Db, id: u64) -> Result<Option<User>, DbError> {
        db.user(id).await
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    pub(crate) fn __in_batch() {
        let _ = load_user;
    }
}
/// Loads a user.
pub(crate) async fn load_user(db: &Db, id: u64) -> Result<Option<User>, DbError> {
    use ::cached_aside::__private::{self as __aside, NotShared as _, NoAbsent as _};
    let __key = __aside::KeyWriter::new("user:").integer(id).finish();
    let __body = ::core::pin::pin!(load_user::uncached(db, id));
    let __returned = __aside::load(
            <load_user as ::cached_aside::__private::Companion>::function(),
            __key,
            __aside::coding::<_, __aside::DefaultCodec>(0),
            __aside::ReturnAdapter::<
                Result<Option<User>, DbError>,
                { <load_user as ::cached_aside::__private::Companion>::SHAPE },
            >::SHARED
                .or_absent(),
            __body,
        )
        .await;
    __returned
}
