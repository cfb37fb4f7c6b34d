impl Repo {
    #[invalidates("users:recent")]
    pub async fn rename(&self, id: u64, name: &str) -> Result<Option<User>, Error> {
        use ::cached_aside::__private as __aside;
        const __SHAPE: ::core::primitive::u8 = {
            use ::cached_aside::__private::{NoShape as _, Shape as __Shape};
            __Shape::<Result<Option<User>, Error>>::OPTION
                + __Shape::<Result<Option<User>, Error>>::RESULT
                + __Shape::<Result<Option<User>, Error>>::RESULT_OPTION
        };
        static __WRITE: __aside::WriteFunction = __aside::WriteFunction::declare(
                ::core::module_path!(),
                "Repo::rename",
            )
            .guard(__aside::Guard::Required)
            .guard_for(__aside::Duration::from_secs(3u64))
            .attributes_around(1u8)
            .targets(&[__aside::Target::Method("Repo::load")]);
        ::cached_aside::__private::inventory::submit! {
            ::cached_aside::__private::LinkedWrite(& __WRITE)
        }
        let __when: ::core::primitive::bool = id > 0;
        let __keys = if __when {
            ::core::option::Option::Some([
                __aside::Updated(
                        __aside::in_cache_of_write({
                            trait CachedMethod {
                                fn __load_key(&self) {}
                            }
                            impl<
                                T: ::cached_aside::__private::CachedMethod
                                    + ?::core::marker::Sized,
                            > CachedMethod for T {}
                            (*self).__load_key(id)
                        }),
                    )
                    .by::<Result<Option<User>, Error>, __SHAPE>(),
            ])
        } else {
            ::core::option::Option::None
        };
        let __cache: ::core::option::Option<::cached_aside::Cache> = if __when {
            let __cache: ::cached_aside::Cache = ::core::clone::Clone::clone(
                &self.cache,
            );
            ::core::option::Option::Some(__cache)
        } else {
            ::core::option::Option::None
        };
        let __body = ::core::pin::pin!(
            async move { if let ::core::option::Option::Some(__never) =
            ::core::option::Option::None:: < Result < Option < User >, Error > > { return
            __never; } self.db.rename(id, name). await }
        );
        let __returned = if __when {
            __aside::update::<
                Result<Option<User>, Error>,
                __SHAPE,
                _,
            >(
                    &__WRITE,
                    ::core::option::Option::as_ref(&__cache),
                    ::core::option::Option::Some(
                        __aside::refuse::<Result<Option<User>, Error>>,
                    ),
                    ::core::iter::Iterator::flatten(
                        ::core::iter::IntoIterator::into_iter(__keys),
                    ),
                    __body,
                )
                .await
        } else {
            __body.await
        };
        __returned
    }
}
