/// The companion of [`load_users()`]: its body without the cache.
pub enum load_users {}
#[doc(hidden)]
impl ::cached_aside::__private::Companion for load_users {
    const SHAPE: ::core::primitive::u8 = 0;
    fn function() -> &'static ::cached_aside::__private::ReadFunction {
        ::cached_aside::__private::batch::no_function()
    }
}
impl load_users {
    #[doc(hidden)]
    pub fn key<__Ids, __Value>(_: __Ids) -> ::cached_aside::Key<__Value>
    where
        Self: ::cached_aside::__private::batch::OneKey<__Ids>,
    {
        ::cached_aside::__private::batch::no_key()
    }
    /// `load_users` without the cache.
    #[allow(clippy::missing_errors_doc, clippy::missing_panics_doc)]
    pub async fn uncached(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
        db.users(ids).await
    }
    #[doc(hidden)]
    #[cfg(not(miri))]
    pub fn __in_batch() {}
}
/// Loads several.
pub async fn load_users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> {
    use ::cached_aside::__private::{
        self as __aside, ItemTarget as _, ItemCopy as _, ItemRef as _,
    };
    use ::cached_aside::__private::batch::{
        NotSharedByBatch as _, NoError as _, NotGivenUp as _,
    };
    let __ids = __aside::batch::ids_of_slice(ids);
    let __ids = __aside::batch::keys_of(
        __ids,
        |__item| {
            let id = __item;
            let id = (&&__aside::Item(&id)).item();
            {
                use ::cached_aside::__private::not_cached::Of1 as __named;
                {
                    use load_user as __named;
                    #[cfg(not(miri))]
                    let _ = <__named>::__in_batch;
                    <__named>::key(id)
                }
            }
        },
    );
    let mut __batch = __ids
        .answered_by::<
            Result<HashMap<u64, User>, DbError>,
            _,
        >(
            __aside::batch::ErrorOf::<Result<HashMap<u64, User>, DbError>>::ERRORS
                .shared()
                .or_given_up(),
        );
    while let ::core::option::Option::Some(__missing) = __batch.missing().await {
        let __body = ::core::pin::pin!(load_users::uncached(db, & __missing));
        __batch.load(&__missing, __body).await;
    }
    __batch.finish()
}
